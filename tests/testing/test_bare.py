"""A bare end sends exactly what it is told, and keeps exactly what comes."""

from sipproxy.message.message import Request
from sipproxy.testing.bare import Bare
from sipproxy.testing.clock import VirtualClock
from sipproxy.testing.network import Network


class BareTests:
    """Two of them, without any SIP between."""

    def setup_method(self) -> None:
        """Give two ends."""
        self.clock = VirtualClock()
        network = Network(self.clock)
        self.one = Bare(network, ("10.0.2.1", 5060), proxy=("10.0.2.2", 5060))
        self.two = Bare(network, ("10.0.2.2", 5060))

    def test_request_and_reply(self) -> None:
        """A request arrives as written, and its answer where it came from."""

        def refuse(request: Request) -> None:
            self.two.reply(request, 404, tag="x")

        self.two.on_request = refuse
        self.one.send(self.one.text("INFO", branch="z9hG4bK7", cseq="5 INFO", body="hello"))
        self.clock.run(1)
        request = self.two.requests[0]
        assert (request.top_via.branch, request.cseq.number, request.body) == (
            b"z9hG4bK7",
            5,
            b"hello",
        )
        assert self.one.statuses() == [404] and self.one.responses[0].to_tag == b"x"

    def test_spoilt_reply(self) -> None:
        """An answer can be spoilt before it leaves."""
        self.one.send(self.one.text())
        self.clock.run(1)
        request = self.two.requests[0]
        self.two.reply(request, 200, edit=lambda response: response.set(b"call-id", b"other"))
        self.clock.run(1)
        assert self.one.responses[0].call_id == b"other"

    def test_no_branch(self) -> None:
        """A Via may come without a branch, as from a peer that follows RFC 2543."""
        self.one.send(self.one.text(branch=""))
        self.clock.run(1)
        assert self.two.requests[0].top_via.branch is None

    def test_rubbish(self) -> None:
        """What is no message is kept apart."""
        self.one.send(b"\x00\x01")
        self.clock.run(1)
        assert (self.two.received, self.two.rubbish) == ([], [b"\x00\x01"])
