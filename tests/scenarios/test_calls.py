"""Calls between two phones, as they go nearly always, and the answers that end them."""

from collections.abc import Callable

import pytest

from sipproxy.testing.scene import Scene

MakeScene = Callable[..., Scene]


class BasicTests:
    """INVITE to BYE."""

    def test_caller_hangs_up(self, scene: Scene) -> None:
        """The whole of a call, in its usual form."""
        alice, bob = scene.registered("alice", "bob")
        bob.will((0.1, 180), (2, 200))
        call = alice.call("bob").later(10, "hang_up")
        scene.run(11)
        scene.ladder.expect("""
            alice        proxy         bob
              │ INVITE ────▶│            │    0.000
              │◀─ 100 Trying│            │    0.001
              │             │ INVITE ───▶│    0.001
              │             │◀─────── 180│    0.102
              │◀─────── 180 │            │    0.103
              │             │◀─────── 200│    2.002
              │◀─────── 200 │            │    2.003
              │ ACK ───────▶│            │    2.004
              │             │ ACK ──────▶│    2.005
              │ BYE ───────▶│            │   10.000
              │             │ BYE ──────▶│   10.001
              │             │◀─────── 200│   10.002
              │◀─────── 200 │            │   10.003
        """)
        assert (call.state, bob.last.state) == ("ended", "ended")

    def test_callee_hangs_up(self, scene: Scene) -> None:
        """The callee's BYE comes by the same way, from the other side."""
        alice, bob = scene.registered("alice", "bob")
        call = alice.call("bob")
        scene.run(2)
        scene.ladder.clear()
        bob.last.hang_up()
        scene.run(1)
        scene.ladder.expect("""
            alice    proxy     bob
              │         │◀─── BYE │
              │◀─── BYE │         │
              │ 200 ───▶│         │
              │         │ 200 ───▶│
        """)
        assert (call.state, call.hung_up_by) == ("ended", "them")

    def test_body_and_unknown_headers(self, scene: Scene) -> None:
        """What the proxy does not know passes untouched, in its order."""
        alice, bob = scene.registered("alice", "bob")
        odd = [("X-One", "1;a=b"), ("Alert-Info", "<http://x/y>"), ("X-One", "\u00fcber")]
        alice.call("bob", headers=odd, body="v=0\r\n").later(2, "hang_up")
        scene.run(3)
        invite = bob.requests[0]
        names = [line for line in invite.lines if line.startswith((b"X-One", b"Alert-Info"))]
        assert names == [b"X-One: 1;a=b", b"Alert-Info: <http://x/y>", "X-One: über".encode()]
        assert invite.body == b"v=0\r\n"

    def test_request_uri_is_the_contact(self, scene: Scene) -> None:
        """The phone finds itself in the Request-URI, and the To as it was dialled."""
        alice, bob = scene.registered("alice", "bob")
        alice.call("bob").later(2, "hang_up")
        scene.run(3)
        assert bob.requests[0].uri_raw == b"sip:bob@10.0.1.2:5060"
        assert bob.requests[0].value(b"to") == b"<sip:bob@example.com>"
        assert bob.requests[0].max_forwards == 69

    def test_re_invite(self, scene: Scene) -> None:
        """Either side may change the call while it lasts."""
        alice, bob = scene.registered("alice", "bob")
        call = alice.call("bob")
        scene.run(2)
        ours, theirs = call.send("INVITE"), bob.last.send("INVITE")
        scene.run(1)
        assert (ours.status, theirs.status) == (200, 200)
        assert bob.methods().count("ACK") == 2 and alice.methods() == ["INVITE", "ACK"]
        call.hang_up()

    def test_info_in_dialog(self, scene: Scene) -> None:
        """Requests inside the dialog are carried, whatever their method."""
        alice, bob = scene.registered("alice", "bob")
        call = alice.call("bob")
        scene.run(2)
        sent = [call.send(method, body="x") for method in ("INFO", "MESSAGE", "UPDATE", "NEW")]
        scene.run(1)
        assert [one.status for one in sent] == [200] * 4
        assert [one.method for one in bob.last.received] == ["INFO", "MESSAGE", "UPDATE", "NEW"]
        bob.last.hang_up()
        scene.run(1)
        assert call.over

    def test_calls_at_once(self, scene: Scene) -> None:
        """Many calls of the same two phones do not disturb each other."""
        alice, bob = scene.registered("alice", "bob")
        calls = [alice.call("bob") for _ in range(20)]
        scene.run(2)
        assert [call.state for call in calls] == ["up"] * 20
        for number, call in enumerate(calls):
            (call if number % 2 else bob.calls[number]).hang_up()
        scene.run(1)
        assert [call.state for call in calls] == ["ended"] * 20
        assert not bob.unfinished()

    def test_each_other(self, scene: Scene) -> None:
        """Two phones may call each other at the same moment."""
        alice, bob = scene.registered("alice", "bob")
        one, two = alice.call("bob"), bob.call("alice")
        scene.run(2)
        assert (one.state, two.state) == ("up", "up")
        one.hang_up(), two.hang_up()

    def test_oneself(self, scene: Scene) -> None:
        """Who calls himself hears himself ring."""
        (alice,) = scene.registered("alice")
        call = alice.call("alice")
        scene.run(2)
        assert (call.state, alice.last.incoming) == ("up", True)
        call.hang_up()

    def test_contact_of_others(self, scene: Scene) -> None:
        """A user whose contact is at a name is called there, once the name has an address."""
        scene.names.names["phone.example"] = ["10.0.1.2"]
        alice = scene.phone("alice")
        bob = scene.phone("bob", contact="sip:bob@phone.example")
        bob.register()
        scene.run(1)
        call = alice.call("bob")
        scene.run(2)
        assert call.state == "up"
        call.hang_up()


