"""The values of table 4 of RFC 3261, and what follows from other base values."""

import pytest

from sipproxy.transaction.timers import Timers


class TimersTests:
    """Durations derived from T1, T2 and T4."""

    def test_defaults_are_those_of_the_rfc(self) -> None:
        """RFC 3261 table 4 and RFC 6026."""
        timers = Timers()
        assert (timers.t1, timers.t2, timers.t4) == (0.5, 4.0, 5.0)
        long = (timers.timer_b, timers.timer_d, timers.timer_f, timers.timer_h)
        assert long == (32.0, 32.0, 32.0, 32.0)
        assert (timers.timer_j, timers.timer_l, timers.timer_m) == (32.0, 32.0, 32.0)
        assert (timers.timer_i, timers.timer_k) == (5.0, 5.0)
        assert timers.timer_c >= 180.0
        assert timers.timer_trying == 0.2

    def test_timers_follow_t1_and_t4(self) -> None:
        """A slow link with a large T1 waits longer everywhere."""
        timers = Timers(t1=1.0, t4=8.0)
        assert timers.timer_b == timers.timer_h == timers.timer_l == 64.0
        assert timers.timer_i == timers.timer_k == 8.0

    def test_timer_d_never_falls_below_32_seconds(self) -> None:
        """Section 17.1.1.2 gives timer D a floor that a small T1 does not lower."""
        timers = Timers(t1=0.1)
        assert timers.timer_b == pytest.approx(6.4)
        assert timers.timer_d == 32.0

    @pytest.mark.parametrize("name", ["t1", "t2", "t4", "timer_c"])
    def test_durations_are_positive(self, name: str) -> None:
        """A T1 of zero would retransmit without end."""
        with pytest.raises(ValueError, match="above zero"):
            Timers(**{name: 0.0})
