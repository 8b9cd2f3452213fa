"""Messages that the server makes itself, out of the raw lines of others."""

from collections.abc import Sequence

from sipproxy.message.grammar import pretty
from sipproxy.message.message import Request, Response
from sipproxy.message.status import reason as phrase_of

_CONTENT_LENGTH_0 = b"Content-Length: 0"


def make_response(
    request: Request,
    status: int,
    reason: bytes | None = None,
    to_tag: bytes | None = None,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> Response:
    """Make a response to a request (section 8.2.6); ``headers`` are names and values to add."""
    names: list[bytes] = []
    lines: list[bytes] = []
    source = request.lines
    for index, name in enumerate(request.names):
        if name == b"via" or name == b"from" or name == b"call-id" or name == b"cseq":
            names.append(name)
            lines.append(source[index])
        elif name == b"to":
            line = source[index]
            if to_tag and status > 100 and request.to_tag is None:
                line = line.rstrip() + b";tag=" + to_tag
            names.append(name)
            lines.append(line)
        elif name == b"timestamp" and status == 100:
            names.append(name)
            lines.append(source[index])
    for name, value in headers:
        names.append(name)
        lines.append(pretty(name) + b": " + value)
    names.append(b"content-length")
    lines.append(_CONTENT_LENGTH_0)
    return Response(status, phrase_of(status) if reason is None else reason, names, lines)


def make_ack(invite: Request, response: Response) -> Request:
    """Make the ACK for a final response other than 2xx (section 17.1.1.3)."""
    ack = _within(invite, "ACK")
    at = ack.names.index(b"to")
    ack.lines[at] = response.lines[response.names.index(b"to")]
    return ack


def make_cancel(invite: Request) -> Request:
    """Make the CANCEL for an INVITE that we sent (section 9.1)."""
    return _within(invite, "CANCEL")


def _within(invite: Request, method: str) -> Request:
    """Make a request that follows the same way as an INVITE, hop by hop."""
    names: list[bytes] = []
    lines: list[bytes] = []
    seen_via = False
    for index, name in enumerate(invite.names):
        if name == b"via":
            if seen_via:
                continue
            seen_via = True
        elif name not in (b"from", b"to", b"call-id", b"route", b"max-forwards"):
            if name == b"cseq":
                names.append(name)
                lines.append(b"CSeq: %d %b" % (invite.cseq.number, method.encode()))
            continue
        names.append(name)
        lines.append(invite.lines[index])
    names.append(b"content-length")
    lines.append(_CONTENT_LENGTH_0)
    return Request(method, invite.uri_raw, names, lines)
