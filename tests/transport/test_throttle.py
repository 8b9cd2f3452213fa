"""A flood of one event leaves a few lines in the log."""

from twisted.internet.task import Clock

from sipproxy.transport.throttle import LINES, PERIOD, Throttle


class ThrottleTests:
    """Lines per event and period."""

    def test_few_lines_then_none(self) -> None:
        """The first lines are written, the flood is counted."""
        throttle = Throttle(Clock().seconds)
        allowed = [throttle.allows("a") for _ in range(100)]
        assert allowed == [True] * LINES + [False] * (100 - LINES)
        assert throttle.held_back == 100 - LINES

    def test_events_are_apart(self) -> None:
        """One event's flood hides no other."""
        throttle = Throttle(Clock().seconds)
        for _ in range(100):
            throttle.allows("a")
        assert throttle.allows("b")

    def test_begins_anew(self) -> None:
        """After the period there are lines again."""
        clock = Clock()
        throttle = Throttle(clock.seconds)
        for _ in range(100):
            throttle.allows("a")
        clock.advance(PERIOD)
        assert throttle.allows("a")

    def test_clock_set_back(self) -> None:
        """A clock that was set back does not silence the log until it catches up."""
        now = [1000.0]
        throttle = Throttle(lambda: now[0])
        for _ in range(100):
            throttle.allows("a")
        now[0] = 10.0
        assert throttle.allows("a")
