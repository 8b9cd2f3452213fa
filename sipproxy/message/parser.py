"""From the octets of one message to a `Request` or `Response`, and the check before it is used.

`parse` only splits: start line, header lines, body. `check` looks at what every element must
understand (RFC 3261 section 16.3 step 1), and gives the verdicts of RFC 4475. Both have a short way
for what nearly everybody sends. Anything unusual (a folded line, a lone LF, an unknown spelling) is
noticed on that way without being looked for, and starts again on the careful one.
"""

import re
from typing import Final

from sipproxy.message.errors import ParseError
from sipproxy.message.fields import parse_via
from sipproxy.message.grammar import (
    CANONICAL,
    MAX_HEADERS,
    MAX_LINE,
    MAX_MESSAGE,
    METHODS,
    QUOTED,
    TOKEN,
    canonical,
    pretty,
)
from sipproxy.message.message import Message, Request, Response
from sipproxy.message.uri import SipUri
from sipproxy.message.values import split_list, split_semicolons, value_of

_TOKEN: Final = re.compile(rb"[" + TOKEN + rb"]++\Z")
_NAME: Final = re.compile(rb"[" + TOKEN + rb"]++[ \t]*+\Z")
_VERSION: Final = re.compile(rb"[Ss][Ii][Pp]/[0-9]+\.[0-9]+\Z")
_STATUS_LINE: Final = re.compile(
    rb"([Ss][Ii][Pp]/[0-9]+\.[0-9]+) ([0-9]{3})(?: (.*))?\Z", re.DOTALL
)
_LINE_END: Final = re.compile(rb"\r\n(?![ \t])")
_STRAY: Final = re.compile(rb"\r(?!\n)|(?<!\r)\n")

_BLANK_LINE: Final = b"\r\n\r\n"
_CONTENT_LENGTH_0: Final = b"Content-Length: 0"

#: Headers that may stand once only, for routing to be sure of what it reads.
_SINGLE: Final = (b"from", b"to", b"call-id", b"cseq", b"max-forwards")

#: A From or To line of the usual form, with an address that can only be right, and its tag.
_PARTY: Final = re.compile(
    rb'(?:From|To|f|t): (?:"[^"\\<>]*+" ?|[\w\-.!%*+`\'~ ]*+)<'
    rb"(?:sips?:(?:[\w\-.!~*'()&=+$,;?/#]++@)?[\w\-.]++(?::[1-9][0-9]{0,3})?"
    rb"(?:;[\w\-.!~*'()=;]*+)?|tel:\+?[0-9][0-9\-.]*+)"
    rb">(?:;tag=([" + TOKEN + rb"]++))?\Z"
)
#: The parameters of a From or To.
_PARAMETERS: Final = re.compile(
    rb"(?:[ \t]*+;[ \t]*+(?:[" + TOKEN + rb"]++[ \t]*+"
    rb'(?:=[ \t]*+(?:[^ \t;,"<>]++|' + QUOTED + rb"))?)?)*[ \t]*+\Z",
    re.DOTALL,
)
_CLOSED_QUOTES: Final = re.compile(rb'[^"]*+(?:' + QUOTED + rb'[^"]*+)*\Z', re.DOTALL)


# --- splitting


def parse(data: bytes) -> Request | Response:
    """Split one message. Raises ParseError, with as much of the message as could be read."""
    if len(data) > MAX_MESSAGE:
        raise ParseError("the message is too large", 513)
    head, end, body = data.partition(_BLANK_LINE)
    lines = head.splitlines()
    # splitlines() also splits at a lone CR or LF, and joining shows that it did.
    if not end or not lines or not lines[0] or b"\r\n".join(lines) != head:
        message = _parse_odd_ends(data)
    else:
        start = lines.pop(0)
        try:
            # The second line of a folded one begins with nothing that is in the table.
            names = [CANONICAL[line.partition(b":")[0]] for line in lines]
            if not CANONICAL.keys().isdisjoint(lines):  # a name alone, without a colon
                names = []
        except KeyError:
            names = _all_names(lines)
        if len(names) != len(lines) or len(names) > MAX_HEADERS or len(head) > MAX_LINE:
            message = _parse_carefully(head, body)
        else:
            message = _message(start, names, lines, body) or _odd_start(start, names, lines, body)
            lengths = names.count(b"content-length")
            if lengths and (lengths > 1 or body or lines[-1] != _CONTENT_LENGTH_0):
                _fit_body(message)
    message.wire_size = len(data)
    return message