class AnswerTests:
    """Answers that are no yes."""

    @pytest.mark.parametrize("status", [400, 404, 480, 486, 488, 500, 504, 600, 603, 606, 699])
    def test_passed_on(self, scene: Scene, status: int) -> None:
        """A refusal reaches the caller as the callee gave it, and is acknowledged hop by hop."""
        alice, bob = scene.registered("alice", "bob")
        bob.says(status, after=0.2)
        call = alice.call("bob")
        scene.run(1)
        scene.ladder.expect(f"""
            alice        proxy         bob
              │ INVITE ────▶│            │
              │◀─ 100 Trying│            │
              │             │ INVITE ───▶│
              │             │◀── {status} ───│
              │             │ ACK ──────▶│
              │◀── {status} ────│            │
              │ ACK ───────▶│            │
        """)
        assert call.response is not None and call.response.to_tag == b"0-bob-10.0.1.2"

    def test_503_becomes_500(self, scene: Scene) -> None:
        """A 503 says that the callee's machine is busy, which must not empty the caller's list of
        servers: it becomes a 500 (section 16.7 step 6).
        """
        alice, bob = scene.registered("alice", "bob")
        bob.says(503)
        call = alice.call("bob")
        scene.run(1)
        assert call.status == 500

    def test_nobody_registered(self, scene: Scene) -> None:
        """A user of ours without a phone is not found."""
        (alice,) = scene.registered("alice")
        call = alice.call("bob")
        scene.run(1)
        assert call.status == 404
        scene.ladder.expect("""
            alice        proxy
              │ INVITE ────▶│
              │◀─ 100 Trying│
              │◀────────404 │
              │ ACK ───────▶│
        """)

    def test_redirect(self, scene: Scene) -> None:
        """A 302 goes to the caller, who knows best whether to follow it."""
        alice, bob = scene.registered("alice", "bob")
        bob.redirects("sip:carol@elsewhere.example", "sip:voicebox@example.com")
        call = alice.call("bob")
        scene.run(1)
        assert call.status == 302 and call.response is not None
        assert call.response.values(b"contact") == [
            b"<sip:carol@elsewhere.example>",
            b"<sip:voicebox@example.com>",
        ]

    def test_never_answered(self, scene: Scene) -> None:
        """A phone that rings and rings is cancelled by timer C; the caller is told 408 or 487."""
        alice, bob = scene.registered("alice", "bob")
        bob.rings()
        call = alice.call("bob")
        scene.run(184)
        assert call.state == "ringing"
        scene.run(5)
        assert call.status in (408, 487) and bob.last.state == "cancelled"

    def test_ringing_goes_on(self, scene: Scene) -> None:
        """Each sign of life starts timer C anew (section 16.7 step 2)."""
        alice, bob = scene.registered("alice", "bob")
        bob.will((0, 180), (100, 183), (200, 180), (300, 200))
        call = alice.call("bob")
        scene.run(301)
        assert call.statuses == [100, 180, 183, 180, 200]
        call.hang_up()

    def test_timer_c_stops(self, scene: Scene) -> None:
        """A call that was answered or refused is no longer watched by timer C."""
        alice, bob = scene.registered("alice", "bob")
        call = alice.call("bob")
        scene.run(0.5)
        assert len(scene.server.core.timer_c) == 1
        scene.run(2)
        assert call.state == "up" and len(scene.server.core.timer_c) == 0
        bob.says(486)
        alice.call("bob")
        scene.run(1)
        assert len(scene.server.core.timer_c) == 0
        call.hang_up()

    def test_short_timer_c(self, make_scene: MakeScene) -> None:
        """InviteExpiration says how long a call may ring."""
        scene = make_scene("InviteExpiration 20000")
        alice, bob = scene.registered("alice", "bob")
        bob.rings()
        call = alice.call("bob")
        scene.run(23)
        assert call.over and bob.last.over

    def test_silent_phone(self, scene: Scene) -> None:
        """A phone that does not answer at all costs the caller 32 s and a 408."""
        alice, _ = scene.registered("alice", "bob")
        scene.network.cut("10.0.1.2")
        call = alice.call("bob")
        scene.run(33)
        assert call.status == 408
        assert scene.ladder.labels("proxy", "bob") == ["INVITE"] * 7

    def test_no_record_route(self, make_scene: MakeScene) -> None:
        """With AddRecordRoute Off the phones talk to each other after the answer."""
        scene = make_scene("AddRecordRoute Off")
        alice, _ = scene.registered("alice", "bob")
        alice.call("bob").later(2, "hang_up")
        scene.run(3)
        assert scene.ladder.labels("alice", "bob") == ["ACK", "BYE"]
