"""One reactor call, whatever is asked for."""

from twisted.internet.task import Clock

from sipproxy.transport.wakeup import Wakeup


class WakeupTests:
    """When it calls."""

    def setup_method(self) -> None:
        """Begin at second 0 with nothing asked for."""
        self.clock = Clock()
        self.calls: list[float] = []
        self.wakeup = Wakeup(self.clock, lambda: self.calls.append(self.clock.seconds()))

    def test_earliest_counts(self) -> None:
        """Later wishes change nothing, an earlier one moves the call; there is never a second."""
        for when in (5.0, 9.0, 2.0, 3.0):
            self.wakeup.at(when)
            assert len(self.clock.getDelayedCalls()) == 1
        self.clock.advance(2.0)
        assert self.calls == [2.0]
        assert self.clock.getDelayedCalls() == []

    def test_past_is_now(self) -> None:
        """A time that has passed is due at once, but never within the asking."""
        self.clock.advance(10)
        self.wakeup.at(4.0)
        assert self.calls == []
        self.clock.advance(0)
        assert self.calls == [10.0]

    def test_again(self) -> None:
        """After the call it can be asked again, also from within."""
        wakeup = Wakeup(self.clock, lambda: wakeup.at(7.0))
        wakeup.at(1.0)
        self.clock.advance(1)
        assert wakeup.due_at == 7.0

    def test_stop(self) -> None:
        """Stopped is stopped."""
        self.wakeup.at(1.0)
        self.wakeup.stop()
        self.wakeup.at(0.5)
        assert self.clock.getDelayedCalls() == []
