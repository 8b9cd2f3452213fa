"""A call in memory keeps what came, and knows its end."""

from sipproxy.testing.scene import Scene


class CallTests:
    """What a test asks of a call."""

    def test_fork_hangs_up_on_the_second(self) -> None:
        """Of two phones that answer at once the caller keeps one, and both callees know."""
        scene = Scene(delay=0.01)
        alice, bob, carol = scene.registered("alice", "bob", "carol")
        carol.register(to=bob.aor)
        scene.run(1)
        for phone in (bob, carol):
            phone.will((0.5, 200))
        call = alice.call("bob")
        scene.run(2)
        assert call.statuses == [100, 200, 200]
        assert (call.state, len(call.unwanted)) == ("up", 1)
        assert sorted(phone.last.state for phone in (bob, carol)) == ["ended", "up"]
        call.hang_up()
        scene.settle()
        assert [phone.unfinished() for phone in (alice, bob, carol)] == [[], [], []]

    def test_answer(self) -> None:
        """A request knows its answer, and the headers of it."""
        scene = Scene()
        sent = scene.phone("alice").register(120, headers=[("Path", "<sip:10.0.1.1;lr>")])
        assert (sent.status, sent.over) == (0, False)
        scene.run(1)
        assert (sent.status, sent.over, sent.statuses) == (200, True, [200])
        assert sent.header("Path") == "<sip:10.0.1.1;lr>"
        assert sent.contacts() == ["<sip:alice@10.0.1.1:5060>;expires=120"]
        scene.settle()

    def test_failure(self) -> None:
        """A request that nobody answered says so."""
        scene = Scene()
        alice = scene.phone("alice")
        scene.network.cut("10.0.0.1")
        sent = alice.register()
        scene.run(40)
        assert (sent.over, sent.failure) == (True, "timed out")
        scene.settle()
