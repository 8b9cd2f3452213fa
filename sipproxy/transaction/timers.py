"""The timer values of RFC 3261 section 17 (table 4) and RFC 6026, in seconds.

| timer | runs in            | value                                 | at its end                  |
|-------|--------------------|---------------------------------------|-----------------------------|
| A     | client INVITE      | T1, then doubling, unreliable only    | the INVITE is sent again    |
| B     | client INVITE      | 64*T1                                 | the user is told: timed out |
| C     | response context   | more than 3 minutes                   | the core cancels the branch |
| D     | client INVITE      | at least 32 s, 0 when reliable        | terminated                  |
| E     | client non-INVITE  | T1, doubling up to T2, unreliable only| the request is sent again   |
| F     | client non-INVITE  | 64*T1                                 | the user is told: timed out |
| G     | server INVITE      | T1, doubling up to T2, unreliable only| the response is sent again  |
| H     | server INVITE      | 64*T1                                 | the user is told: timed out |
| I     | server INVITE      | T4, 0 when reliable                   | terminated                  |
| J     | server non-INVITE  | 64*T1, 0 when reliable                | terminated                  |
| K     | client non-INVITE  | T4, 0 when reliable                   | terminated                  |
| L     | server INVITE      | 64*T1 (RFC 6026)                      | terminated                  |
| M     | client INVITE      | 64*T1 (RFC 6026)                      | terminated                  |

Timer C is not a timer of a machine: the core's response context sets it with
``TransactionLayer.schedule``. Only its value lives here, beside its siblings.
"""

from typing import Final

#: Section 17.1.1.2: timer D lasts at least this long over an unreliable transport.
MINIMUM_D: Final = 32.0


class Timers:
    """Durations of one server: the three base values and what the RFC derives from them."""

    __slots__ = (
        "t1", "t2", "t4", "timer_b", "timer_c", "timer_d", "timer_f", "timer_h", "timer_i",
        "timer_j", "timer_k", "timer_l", "timer_m", "timer_trying",
    )  # fmt: skip

    def __init__(
        self, t1: float = 0.5, t2: float = 4.0, t4: float = 5.0, timer_c: float = 180.0
    ) -> None:
        """Derive every timer from T1, T2 and T4; raises ValueError when one is not positive."""
        if min(t1, t2, t4, timer_c) <= 0.0:
            raise ValueError("T1, T2, T4 and timer C are durations above zero")
        self.t1: float = t1
        self.t2: float = t2
        self.t4: float = t4
        self.timer_b: float = 64 * t1
        self.timer_c: float = timer_c
        self.timer_d: float = max(64 * t1, MINIMUM_D)
        self.timer_f: float = 64 * t1
        self.timer_h: float = 64 * t1
        self.timer_i: float = t4
        self.timer_j: float = 64 * t1
        self.timer_k: float = t4
        self.timer_l: float = 64 * t1
        self.timer_m: float = 64 * t1
        #: Section 17.2.1: silence of the user after which the machine itself says 100 Trying.
        self.timer_trying: float = 0.2
