"""Requests other than INVITE, outside dialogs (RFC 3261 section 17.1.2, RFC 4320)."""

from collections.abc import Callable

import pytest

from sipproxy.testing.scene import Scene

MakeScene = Callable[..., Scene]


class NonInviteTests:
    """There and back."""

    @pytest.mark.parametrize(
        "method", ["MESSAGE", "INFO", "OPTIONS", "SUBSCRIBE", "NOTIFY", "PUBLISH", "REFER", "PIZZA"]
    )
    def test_methods(self, scene: Scene, method: str) -> None:
        """Any method, also one that nobody knows, goes to the user's phone and back."""
        alice, bob = scene.registered("alice", "bob")
        sent = alice.send(method, bob.aor, body="x")
        scene.run(1)
        scene.ladder.expect(f"""
            alice     proxy      bob
              │ {method} ─▶│          │
              │          │ {method} ─▶│
              │          │◀──── 200 │
              │◀──── 200 │          │
        """)
        assert sent.statuses == [200]

    @pytest.mark.parametrize("status", [404, 405, 486, 500, 501, 603])
    def test_refused(self, scene: Scene, status: int) -> None:
        """A refusal comes back as it was given."""
        alice, bob = scene.registered("alice", "bob")
        bob.answers_with = status
        sent = alice.send("INFO", bob.aor)
        scene.run(1)
        assert sent.statuses == [status]

    def test_nobody(self, scene: Scene) -> None:
        """Nobody registered: 404, at once."""
        sent = scene.phone("alice").send("MESSAGE", "sip:bob@example.com")
        scene.run(0.1)
        assert sent.statuses == [404]

    def test_provisional(self, scene: Scene) -> None:
        """A provisional answer to a non-INVITE is not passed on (RFC 4320 section 4.1)."""
        alice = scene.phone("alice")
        odd = scene.bare("odd")
        alice.register(contacts=["<sip:x@10.0.2.2>"], to="sip:bob@example.com")
        scene.run(1)
        sent = alice.send("INFO", "sip:bob@example.com")
        scene.run(0.1)
        odd.reply(odd.requests[0], 180)
        scene.run(3)
        assert 180 not in sent.statuses
        odd.reply(odd.requests[0], 200)
        scene.run(1)
        assert sent.status == 200

    def test_provisional_slows_down(self, scene: Scene) -> None:
        """After a provisional answer the request is repeated every T2 only (17.1.2.2)."""
        alice = scene.phone("alice")
        odd = scene.bare("odd")
        alice.register(contacts=["<sip:x@10.0.2.2>"], to="sip:bob@example.com")
        scene.run(1)
        alice.send("INFO", "sip:bob@example.com")
        scene.run(0.1)
        odd.reply(odd.requests[0], 100)
        scene.run(9)
        assert len(odd.requests) <= 4

    def test_late_answer(self, scene: Scene) -> None:
        """An answer that comes after everybody gave up goes nowhere."""
        alice = scene.phone("alice")
        odd = scene.bare("odd")
        alice.register(contacts=["<sip:x@10.0.2.2>"], to="sip:bob@example.com")
        scene.run(1)
        sent = alice.send("INFO", "sip:bob@example.com")
        scene.run(45)
        odd.reply(odd.requests[0], 200)
        scene.run(1)
        assert sent.statuses == []

    def test_cancel_of_a_message(self, scene: Scene) -> None:
        """A CANCEL for anything but an INVITE finds nothing to cancel."""
        scene.registered("bob")
        mallory = scene.bare()
        mallory.send(mallory.text("MESSAGE", branch="z9hG4bKx", call_id="x"))
        mallory.send(mallory.text("CANCEL", branch="z9hG4bKx", call_id="x"))
        scene.run(1)
        assert sorted(mallory.statuses()) == [200, 481]

    def test_spam(self, scene: Scene) -> None:
        """A hundred messages arrive, each once."""
        alice, bob = scene.registered("alice", "bob")
        sent = [alice.send("MESSAGE", bob.aor, body=str(number)) for number in range(100)]
        scene.run(1)
        assert [one.status for one in sent] == [200] * 100
        assert [int(request.body) for request in bob.requests] == list(range(100))

    def test_subscribe_dialog(self, scene: Scene) -> None:
        """A SUBSCRIBE sets up a dialog through the server: it is in the Record-Route."""
        alice, bob = scene.registered("alice", "bob")
        alice.send("SUBSCRIBE", bob.aor, headers=[("Event", "presence")])
        scene.run(1)
        routes = bob.requests[0].values(b"record-route")
        assert len(routes) == 1 and b"@10.0.0.1:5060;lr" in routes[0]

    def test_message_leaves_no_route(self, scene: Scene) -> None:
        """A MESSAGE sets up no dialog, and gets no Record-Route."""
        alice, bob = scene.registered("alice", "bob")
        alice.send("MESSAGE", bob.aor)
        scene.run(1)
        assert bob.requests[0].values(b"record-route") == []


class ServerItselfTests:
    """What is meant for the server."""

    @pytest.mark.parametrize("uri", ["sip:example.com", "sip:10.0.0.1", "sip:10.0.0.1:5060"])
    def test_options(self, scene: Scene, uri: str) -> None:
        """OPTIONS to the server says what it can."""
        sent = scene.phone("alice").send("OPTIONS", uri)
        scene.run(1)
        assert sent.status == 200
        allowed = sent.header("Allow")
        assert allowed is not None and "REGISTER" in allowed and "INVITE" in allowed

    def test_keep_alive_notify(self, scene: Scene) -> None:
        """The keep-alive NOTIFY of some phones is answered."""
        alice = scene.phone("alice")
        sent = alice.send("NOTIFY", "sip:example.com", headers=[("Event", "keep-alive")])
        scene.run(1)
        assert sent.status == 200

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "BYE", "INFO"])
    def test_nobody_named(self, scene: Scene, method: str) -> None:
        """Anything else for the server without a user finds nobody."""
        mallory = scene.bare()
        mallory.send(mallory.text(method, "sip:example.com"))
        scene.run(1)
        assert mallory.statuses()[-1] in (404, 405, 481, 501)

    @pytest.mark.parametrize("data", [b"\r\n\r\n", b"\r\n", b"\0\0\0\0", b""])
    def test_keep_alive_datagram(self, scene: Scene, data: bytes) -> None:
        """A datagram that only keeps a NAT open is counted, and nothing else."""
        mallory = scene.bare()
        mallory.send(data)
        scene.run(1)
        assert mallory.received == [] and scene.server.driver.counters.keepalives == 1