def _message(
    start: bytes, names: list[bytes], lines: list[bytes], body: bytes
) -> Request | Response | None:
    """Make a message if the start line has its usual form."""
    parts = start.split(b" ", 2)
    if len(parts) == 3:
        first, second, third = parts
        if third == b"SIP/2.0":
            method = METHODS.get(first) or (first.decode() if _TOKEN.match(first) else "")
            if method and second:
                return Request(method, second, names, lines, body)
        elif first == b"SIP/2.0" and len(second) == 3 and second.isdigit():
            if b"100" <= second <= b"699":
                return Response(int(second), third, names, lines, body)
    return None


def _fit_body(message: Request | Response) -> None:
    """Cut what follows the body; refuse a body that is shorter than it says (section 18.3)."""
    names = message.names
    line = message.lines[names.index(b"content-length")]
    digits = line[16:]
    if not digits.isdigit() or line[:16] != b"Content-Length: ":
        digits = value_of(line)
    if not digits.isdigit() or len(digits) > 9:
        raise ParseError("the Content-Length is not a number", 400, message)
    length = int(digits)
    if names.count(b"content-length") > 1:
        for other in message.raw_values(b"content-length"):
            if not other.isdigit() or len(other) > 9 or int(other) != length:
                raise ParseError("there are two Content-Length", 400, message)
    if length != len(message.body):
        if length > len(message.body):
            raise ParseError("the body is shorter than its Content-Length", 400, message)
        message.body = message.body[:length]


# --- splitting with care


def _all_names(lines: list[bytes]) -> list[bytes]:
    """Name header lines of which some have no usual name; fewer when one is no header at all."""
    names: list[bytes] = []
    for line in lines:
        raw, colon, _ = line.partition(b":")
        if not colon:
            break
        name = CANONICAL.get(raw)
        if name is None:
            if not _NAME.match(raw):
                break
            name = canonical(raw)
        names.append(name)
    return names


def _parse_odd_ends(data: bytes) -> Request | Response:
    """Take a message with empty lines before it, or with line ends that are not CRLF.

    LF alone is taken for a line end when all lines end so (people type messages into netcat). A
    message with both, or with a lone CR, is refused: others would read other headers in it.
    """
    data = data.lstrip(b"\r\n")
    if not data:
        raise ParseError("the message is empty")
    head, end, body = data.partition(_BLANK_LINE)
    if not end:
        head, end, body = data.partition(b"\n\n")
        if b"\r" not in head:
            head = head.replace(b"\n", b"\r\n")
    if not end:
        return _parse_carefully(head.rstrip(b"\r\n"), b"", "the header does not end")
    return _parse_carefully(head, body)


def _parse_carefully(head: bytes, body: bytes, fault: str = "") -> Request | Response:
    """Split a header line by line. Raises ParseError for the first fault after all is split."""
    status = 400
    start, *rest = _LINE_END.split(head)
    names: list[bytes] = []
    lines: list[bytes] = []
    for line in rest:
        raw, colon, _ = line.partition(b":")
        if not colon or not _NAME.match(raw):
            fault = fault or "a header line has no name"
        elif _STRAY.search(line):
            fault = fault or "a line ends with CR or LF alone"
        elif len(line) > MAX_LINE:
            if not fault:
                fault, status = "a header line is too long", 513
        elif len(lines) == MAX_HEADERS:
            if not fault:
                fault, status = "there are too many header lines", 513
        else:
            names.append(canonical(raw))
            lines.append(line)
    message = _message(start, names, lines, body) or _odd_start(start, names, lines, body)
    if len(start) > MAX_LINE and not fault:
        fault, status = "the start line is too long", 414
    if fault:
        raise ParseError(fault, status, message)
    if b"content-length" in names:
        _fit_body(message)
    return message


