"""Virtual time misses no moment."""

from sipproxy.testing.clock import VirtualClock


class RunTests:
    """Every call happens at its own time."""

    def test_exactly(self) -> None:
        """A call sees the time that it was asked for, not the end of the run."""
        clock = VirtualClock(100.0)
        seen: list[float] = []
        for delay in (2.5, 0.25, 7.0):
            clock.callLater(delay, lambda: seen.append(clock.seconds()))
        clock.run(5)
        assert seen == [100.25, 102.5]
        assert clock.seconds() == 105.0
        assert [call.getTime() for call in clock.getDelayedCalls()] == [107.0]

    def test_asked_for_on_the_way(self) -> None:
        """What a call asks for within the run happens within the run."""
        clock = VirtualClock()
        seen: list[float] = []

        def tick() -> None:
            seen.append(clock.seconds())
            clock.callLater(1, tick)

        clock.callLater(1, tick)
        clock.advance(3.5)
        assert seen == [1.0, 2.0, 3.0]

    def test_order_within_a_moment(self) -> None:
        """Calls of one moment are made in the order in which they were asked for."""
        clock = VirtualClock()
        seen: list[int] = []
        for number in range(20):
            clock.callLater(1, seen.append, number)
        clock.pump([0.5, 0.5])
        assert seen == list(range(20))

    def test_cancelled(self) -> None:
        """A cancelled call is not made, and not waited for."""
        clock = VirtualClock()
        clock.callLater(1, print).cancel()
        assert clock.getDelayedCalls() == []

    def test_put_off_and_brought_forward(self) -> None:
        """A call that is reset is made once, at its new time."""
        clock = VirtualClock()
        seen: list[tuple[str, float]] = []
        later = clock.callLater(1, lambda: seen.append(("later", clock.seconds())))
        sooner = clock.callLater(9, lambda: seen.append(("sooner", clock.seconds())))
        later.reset(3)
        sooner.reset(2)
        clock.run(20)
        assert seen == [("sooner", 2.0), ("later", 3.0)]

    def test_until(self) -> None:
        """A run stops at the call that brings what is waited for, and at its limit without it."""
        clock = VirtualClock()
        seen: list[int] = []
        clock.callLater(2, seen.append, 1)
        clock.callLater(3, seen.append, 2)
        assert clock.run_until(lambda: bool(seen), 10)
        assert clock.seconds() == 2.0
        assert not clock.run_until(lambda: len(seen) > 2, 10)
        assert clock.seconds() == 12.0
