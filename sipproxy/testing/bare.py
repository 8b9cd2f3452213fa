"""An end without any SIP of its own: it sends what a test writes, and keeps what comes.

    mallory = Bare(network, ("10.0.2.1", 5060))
    mallory.send(mallory.text("OPTIONS", "sip:example.com", branch="z9hG4bK1"))
    clock.run(1)
    assert mallory.statuses() == [200]

For peers that follow another RFC, or none: what `sipproxy.testing.phone.Phone` would never do.
"""

from collections.abc import Callable, Sequence
from typing import Final

from sipproxy.message.builder import make_response
from sipproxy.message.errors import ParseError
from sipproxy.message.message import Message, Request, Response
from sipproxy.message.parser import parse
from sipproxy.testing.dialog import CRLF, Headers
from sipproxy.testing.network import Address, Wire

_PROXY: Final = ("10.0.0.1", 5060)


class Bare:
    """A port of the network."""

    def __init__(self, wire: Wire, address: Address, proxy: Address = _PROXY) -> None:
        self.wire = wire
        self.address = address
        self.proxy = proxy
        #: Every message that came, and from where.
        self.received: list[Message] = []
        self.sources: list[Address] = []
        #: What came and could not be parsed.
        self.rubbish: list[bytes] = []
        #: Called with each request that comes.
        self.on_request: Callable[[Request], object] | None = None
        self._count = 0
        wire.attach(address, self._receive)

    def send(self, data: bytes | str | Message, to: Address | None = None) -> None:
        """Send octets, a text or a message, to the proxy when not told otherwise."""
        if isinstance(data, str):
            data = data.encode()
        elif isinstance(data, Request | Response):
            data = data.to_bytes()
        assert isinstance(data, bytes)
        self.wire.send(data, self.address, to or self.proxy)

    def text(
        self,
        method: str = "INVITE",
        uri: str = "sip:bob@example.com",
        *,
        branch: str | None = None,
        via: str = "",
        to: str = "",
        to_tag: str = "",
        from_: str = "<sip:mallory@example.com>;tag=m",
        call_id: str = "",
        cseq: str = "",
        max_forwards: int = 70,
        headers: Headers = (),
        body: str = "",
    ) -> str:
        """Write a request; each part that is not given is one that is in order.

        An empty ``branch`` leaves it out; ``via`` is the whole value.
        """
        self._count += 1
        host, port = self.address
        if branch is None:
            branch = f"z9hG4bKbare{self._count}"
        via = via or f"SIP/2.0/UDP {host}:{port}" + (f";branch={branch}" if branch else "")
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: {via}",
            f"Max-Forwards: {max_forwards}",
            f"From: {from_}",
            f"To: {to or f'<{uri}>'}" + (f";tag={to_tag}" if to_tag else ""),
            f"Call-ID: {call_id or f'bare-{self._count}@{host}'}",
            f"CSeq: {cseq or f'1 {method}'}",
            f"Contact: <sip:mallory@{host}:{port}>",
            *(f"{name}: {value}" for name, value in headers),
            f"Content-Length: {len(body.encode())}",
        ]
        return CRLF.join([*lines, "", body])

    def reply(
        self,
        request: Request,
        status: int,
        *,
        tag: str = "bare",
        headers: Sequence[tuple[str, str]] = (),
        edit: Callable[[Response], object] | None = None,
    ) -> Response:
        """Answer a request that came, to where it came from; ``edit`` spoils the answer first."""
        more = [(name.lower().encode(), value.encode()) for name, value in headers]
        if 100 < status < 300:
            more += [(b"record-route", value) for value in request.raw_values(b"record-route")]
            more.append((b"contact", b"<sip:bare@%b:%d>" % self._place))
        response = make_response(request, status, None, tag.encode(), more)
        if edit is not None:
            edit(response)
        self.send(response, self.sources[self.received.index(request)])
        return response

    @property
    def _place(self) -> tuple[bytes, int]:
        return self.address[0].encode(), self.address[1]

    # --- what came

    @property
    def requests(self) -> list[Request]:
        """Every request."""
        return [message for message in self.received if isinstance(message, Request)]

    @property
    def responses(self) -> list[Response]:
        """Every response."""
        return [message for message in self.received if isinstance(message, Response)]

    def statuses(self) -> list[int]:
        """Give the statuses of the responses, in order."""
        return [response.status for response in self.responses]

    def methods(self) -> list[str]:
        """Give the methods of the requests, in order."""
        return [request.method for request in self.requests]

    def _receive(self, data: bytes, source: Address) -> None:
        try:
            message = parse(data)
        except ParseError:
            self.rubbish.append(data)
            return
        self.received.append(message)
        self.sources.append(source)
        if isinstance(message, Request) and self.on_request is not None:
            self.on_request(message)