def _odd_start(
    start: bytes, names: list[bytes], lines: list[bytes], body: bytes
) -> Request | Response:
    """Read a start line of unusual form. Raises ParseError, with a message where possible."""
    status_line = _STATUS_LINE.match(start)
    if status_line is not None:
        version, digits, reason = status_line.groups()
        if version.upper() != b"SIP/2.0":
            raise ParseError("the SIP version is not 2.0", 505)
        if not b"100" <= digits <= b"699":
            raise ParseError("the status code is out of range")
        if not _STRAY.search(start):
            return Response(int(digits), reason or b"", names, lines, body)
    parts = start.split()
    if len(parts) < 2 or b"/" in parts[0]:
        raise ParseError("the start line is malformed")
    request = Request(parts[0].decode("ascii", "replace"), parts[1], names, lines, body)
    if not _TOKEN.match(parts[0]):
        raise ParseError("the method is malformed", 400, request)
    if not _VERSION.match(parts[-1]):
        raise ParseError("the request line is malformed", 400, request)
    if parts[-1].upper() != b"SIP/2.0":
        raise ParseError("the SIP version is not 2.0", 505, request)
    if len(parts) != 3 or b" ".join(parts) != start:
        raise ParseError("the request line has more blanks than it should", 400, request)
    return request


# --- checking


def check(message: Request | Response) -> None:
    """Look at what every element relies on. Raises ParseError with the status to answer."""
    names = message.names
    repeated = len(names) - len(set(names))
    if repeated and repeated != names.count(b"via") - 1:
        for name in _SINGLE:
            if names.count(name) > 1:
                raise ParseError(f"there are two {pretty(name).decode()}", 400, message)
    try:
        if isinstance(message, Request):
            _check_request(message)
        _check_fields(message)
    except ParseError as error:
        if error.message is None:
            error.message = message
        raise


def _check_fields(message: Message) -> None:
    """Check what requests and responses have in common, and keep what was parsed by the way."""
    if message._top_via is None:
        message.top_via  # noqa: B018  # raises when it makes no sense, as all such bare names do
    lines, names = message.lines, message.names
    via = lines[names.index(b"via")]
    if b'"' in via and not _CLOSED_QUOTES.match(via):
        raise ParseError("the Via has a quote that does not close")
    if b"," in via:
        for value in split_list(value_of(via)):
            parse_via(value)
    call_id = message.call_id
    if not call_id or b" " in call_id or b"\t" in call_id:
        raise ParseError("the Call-ID is malformed")
    message.cseq  # noqa: B018
    try:
        party = _PARTY.match(lines[names.index(b"from")])
        message._from_tag = party[1] or b"" if party else _party_tag(message, b"from")
        party = _PARTY.match(lines[names.index(b"to")])
        message._to_tag = party[1] or b"" if party else _party_tag(message, b"to")
    except ValueError:
        raise ParseError("the From or the To is missing") from None


def _party_tag(message: Message, name: bytes) -> bytes:
    """Check a From or To of unusual form; give its tag, or nothing."""
    party = message.from_ if name == b"from" else message.to
    party.uri  # noqa: B018
    if not _PARAMETERS.match(party.params_raw):
        raise ParseError(f"the parameters of the {pretty(name).decode()} are malformed")
    tags: list[bytes] = []
    for piece in split_semicolons(party.params_raw):
        key, _, value = piece.partition(b"=")
        if key.rstrip().lower() == b"tag":
            tags.append(value.lstrip())
    if not tags:
        return b""
    if len(tags) > 1 or not _TOKEN.match(tags[0]):
        raise ParseError(f"the tag of the {pretty(name).decode()} is malformed")
    return tags[0]


def _check_request(request: Request) -> None:
    uri = request.uri
    if isinstance(uri, SipUri) and uri.headers:
        raise ParseError("the Request-URI has headers")
    method = request.method
    if request.cseq.method != method:
        raise ParseError("the CSeq names another method")
    request.max_forwards  # noqa: B018
    names = request.names
    if b"contact" in names:
        if method == "REGISTER":
            for contact in request.contacts:
                contact.uri  # noqa: B018
                contact.q  # noqa: B018
        else:
            line = request.lines[names.index(b"contact")]
            if b'"' in line and not _CLOSED_QUOTES.match(line):
                raise ParseError("the Contact has a quote that does not close")
