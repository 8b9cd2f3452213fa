"""What one side of a dialog remembers (RFC 3261 section 12), and the requests it makes of that."""

from collections.abc import Sequence
from typing import Final

from sipproxy.message.fields import parse_name_addr
from sipproxy.message.message import Message, Request, Response
from sipproxy.message.parser import parse
from sipproxy.message.uri import SipUri

Headers = Sequence[tuple[str, str]]

CRLF: Final = "\r\n"


def request_of(lines: Sequence[str], headers: Headers = (), body: str = "") -> Request:
    """Make a request of its lines; the Content-Length is counted."""
    more = [f"{name}: {value}" for name, value in headers]
    length = f"Content-Length: {len(body.encode())}"
    text = CRLF.join([*lines, *more, length, "", body])
    request = parse(text.encode())
    assert isinstance(request, Request)
    return request


class Dialog:
    """One side of it.  ``strict`` sides route as RFC 2543 had it, whatever the Routes say."""

    def __init__(
        self,
        call_id: str,
        local: str,
        remote: str,
        target: str,
        routes: Sequence[str],
        cseq: int,
        strict: bool = False,
    ) -> None:
        #: From and To as this side writes them, with their tags.
        self.local = local
        self.remote = remote
        self.call_id = call_id
        #: The Contact of the other side.
        self.target = target
        self.routes = list(routes)
        #: The number of the last request sent.
        self.cseq = cseq
        #: The number of the last request received.
        self.remote_cseq = 0
        self.strict = strict

    @classmethod
    def of_response(cls, request: Request, response: Response, strict: bool = False) -> "Dialog":
        """Begin the caller's side (section 12.1.2): the routes in the order that is reversed."""
        routes = [value.decode() for value in response.values(b"record-route")]
        return cls(
            response.call_id.decode(),
            _text(request, b"from"),
            _text(response, b"to"),
            _contact(response) or request.uri_raw.decode(),
            routes[::-1],
            request.cseq.number,
            strict,
        )

    @classmethod
    def of_request(cls, request: Request, tag: str, strict: bool = False) -> "Dialog":
        """Begin the callee's side (section 12.1.1)."""
        routes = [value.decode() for value in request.values(b"record-route")]
        dialog = cls(
            request.call_id.decode(),
            f"{_text(request, b'to')};tag={tag}",
            _text(request, b"from"),
            _contact(request),
            routes,
            0,
            strict,
        )
        dialog.remote_cseq = request.cseq.number
        return dialog

    @property
    def key(self) -> tuple[str, str, str]:
        """What a request that comes in is recognised by: Call-ID, the tag of ours, theirs."""
        return (self.call_id, _tag(self.local), _tag(self.remote))

    def refresh(self, message: Message) -> None:
        """Take the new Contact of a re-INVITE or of its answer."""
        self.target = _contact(message) or self.target

    def next_hop(self) -> SipUri | None:
        """Say where the next request is sent: the first Route, else the target."""
        raw = self.routes[0] if self.routes else f"<{self.target}>"
        uri = parse_name_addr(raw.encode()).uri
        return uri if isinstance(uri, SipUri) else None

    def request(
        self,
        method: str,
        via: str,
        contact: str,
        headers: Headers = (),
        body: str = "",
        cseq: int = 0,
    ) -> Request:
        """Make the next request inside the dialog (section 12.2.1.1); an ACK repeats ``cseq``."""
        if not cseq:
            self.cseq += 1
        uri, routes = self.target, list(self.routes)
        if routes and (self.strict or not _is_loose(routes[0])):
            uri = parse_name_addr(routes[0].encode()).uri_raw.decode()
            routes = [*routes[1:], f"<{self.target}>"]
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: {via}",
            *(f"Route: {route}" for route in routes),
            "Max-Forwards: 70",
            f"From: {self.local}",
            f"To: {self.remote}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {cseq or self.cseq} {method}",
            f"Contact: {contact}",
        ]
        return request_of(lines, headers, body)


def key_of(request: Request) -> tuple[str, str, str]:
    """Give the key of the dialog that a request which came in belongs to."""
    to_tag, from_tag = request.to_tag or b"", request.from_tag or b""
    return (request.call_id.decode(), to_tag.decode(), from_tag.decode())


def _is_loose(route: str) -> bool:
    uri = parse_name_addr(route.encode()).uri
    return isinstance(uri, SipUri) and uri.param("lr") is not None


def _text(message: Message, name: bytes) -> str:
    return (message.value(name) or b"").decode()


def _contact(message: Message) -> str:
    contacts = message.contacts
    return contacts[0].uri_raw.decode() if contacts else ""


def _tag(value: str) -> str:
    tag = parse_name_addr(value.encode()).tag
    return (tag or b"").decode()
