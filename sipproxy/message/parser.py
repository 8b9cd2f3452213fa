"""From the bytes of one message to a `Request` or `Response`, and the check before it is used.

`parse` only splits: start line, header lines, body.  `check` looks at what every element must
understand (RFC 3261 section 16.3 step 1), and gives the verdicts of RFC 4475.
"""

import re
from typing import Final

from sipproxy.message.errors import ParseError
from sipproxy.message.fields import parse_name_addr, split_commas
from sipproxy.message.grammar import CANONICAL, MAX_HEADERS, MAX_LINE, MAX_MESSAGE, canonical
from sipproxy.message.message import Message, Request, Response

_METHODS: Final = {
    name.encode(): name
    for name in (
        "INVITE ACK BYE CANCEL REGISTER OPTIONS PRACK UPDATE INFO MESSAGE SUBSCRIBE NOTIFY PUBLISH "
        "REFER"
    ).split()
}
_TOKEN: Final = re.compile(rb"[\w\-.!%*+`'~]+\Z")
_NAME: Final = re.compile(rb"[\w\-.!%*+`'~]+[ \t]*\Z")
_VERSION: Final = re.compile(rb"SIP/[0-9]+\.[0-9]+\Z", re.IGNORECASE)
_FOLD: Final = re.compile(rb"\r\n(?=[^ \t])")

#: Headers that may stand once only, and must for routing to be sure of what it reads.
_SINGLE: Final = (b"from", b"to", b"call-id", b"cseq", b"max-forwards", b"content-length")
_MANDATORY: Final = (b"from", b"to", b"call-id", b"cseq", b"via")
_QUICK_ADDRESS: Final = re.compile(
    rb"[\w\-.!%*+`'~ ]*(?:\"[^\"\\<>]*\")?[ ]?<(?:sips?|tel):[^<>\s\"]+>(?:;[^\"<>,]*)?\Z"
)


def parse(data: bytes) -> Request | Response:
    """Split one message.  Raises ParseError, with as much of the message as could be read."""
    if len(data) > MAX_MESSAGE:
        raise ParseError("the message is too large", 513)
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank or b"\n\n" in head or head[:2] == b"\r\n":
        return _parse_oddly_ended(data)
    return _parse_head(head, body)


def _parse_oddly_ended(data: bytes) -> Request | Response:
    """Take a message with blank lines in front, or lines that end with LF alone."""
    stripped = data.lstrip(b"\r\n")
    if not stripped:
        raise ParseError("the message is empty")
    head, blank, body = stripped.partition(b"\r\n\r\n")
    if blank and b"\n\n" not in head:
        return _parse_head(head, body)
    match = re.search(rb"\r?\n\r?\n", stripped)
    if match is None:
        head, body = stripped, b""
    else:
        head, body = stripped[: match.start()], stripped[match.end() :]
    lines = re.split(rb"\r?\n", head.rstrip(b"\r\n"))
    message = _parse_head(b"\r\n".join(lines), body)
    if match is None:
        raise ParseError("the header does not end", message=message)
    return message


def _parse_head(head: bytes, body: bytes) -> Request | Response:
    if b"\r\n " in head or b"\r\n\t" in head:
        lines = _FOLD.split(head)
    else:
        lines = head.split(b"\r\n")
    start = lines.pop(0)
    if len(lines) > MAX_HEADERS:
        raise ParseError("there are too many header lines", 513, _message(start, [], [], b""))
    names: list[bytes] = []
    known = CANONICAL.get
    for line in lines:
        raw = line[: line.find(b":")]
        names.append(known(raw) or _unusual_name(raw, line, start))
    message = _message(start, names, lines, body)
    if len(head) > MAX_LINE and max(map(len, lines), default=0) > MAX_LINE:
        raise ParseError("a header line is too long", 513, message)
    if b"\n" in head and head.count(b"\n") != head.count(b"\r\n"):
        raise ParseError("a line ends with LF alone", message=message)
    _fit_body(message)
    return message


