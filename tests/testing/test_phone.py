"""A scripted phone does what RFC 3261 wants of a user agent: here two of them, without a proxy."""

import pytest

from sipproxy.testing.clock import VirtualClock
from sipproxy.testing.network import Network
from sipproxy.testing.phone import Phone


class PairTests:
    """Two phones that call each other directly."""

    def setup_method(self) -> None:
        """Give two phones, each the other's proxy."""
        self.clock = VirtualClock()
        self.network = Network(self.clock)
        one, two = ("10.0.1.1", 5060), ("10.0.1.2", 5060)
        self.alice = Phone(self.network, "alice", one, proxy=two)
        self.bob = Phone(self.network, "bob", two, proxy=one)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.run(seconds)

    @property
    def clean(self) -> bool:
        """Whether both have forgotten everything."""
        self.clock.run(80)
        return not len(self.alice.layer) and not len(self.bob.layer)

    @pytest.mark.parametrize("who", ["alice", "bob"])
    def test_hang_up(self, who: str) -> None:
        """Either side may hang up, and both know."""
        call = self.alice.call("bob")
        self.run(3)
        assert (call.state, self.bob.last.state, call.statuses) == ("up", "up", [180, 200])
        (call if who == "alice" else self.bob.last).hang_up()
        self.run(1)
        assert (call.state, self.bob.last.state) == ("ended", "ended")
        assert call.hung_up_by == ("us" if who == "alice" else "them")
        assert self.clean

    def test_tcp(self) -> None:
        """Phones may speak TCP."""
        self.alice.transport = "tcp"
        self.bob.contact = f"<{self.bob.contact_uri};transport=tcp>"
        call = self.alice.call("bob")
        self.run(3)
        assert call.state == "up" and self.network.sent == 0
        call.hang_up()
        assert self.clean

    def test_refused(self) -> None:
        """A refusal ends the call on both sides."""
        self.bob.says(603, after=0.3)
        call = self.alice.call("bob")
        self.run(1)
        assert (call.status, call.state, self.bob.last.state) == (603, "failed", "failed")
        assert self.clean

    def test_cancelled(self) -> None:
        """A CANCEL ends a call that rings."""
        self.bob.rings()
        call = self.alice.call("bob").later(2, "cancel")
        self.run(3)
        assert (call.status, call.state, self.bob.last.state) == (487, "cancelled", "cancelled")
        assert self.bob.methods() == ["INVITE", "CANCEL"]
        assert self.clean

    def test_answer_crosses_cancel(self) -> None:
        """An answer that crosses the CANCEL is acknowledged, and hung up on."""
        self.bob.will((0, 180), (1.0005, 200))
        call = self.alice.call("bob").later(1.0007, "cancel")
        self.run(3)
        assert (call.status, call.state) == (200, "ended")
        assert (self.bob.last.state, self.bob.last.hung_up_by) == ("ended", "them")
        assert self.clean

    def test_lost_ack(self) -> None:
        """The 2xx is repeated until the ACK is there."""
        self.bob.answers()
        self.network.lose(lambda passage: passage.data.startswith(b"ACK"), times=2)
        call = self.alice.call("bob")
        self.run(5)
        assert call.statuses == [180, 200, 200, 200]
        assert self.bob.last.acknowledged
        call.hang_up()
        assert self.clean

    def test_no_ack(self) -> None:
        """Without an ACK for 64*T1 the callee hangs up."""
        self.network.lose(lambda passage: passage.data.startswith(b"ACK"), times=99)
        call = self.alice.call("bob")
        self.run(40)
        assert (call.state, self.bob.last.state) == ("ended", "ended")
        assert self.bob.last.failure == "no ACK"
        assert self.clean

    def test_hang_up_waits_for_ack(self) -> None:
        """A callee that hangs up at once does so after the ACK (section 15.1.1)."""
        self.bob.answers()
        self.alice.call("bob")
        self.run(0.0012)
        self.bob.last.hang_up()
        self.run(1)
        assert self.bob.methods() == ["INVITE", "ACK"]
        assert self.bob.last.state == "ended"
        assert self.clean

    def test_inside(self) -> None:
        """Requests inside the dialog are answered, a re-INVITE with an ACK at the end."""
        call = self.alice.call("bob")
        self.run(2)
        info = call.send("INFO", body="x")
        again = self.bob.last.send("INVITE")
        self.run(1)
        assert (info.status, again.status) == (200, 200)
        assert [request.method for request in self.bob.last.received] == ["INFO"]
        assert self.alice.methods() == ["INVITE", "ACK"]
        call.hang_up()
        assert self.clean

    def test_unknown_dialog(self) -> None:
        """A BYE for a call that nobody has is answered 481."""
        call = self.alice.call("bob")
        self.run(2)
        call.hang_up()
        self.run(1)
        assert call.dialog is not None
        late = self.alice.send_in_dialog(call.dialog, "INFO")
        self.bob.dialogs.clear()
        self.run(1)
        assert late.status in (481,)
        assert self.clean

    @pytest.mark.parametrize(("gone", "why"), [(True, "timed out"), (False, "connection refused")])
    def test_nobody(self, gone: bool, why: str) -> None:
        """A host that is gone is noticed after 64*T1, one without the program at once."""
        self.bob.vanish(gone)
        call = self.alice.call("bob")
        self.run(33 if gone else 0.1)
        assert (call.state, call.failure) == ("failed", why)
        assert self.clean


class RoutingTests:
    """Requests follow the route set as the phone's generation understands it."""

    def routed(self, strict: bool, route: str) -> tuple[str, list[str]]:
        """Give Request-URI and Routes of an ACK by way of a route."""
        clock = VirtualClock()
        network = Network(clock)
        alice = Phone(network, "alice", ("10.0.1.1", 5060), strict=strict)
        bob = Phone(network, "bob", ("10.0.0.1", 5060))
        bob.will((0, 200))
        got: list[bytes] = []
        network.watch(lambda passage: got.append(passage.data))
        alice.call("bob", headers=[("Record-Route", route)])
        clock.run(1)
        ack = next(data for data in got if data.startswith(b"ACK")).decode().split("\r\n")
        return ack[0].split()[1], [line for line in ack if line.startswith("Route")]

    def test_loose(self) -> None:
        """A loose router keeps the target in the Request-URI."""
        assert self.routed(False, "<sip:10.0.0.1;lr>") == (
            "sip:bob@10.0.0.1:5060",
            ["Route: <sip:10.0.0.1;lr>"],
        )

    @pytest.mark.parametrize(("strict", "route"), [(True, ";lr"), (False, "")])
    def test_strict(self, strict: bool, route: str) -> None:
        """A strict phone, and a strict route, have the route in the Request-URI."""
        assert self.routed(strict, f"<sip:10.0.0.1{route}>") == (
            f"sip:10.0.0.1{route}",
            ["Route: <sip:bob@10.0.0.1:5060>"],
        )
