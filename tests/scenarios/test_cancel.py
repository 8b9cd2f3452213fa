"""CANCEL, and everything that can cross it on the way (RFC 3261 sections 9 and 16.10)."""

from sipproxy.testing.scene import Scene


class CancelTests:
    """The caller gives up."""

    def test_ringing(self, scene: Scene) -> None:
        """A call that rings is cancelled hop by hop; the caller hears 487."""
        alice, bob = scene.registered("alice", "bob")
        bob.rings()
        call = alice.call("bob").later(2, "cancel")
        scene.run(3)
        scene.ladder.expect("""
            alice        proxy         bob
              │ INVITE ────▶│            │
              │◀─ 100 Trying│            │
              │             │ INVITE ───▶│
              │             │◀─────── 180│
              │◀─────── 180 │            │
              │ CANCEL ────▶│            │   2.000
              │◀── 200 ─────│            │
              │             │ CANCEL ───▶│
              │             │◀── 200 ────│
              │             │◀── 487 ────│
              │             │ ACK ──────▶│
              │◀── 487 ─────│            │
              │ ACK ───────▶│            │
        """)
        assert (call.state, bob.last.state) == ("cancelled", "cancelled")

    def test_before_any_answer(self, scene: Scene) -> None:
        """No CANCEL is sent on before the callee has said anything (section 9.1)."""
        alice, bob = scene.registered("alice", "bob")
        bob.will((5, 180), (60, 200))
        call = alice.call("bob").later(1, "cancel")
        scene.run(4.9)
        # The phone's own transaction layer says 100 after 200 ms: that is an answer.
        labels = scene.ladder.labels("bob", "proxy")
        assert labels[0] == "100"
        scene.run(5)
        assert (call.status, bob.last.state) == (487, "cancelled")

    def test_silent_callee(self, scene: Scene) -> None:
        """A callee that says nothing at all gets no CANCEL; the call ends by itself."""
        alice = scene.phone("alice")
        mute = scene.bare("mute")
        alice.register(contacts=["<sip:x@10.0.2.2>"], to="sip:bob@example.com")
        scene.run(1)
        call = alice.call("bob").later(2, "cancel")
        scene.run(40)
        assert set(mute.methods()) == {"INVITE"}
        assert call.over and call.status in (408, 487)

    def test_late_first_answer(self, scene: Scene) -> None:
        """The CANCEL that waited goes out with the first provisional answer."""
        alice = scene.phone("alice")
        slow = scene.bare("slow")
        alice.register(contacts=["<sip:x@10.0.2.2>"], to="sip:bob@example.com")
        scene.run(1)
        call = alice.call("bob").later(1, "cancel")
        scene.run(3)
        assert "CANCEL" not in slow.methods()
        invite = slow.requests[0]
        slow.reply(invite, 180)
        scene.run(0.1)
        cancel = slow.requests[-1]
        assert cancel.method == "CANCEL" and cancel.top_via.branch == invite.top_via.branch
        slow.reply(cancel, 200)
        slow.reply(invite, 487)
        scene.run(1)
        assert call.state == "cancelled" and slow.methods()[-1] == "ACK"

    def test_answer_beats_cancel(self, scene: Scene) -> None:
        """A 200 that crosses the CANCEL at the callee's side is a call: the caller hangs up."""
        alice, bob = scene.registered("alice", "bob")
        bob.will((0, 180), (0.9995, 200))
        call = alice.call("bob").later(1, "cancel")
        scene.run(3)
        assert call.statuses[-1] == 200
        assert (call.state, bob.last.state, bob.last.hung_up_by) == ("ended", "ended", "them")

    def test_answer_beats_cancel_at_the_proxy(self, scene: Scene) -> None:
        """A CANCEL that finds the call answered changes nothing, and is answered 200."""
        alice, bob = scene.registered("alice", "bob")
        bob.will((0, 180), (1, 200))
        call = alice.call("bob").later(1.003, "cancel")
        scene.run(3)
        assert "CANCEL" not in bob.methods()
        assert scene.ladder.labels("proxy", "alice").count("200") == 3
        assert (call.state, bob.last.state) == ("ended", "ended")

    def test_refusal_beats_cancel(self, scene: Scene) -> None:
        """A 486 that crosses the CANCEL reaches the caller as it is, or as 487."""
        alice, bob = scene.registered("alice", "bob")
        bob.will((0, 180), (0.9995, 486))
        call = alice.call("bob").later(1, "cancel")
        scene.run(3)
        assert call.status in (486, 487) and call.over and bob.last.over

    def test_refusal_before_cancel(self, scene: Scene) -> None:
        """A CANCEL for a call that was refused already is answered, and ends nothing twice."""
        alice, bob = scene.registered("alice", "bob")
        bob.will((0, 180), (1, 486))
        call = alice.call("bob").later(1.003, "cancel")
        scene.run(3)
        assert call.status == 486

    def test_callee_forgets_487(self, scene: Scene) -> None:
        """A callee that answers the CANCEL but never the INVITE cannot hang the call."""
        alice = scene.phone("alice")
        odd = scene.bare("odd")
        alice.register(contacts=["<sip:x@10.0.2.2>"], to="sip:bob@example.com")
        scene.run(1)
        call = alice.call("bob")
        scene.run(1)
        odd.reply(odd.requests[0], 180)
        scene.run(1)
        call.cancel()
        scene.run(1)
        odd.reply(odd.requests[-1], 200)
        scene.run(40)
        assert call.over
        assert scene.ladder.labels("proxy", "alice")[-1] in ("408", "487")

    def test_callee_ignores_cancel(self, scene: Scene) -> None:
        """A callee that ignores the CANCEL altogether cannot either."""
        alice = scene.phone("alice")
        odd = scene.bare("odd")
        alice.register(contacts=["<sip:x@10.0.2.2>"], to="sip:bob@example.com")
        scene.run(1)
        call = alice.call("bob")
        scene.run(1)
        odd.reply(odd.requests[0], 180)
        scene.run(1)
        call.cancel()
        scene.run(40)
        assert odd.methods().count("CANCEL") > 5
        assert call.over
        assert {"408", "487"} & set(scene.ladder.labels("proxy", "alice"))

    def test_answered_in_spite(self, scene: Scene) -> None:
        """A callee that answers after the CANCEL is hung up on."""
        alice = scene.phone("alice")
        odd = scene.bare("odd")
        alice.register(contacts=["<sip:x@10.0.2.2>"], to="sip:bob@example.com")
        scene.run(1)
        call = alice.call("bob")
        scene.run(1)
        invite = odd.requests[0]
        odd.reply(invite, 180)
        scene.run(1)
        call.cancel()
        scene.run(1)
        odd.reply(odd.requests[-1], 200)
        odd.reply(invite, 200)
        scene.run(0.2)
        assert odd.methods()[-2:] == ["ACK", "BYE"]
        odd.reply(odd.requests[-1], 200)
        scene.run(1)
        assert call.state == "ended"

    def test_lost_cancel(self, scene: Scene) -> None:
        """A lost CANCEL is repeated on either hop."""
        alice, bob = scene.registered("alice", "bob")
        bob.rings()
        scene.lose("CANCEL", times=1, source="10.0.1.1")
        scene.lose("CANCEL", times=2, source="10.0.0.1")
        call = alice.call("bob").later(2, "cancel")
        scene.run(8)
        assert (call.status, bob.last.state) == (487, "cancelled")

    def test_repeated_cancel(self, scene: Scene) -> None:
        """A CANCEL that comes twice is answered twice and done once."""
        alice, bob = scene.registered("alice", "bob")
        bob.rings()
        scene.lose("200", times=1, source="10.0.0.1", target="10.0.1.1")
        call = alice.call("bob").later(2, "cancel")
        scene.run(8)
        assert call.status == 487 and bob.methods().count("CANCEL") == 1

    def test_nothing_to_cancel(self, scene: Scene) -> None:
        """A CANCEL for nothing is answered 481."""
        mallory = scene.bare()
        mallory.send(mallory.text("CANCEL"))
        scene.run(1)
        assert mallory.statuses() == [481]

    def test_number_of_cancel(self, scene: Scene) -> None:
        """The CANCEL that goes on has the INVITE's number, Call-ID, tags and branch (9.1)."""
        alice, bob = scene.registered("alice", "bob")
        bob.rings()
        alice.call("bob").later(2, "cancel")
        scene.run(3)
        invite, cancel = bob.requests[0], bob.requests[1]
        assert cancel.cseq.number == invite.cseq.number
        assert cancel.uri_raw == invite.uri_raw
        for name in (b"call-id", b"from", b"to"):
            assert cancel.value(name) == invite.value(name)
        assert cancel.values(b"via") == invite.values(b"via")[:1]

    def test_while_a_name_is_looked_up(self, scene: Scene) -> None:
        """A call may be cancelled while the server still waits for a name."""
        scene.names.names["slow.example"] = None
        alice = scene.phone("alice")
        alice.register(contacts=["<sip:x@slow.example>"], to="sip:bob@example.com")
        scene.run(1)
        call = alice.call("bob").later(1, "cancel")
        scene.run(2)
        assert (call.status, call.state) == (487, "cancelled")

    def test_fork_of_three(self, scene: Scene) -> None:
        """The caller's CANCEL reaches every phone that rings, and one 487 comes back."""
        alice, one, two, three = scene.registered("alice", "one", "two", "three")
        for phone in (one, two, three):
            phone.register(to="sip:team@example.com")
            phone.rings()
        scene.run(1)
        call = alice.call("team").later(2, "cancel")
        scene.run(4)
        assert [phone.last.state for phone in (one, two, three)] == ["cancelled"] * 3
        assert call.statuses.count(487) == 1
