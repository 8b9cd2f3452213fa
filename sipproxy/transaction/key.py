"""Which transaction a message belongs to: RFC 3261 sections 17.1.3 and 17.2.3.

With the branch cookie the key of a server transaction is made of branch, sent-by and method,
that of a client transaction of branch and method. Without it (RFC 2543) a request is compared by
Request-URI, tags, Call-ID, CSeq number and topmost Via; the ACK of such an INVITE carries the To
tag of our response, so it has a key of its own, known once that response is sent.

Branches are compared without regard to case (section 7.3.1): there are peers that send our
branch back in capitals. Whoever makes branches for us must not let two differ in case alone.
"""

from typing import Final
from zlib import crc32

from sipproxy.message.errors import ParseError
from sipproxy.message.fields import Via
from sipproxy.message.message import Request, Response

#: Section 8.1.1.7, in lower case: what a branch of RFC 3261 begins with.
COOKIE: Final = b"z9hg4bk"

#: What the key of a request without the cookie begins with, and no other.
OLD_KEY: Final = b"2543 "


def server_key(request: Request) -> bytes:
    """The key under which the server transaction of a request is, or would be, known.

    An ACK gets that of its INVITE. Raises ParseError when there is no usable topmost Via.
    """
    method = request.method
    return _server_key(request, "INVITE" if method == "ACK" else method, method == "ACK")


def invite_key(request: Request) -> bytes:
    """The key of the INVITE that a CANCEL wants to cancel (section 9.2)."""
    return _server_key(request, "INVITE", False)


def _server_key(request: Request, method: str, is_ack: bool) -> bytes:
    via = request.top_via
    branch = via.branch
    if branch is not None:
        branch = branch.lower()
        if branch.startswith(COOKIE) and branch != COOKIE:
            return b"%b %b %b" % (branch, via.sent_by, method.encode())
    tag = _to_tag(request)
    if is_ack:
        return old_ack_key(request, tag)
    return b"\n".join((OLD_KEY + method.encode(), tag, *_old_parts(request, via)))


def old_ack_key(request: Request, to_tag: bytes) -> bytes:
    """What finds a cookie-less INVITE by its ACK: `request` is either, the tag our response's."""
    return b"\n".join((OLD_KEY + b"ACK", to_tag, *_old_parts(request, request.top_via)))


def client_key(message: Request | Response) -> bytes | None:
    """The key of the client transaction of a response, or of a request we send.

    None when no transaction of ours can be meant; ParseError when Via or CSeq are unusable.
    """
    branch = message.top_branch
    if branch is None:
        return None
    if isinstance(message, Request):
        return branch.lower() + b" " + message.method.encode()
    return branch.lower() + b" " + message.cseq.method.encode()


def stateless_tag(key: bytes) -> bytes:
    """A To tag that is the same whenever the request with this server key comes again.

    Section 8.2.7 asks that of whoever answers without keeping state.
    """
    return b"%08x" % crc32(key)


def _old_parts(request: Request, via: Via) -> tuple[bytes, ...]:
    """What section 17.2.3 compares besides the method and the To tag."""
    cseq = (request.value(b"cseq") or b"").split()
    return (
        request.uri_raw,
        _from_tag(request),
        request.value(b"call-id") or b"",
        cseq[0] if cseq else b"",
        via.sent_by,
        via.branch or b"",
    )


def _from_tag(request: Request) -> bytes:
    """The From tag. One that cannot be read is for the core to refuse, not for us."""
    try:
        return request.from_tag or b""
    except ParseError:
        return request.value(b"from") or b""


def _to_tag(request: Request) -> bytes:
    """The To tag, with the same leniency."""
    try:
        return request.to_tag or b""
    except ParseError:
        return request.value(b"to") or b""
