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

#: Stands for a name that is not in the table until it is looked at closer.
_UNKNOWN: Final = b""

#: Headers that may stand once only, and must for routing to be sure of what it reads.
_SINGLE: Final = (b"from", b"to", b"call-id", b"cseq", b"max-forwards", b"content-length")
_MANDATORY: Final = (b"from", b"to", b"call-id", b"cseq", b"via")
#: A From or To line of the usual form, and its tag; any other is looked at with care.
_PARTY: Final = re.compile(
    rb"(?:From|To|f|t|FROM|TO|from|to): ?(?:\"[^\"\\<>]*\" ?|[\w\-.!%*+`'~ ]*)"
    rb"<(?:sips?|tel):[^<>\s\"]+>(?:;tag=([^;,\s<>\"]+))?\Z"
)


def parse(data: bytes) -> Request | Response:
    """Split one message.  Raises ParseError, with as much of the message as could be read."""
    if len(data) > MAX_MESSAGE:
        raise ParseError("the message is too large", 513)
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank or b"\n\n" in head or head[:2] == b"\r\n":
        message = _parse_oddly_ended(data)
    else:
        message = _parse_head(head, body)
    message.wire_size = len(data)
    return message


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
    folded = b"\r\n " in head or b"\r\n\t" in head
    lines = _FOLD.split(head) if folded else head.split(b"\r\n")
    start = lines.pop(0)
    if len(lines) > MAX_HEADERS:
        raise ParseError("there are too many header lines", 513, _message(start, [], [], b""))
    known = CANONICAL.get
    names: list[bytes] = [known(line.partition(b":")[0], _UNKNOWN) for line in lines]
    if _UNKNOWN in names:
        _name_unusual(names, lines)
    message = _message(start, names, lines, body)
    if len(head) > MAX_LINE and max(map(len, lines), default=0) > MAX_LINE:
        raise ParseError("a header line is too long", 513, message)
    if head.count(b"\n") != len(lines) and head.count(b"\n") != head.count(b"\r\n"):
        raise ParseError("a line ends with LF alone", message=message)
    if b"content-length" in names:
        _fit_body(message)
    return message


def _name_unusual(names: list[bytes], lines: list[bytes]) -> None:
    """Name the headers that are not in the table of usual spellings."""
    for index, name in enumerate(names):
        if name is _UNKNOWN:
            line = lines[index]
            raw = line.partition(b":")[0]
            if len(raw) == len(line) or not _NAME.match(raw):
                raise ParseError("a header line has no name")
            names[index] = canonical(raw)


def _fit_body(message: Request | Response) -> None:
    """Cut what follows the body; refuse a body that is shorter than it says (section 18.3)."""
    names = message.names
    if names.count(b"content-length") > 1 and len(set(message.raw_values(b"content-length"))) > 1:
        raise ParseError("there are two Content-Length", message=message)
    line = message.lines[names.index(b"content-length")]
    digits = line[line.find(b":") + 1 :].strip()
    length = int(digits) if digits.isdigit() and len(digits) < 10 else message.content_length
    body = message.body
    if length is not None and length != len(body):
        if length > len(body):
            raise ParseError("the body is shorter than its Content-Length", message=message)
        message.body = body[:length]


def _message(
    start: bytes, names: list[bytes], lines: list[bytes], body: bytes
) -> Request | Response:
    parts = start.split(b" ")
    if parts[0] == b"SIP/2.0":
        return _response(start[8:], names, lines, body)
    if len(parts) == 3 and parts[2] == b"SIP/2.0" and parts[1]:
        first, uri, _ = parts
        method = _METHODS.get(first)
        if method is None:
            if not _TOKEN.match(first):
                raise ParseError("the method is malformed")
            method = first.decode("ascii", "replace")
        request = Request(method, uri, names, lines, body)
        if b"\t" in uri or uri[:1] == b"<":
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
    for name in _SINGLE:
        if names.count(name) != 1:
            _complain_of_count(message, name)
    if b"via" not in names:
        raise ParseError("the Via is missing", message=message)
    try:
        _check_fields(message)
    except ParseError as error:
        error.message = error.message or message
        raise


def _complain_of_count(message: Request | Response, name: bytes) -> None:
    if name not in message.names:
        if name in _MANDATORY:
            raise ParseError(f"the {name.decode()} is missing", message=message)
    else:
        raise ParseError(f"there are two {name.decode()}", message=message)


def _check_fields(message: Request | Response) -> None:
    names, lines = message.names, message.lines
    message.top_via  # noqa: B018  # raises when it makes no sense, as all the bare names below
    if not message.call_id or b" " in message.call_id:
        raise ParseError("the Call-ID is malformed")
    party = _PARTY.match(lines[names.index(b"from")])
    if party is not None:
        message._from_tag = party.group(1) or b""
    else:
        _check_party(message, b"from")
    party = _PARTY.match(lines[names.index(b"to")])
    if party is not None:
        message._to_tag = party.group(1) or b""
    else:
        _check_party(message, b"to")
    method = message.cseq.method
    if isinstance(message, Request):
        if method != message.method:
            raise ParseError("the CSeq names another method")
        message.uri  # noqa: B018
        message.max_forwards  # noqa: B018
        if method == "REGISTER" and b"contact" in names:
            for contact in message.contacts:
                contact.uri  # noqa: B018
                contact.q  # noqa: B018


def _check_party(message: Request | Response, name: bytes) -> None:
    value = message.value(name) or b""
    if len(split_commas(value)) > 1:
        raise ParseError(f"there are two values in {name.decode()}")
    parse_name_addr(value).uri  # noqa: B018