def _unusual_name(raw: bytes, line: bytes, start: bytes) -> bytes:
    if b":" not in line or not _NAME.match(raw):
        raise ParseError("a header line has no name", message=_lenient(start, line))
    return canonical(raw)


def _lenient(start: bytes, line: bytes) -> Message | None:
    return None


def _fit_body(message: Request | Response) -> None:
    """Cut what follows the body; refuse a body that is shorter than it says (section 18.3)."""
    if b"content-length" not in message.names:
        return
    if message.names.count(b"content-length") > 1:
        lengths = set(message.raw_values(b"content-length"))
        if len(lengths) > 1:
            raise ParseError("there are two Content-Length", message=message)
    length = message.content_length
    body = message.body
    if length is not None and length != len(body):
        if length > len(body):
            raise ParseError("the body is shorter than its Content-Length", message=message)
        message.body = body[:length]


def _message(
    start: bytes, names: list[bytes], lines: list[bytes], body: bytes
) -> Request | Response:
    first, _, rest = start.partition(b" ")
    if first == b"SIP/2.0":
        return _response(rest, names, lines, body)
    uri, _, version = rest.rpartition(b" ")
    if version == b"SIP/2.0":
        method = _METHODS.get(first)
        if method is None:
            if not _TOKEN.match(first):
                raise ParseError("the method is malformed")
            method = first.decode("ascii", "replace")
        request = Request(method, uri, names, lines, body)
        if not uri or b" " in uri or b"\t" in uri or uri[:1] == b"<":
            raise ParseError("the request line is malformed", message=request)
        return request
    raise _bad_start(start, names, lines, body)


def _response(
    rest: bytes, names: list[bytes], lines: list[bytes], body: bytes
) -> Response:
    status, _, reason = rest.partition(b" ")
    if len(status) != 3 or not status.isdigit() or not 100 <= int(status) < 700:
        raise ParseError("the status code is out of range")
    return Response(int(status), reason, names, lines, body)


def _bad_start(
    start: bytes, names: list[bytes], lines: list[bytes], body: bytes
) -> ParseError:
    """Say what is wrong with a start line, with a request to answer where one can be made out."""
    parts = start.split()
    if len(parts) < 3 or not _TOKEN.match(parts[0]):
        return ParseError("the start line is malformed")
    method = parts[0].decode("ascii", "replace")
    request = Request(method, parts[1], names, lines, body)
    if len(parts) == 3 and _VERSION.match(parts[2]):
        if parts[2].upper() == b"SIP/2.0":
            if start == b" ".join(parts):
                return ParseError("the version is not in upper case", message=request)
            return ParseError("the request line has more blanks than it should", message=request)
        return ParseError("the SIP version is not 2.0", 505, request)
    return ParseError("the request line is malformed", message=request)


def check(message: Request | Response) -> None:
    """Look at what every element relies on.  Raises ParseError with the status to answer."""
    names = message.names
    for name in _MANDATORY:
        if name not in names:
            raise ParseError(f"the {name.decode()} is missing", message=message)
    for name in _SINGLE:
        if names.count(name) > 1:
            raise ParseError(f"there are two {name.decode()}", message=message)
    try:
        _check_fields(message)
    except ParseError as error:
        error.message = error.message or message
        raise


def _check_fields(message: Request | Response) -> None:
    via = message.top_via
    if via.branch == b"":
        raise ParseError("a Via has an empty branch")
    if not message.call_id or b" " in message.call_id:
        raise ParseError("the Call-ID is malformed")
    cseq = message.cseq
    for name in (b"from", b"to"):
        value = message.value(name) or b""
        if not _QUICK_ADDRESS.match(value):
            if len(split_commas(value)) > 1:
                raise ParseError(f"there are two values in {name.decode()}")
            parse_name_addr(value).uri  # noqa: B018  # raises when it makes no sense
    if isinstance(message, Request):
        if cseq.method != message.method:
            raise ParseError("the CSeq names another method")
        message.uri  # noqa: B018
        message.max_forwards  # noqa: B018
        if b"contact" in message.names and message.method == "REGISTER":
            for contact in message.contacts:
                contact.uri  # noqa: B018
                contact.q  # noqa: B018
