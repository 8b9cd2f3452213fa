"""Messages that the server makes itself, out of the raw lines of others."""

from collections.abc import Sequence
from typing import Final

from sipproxy.message.errors import ParseError
from sipproxy.message.headers import line_of
from sipproxy.message.message import Request, Response
from sipproxy.message.status import reason as phrase_of
from sipproxy.message.values import split_list, value_of

_CONTENT_LENGTH: Final = b"content-length"
_CONTENT_LENGTH_0: Final = b"Content-Length: 0"

#: What a response takes over from its request (section 8.2.6.2); Timestamp goes with a 100 only.
_ECHOED: Final = frozenset((b"via", b"from", b"to", b"call-id", b"cseq"))
_ECHOED_100: Final = _ECHOED | {b"timestamp"}


def make_response(
    request: Request,
    status: int,
    reason: bytes | None = None,
    to_tag: bytes | None = None,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> Response:
    """Make a response (section 8.2.6); ``headers`` are canonical names and values to add.

    The tag is added where the To has none, but never to a 100, nor to a To that cannot be read.
    Raises ValueError for a header value with a line end.
    """
    names: list[bytes] = []
    lines: list[bytes] = []
    echoed = _ECHOED if status > 100 else _ECHOED_100
    for name, line in zip(request.names, request.lines):  # noqa: B905  # strict costs too much here
        if name in echoed:
            names.append(name)
            lines.append(line)
    if to_tag and status > 100 and _lacks_tag(request):
        at = names.index(b"to")
        lines[at] = lines[at].rstrip() + b";tag=" + to_tag
    for name, value in headers:
        names.append(name)
        lines.append(line_of(name, value))
    names.append(_CONTENT_LENGTH)
    lines.append(_CONTENT_LENGTH_0)
    return Response(status, phrase_of(status) if reason is None else reason, names, lines)


def _lacks_tag(request: Request) -> bool:
    try:
        return request.to_tag is None
    except ParseError:
        return False


def make_ack(invite: Request, response: Response) -> Request:
    """Make the ACK for a final response other than 2xx (section 17.1.1.3).

    Raises ParseError when one of the two lacks what an ACK needs.
    """
    ack = _within(invite, "ACK")
    try:
        ack.lines[ack.names.index(b"to")] = response.lines[response.names.index(b"to")]
    except ValueError:
        raise ParseError("an ACK needs the To of the response", 400, response) from None
    return ack


def make_cancel(invite: Request) -> Request:
    """Make the CANCEL for an INVITE that we sent (section 9.1). Raises ParseError."""
    return _within(invite, "CANCEL")


def _within(invite: Request, method: str) -> Request:
    """Make a request that goes the same way as an INVITE, to the next hop only."""
    names: list[bytes] = []
    lines: list[bytes] = []
    seen_via = False
    for name, line in zip(invite.names, invite.lines):  # noqa: B905  # strict costs too much here
        if name == b"via":
            if seen_via:
                continue
            seen_via = True
            if b"," in line:
                line = b"Via: " + split_list(value_of(line))[0]
        elif name == b"cseq":
            line = b"CSeq: %d %b" % (invite.cseq.number, method.encode())
        elif name not in (b"from", b"to", b"call-id", b"route", b"max-forwards"):
            continue
        names.append(name)
        lines.append(line)
    names.append(_CONTENT_LENGTH)
    lines.append(_CONTENT_LENGTH_0)
    return Request(method, invite.uri_raw, names, lines)
