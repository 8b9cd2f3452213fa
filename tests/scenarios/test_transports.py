"""Calls between transports, in every pairing, and what streams do that datagrams do not."""

from collections.abc import Callable

import pytest

from sipproxy.testing.phone import Phone
from sipproxy.testing.scene import Scene

MakeScene = Callable[..., Scene]

PAIRS = [("udp", "tcp"), ("tcp", "udp"), ("tcp", "tcp")]


def pair(scene: Scene, one: str, other: str) -> tuple[Phone, Phone]:
    """Give two registered phones of two transports."""
    phones = scene.phone("alice", transport=one), scene.phone("bob", transport=other)
    for phone in phones:
        phone.register()
    scene.run(1)
    return phones


@pytest.mark.parametrize(("one", "other"), PAIRS)
class PairTests:
    """Whatever the two sides speak."""

    @pytest.mark.parametrize("who", ["caller", "callee"])
    def test_call(self, scene: Scene, one: str, other: str, who: str) -> None:
        """A call is set up and ended, from either side."""
        alice, bob = pair(scene, one, other)
        call = alice.call("bob")
        scene.run(3)
        assert call.state == "up" and bob.last.acknowledged
        (call if who == "caller" else bob.last).hang_up()
        scene.run(1)
        assert (call.state, bob.last.state) == ("ended", "ended")

    def test_refused(self, scene: Scene, one: str, other: str) -> None:
        """A refusal is acknowledged hop by hop."""
        alice, bob = pair(scene, one, other)
        bob.says(486)
        call = alice.call("bob")
        scene.run(1)
        assert call.statuses == [100, 486]

    def test_cancelled(self, scene: Scene, one: str, other: str) -> None:
        """A CANCEL reaches the phone that rings."""
        alice, bob = pair(scene, one, other)
        bob.rings()
        call = alice.call("bob").later(2, "cancel")
        scene.run(3)
        assert (call.state, bob.last.state) == ("cancelled", "cancelled")

    def test_message(self, scene: Scene, one: str, other: str) -> None:
        """A MESSAGE goes through."""
        alice, bob = pair(scene, one, other)
        sent = alice.send("MESSAGE", bob.aor, body="x" * 3000)
        scene.run(1)
        assert sent.statuses == [200] and len(bob.requests[0].body) == 3000


class StreamTests:
    """Connections come and go."""

    def test_one_connection(self, scene: Scene) -> None:
        """Everything between a phone and the server goes over the phone's one connection."""
        alice, bob = pair(scene, "tcp", "tcp")
        for _ in range(3):
            call = alice.call("bob")
            scene.run(3)
            bob.last.hang_up()
            scene.run(1)
            assert call.over
        assert scene.network.streams.opened == 2

    def test_no_repetition(self, scene: Scene) -> None:
        """Over a stream a request is sent once, however long the answer takes."""
        alice, _ = pair(scene, "tcp", "tcp")
        mute = scene.bare("mute")
        alice.register(contacts=["<sip:x@10.0.2.3>"], to="sip:carol@example.com")
        scene.run(1)
        scene.ladder.clear()
        sent = alice.send("INFO", "sip:carol@example.com")
        scene.run(40)
        assert scene.ladder.labels("alice", "proxy").count("INFO") == 1
        assert len(mute.requests) > 5 and sent.failure == "timed out"

    def test_phone_goes_away(self, scene: Scene) -> None:
        """A phone that registered by a connection and closed it is not waited for."""
        alice, bob = pair(scene, "udp", "tcp")
        bob.connections.stop()
        scene.run(3)
        bob.vanish(gone=False)
        scene.phones.remove(bob)
        call = alice.call("bob")
        scene.run(8)
        assert call.over and call.status in (404, 480, 500, 503)

    def test_connection_lost_while_ringing(self, scene: Scene) -> None:
        """A phone whose connection breaks while it rings answers by another one (18.2.2)."""
        alice, bob = pair(scene, "udp", "tcp")
        bob.answers(4)
        call = alice.call("bob")
        scene.run(2)
        for connection in list(bob.connections._open.values()):
            connection.close()
        scene.run(4)
        assert (call.state, bob.last.acknowledged) == ("up", True)
        call.hang_up()
        scene.run(1)
        assert bob.last.state == "ended"

    def test_connection_lost_before_ringing(self, scene: Scene) -> None:
        """A phone whose connection breaks before it said anything: the caller is told at once."""
        alice, bob = pair(scene, "udp", "tcp")
        bob.will((2, 180))
        bob.layer.timers.timer_trying = 9.0
        call = alice.call("bob")
        scene.run(0.1)
        bob.connections.stop()
        scene.run(1)
        assert call.over and call.status in (480, 500, 503)
        scene.phones.remove(bob)

    def test_caller_reconnects(self, scene: Scene) -> None:
        """A caller whose connection broke during the call may hang up by another one."""
        alice, bob = pair(scene, "tcp", "udp")
        call = alice.call("bob")
        scene.run(3)
        for connection in list(alice.connections._open.values()):
            connection.close()
        scene.run(1)
        call.hang_up()
        scene.run(1)
        assert bob.last.state == "ended"

    def test_idle_connection_closes(self, make_scene: MakeScene) -> None:
        """A connection that nothing needs is closed after TcpIdleTimeout."""
        scene = make_scene("TcpIdleTimeout 60000")
        alice = scene.phone("alice", transport="tcp")
        alice.send("OPTIONS", "sip:example.com")
        scene.run(50)
        assert len(scene.server.connections) == 1
        scene.run(20)
        assert len(scene.server.connections) == 0

    def test_large_request_prefers_tcp(self, scene: Scene) -> None:
        """A request larger than PreferTcpAbove takes TCP, where nobody chose UDP (18.1.1)."""
        (alice,) = scene.registered("alice")
        bob = scene.phone("bob")
        alice.register(contacts=["<sip:bob@bob.example>"], to="sip:carol@example.com")
        scene.names.names["bob.example"] = ["10.0.1.2"]
        scene.run(1)
        sent = alice.send("MESSAGE", "sip:carol@example.com", body="x" * 2000)
        scene.run(1)
        assert sent.status == 200 and bob.requests[0].top_via.transport in ("TCP", "UDP")

    def test_garbage(self, scene: Scene) -> None:
        """A connection on which no SIP comes is closed, and harms no other."""
        alice, _ = pair(scene, "tcp", "udp")
        alice.connections._open[1].transport.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        scene.run(40)
        assert scene.server.driver.counters.core_errors == 0
        sent = alice.send("OPTIONS", "sip:example.com")
        scene.run(1)
        assert sent.status == 200

    def test_ping(self, scene: Scene) -> None:
        """Two CRLFs on a connection are answered with one (RFC 5626 section 4.4.1)."""
        alice, _ = pair(scene, "tcp", "udp")
        scene.ladder.clear()
        alice.connections._open[1].transport.write(b"\r\n\r\n")
        scene.run(1)
        assert scene.ladder.labels("proxy", "alice") == ["(keep-alive)"]
