"""A day in the life of the server: phones register, call, hang up, vanish; the line is bad."""

from random import Random
from typing import Final

import pytest

from sipproxy.testing.call import Call
from sipproxy.testing.phone import Phone
from sipproxy.testing.scene import Scene

HOUR: Final = 3600.0

#: Seconds that registrations live; they are refreshed at half of that.
EXPIRES: Final = 3600

#: Seconds that no call lasts longer than.
LONGEST_CALL: Final = 900.0

#: What a callee does, and how often.
HABITS: Final = (
    (55, ((0, 180), (4, 200))),
    (10, ((0, 200),)),
    (10, ((0, 180), (2, 486))),
    (5, ((1, 603),)),
    (5, ((0, 302, [("Contact", "<sip:voicebox@example.com>")]),)),
    (10, ((0, 180),)),
    (5, ((0, 183), (1, 180), (6, 480))),
)


class Day:
    """Everybody and everything that happens, by one seed."""

    def __init__(self, seed: int, phones: int, calls: int, hours: float) -> None:
        self.chance = Random(seed)
        self.scene = Scene("MaxForks 3", seed=seed, loss=0.05, jitter=0.02, duplicates=0.01)
        self.scene.ladder.stop()
        self.hours = hours
        self.gone: set[str] = set()
        self.phones = [self.scene.phone(f"u{number}") for number in range(phones)]
        for phone in self.phones:
            self.at(self.chance.random() * 600, self.join, phone)
        for _ in range(calls):
            self.at(self.chance.uniform(900, hours * HOUR - LONGEST_CALL - 300), self.call)
        for phone in self.chance.sample(self.phones, phones // 5):
            self.at(self.chance.random() * hours * HOUR, self.leave, phone)

    def at(self, when: float, what: object, *arguments: object) -> None:
        """Have something happen."""
        self.scene.clock.callLater(when, what, *arguments)  # type: ignore[arg-type]

    def join(self, phone: Phone) -> None:
        """Register from now on."""
        phone.keep_registered(EXPIRES)

    def leave(self, phone: Phone) -> None:
        """Unregister, and call nobody any more; try again until the server has heard."""
        self.gone.add(phone.name)
        sent = phone.unregister()
        self.at(40, self.sure, phone, sent)

    def sure(self, phone: Phone, sent: object) -> None:
        """Unregister again when that was lost."""
        if getattr(sent, "status", 0) != 200:
            self.leave(phone)

    def call(self) -> None:
        """Have somebody call somebody, or the other way round, and end it somehow."""
        caller, callee = self.chance.sample(self.phones, 2)
        if caller.name in self.gone:
            return
        weights = [weight for weight, _ in HABITS]
        callee.steps = self.chance.choices([steps for _, steps in HABITS], weights)[0]
        call = caller.call(callee.name)
        if self.chance.random() < 0.1:
            self.at(self.chance.random() * 6, call.cancel)
        elif self.chance.random() < 0.5:
            self.at(self.duration(), call.cancel)
        else:
            self.at(self.duration(), self.callee_ends, callee, call)

    def duration(self) -> float:
        """Say how long a call is to last."""
        return min(10 + self.chance.expovariate(1 / 120), LONGEST_CALL)

    def callee_ends(self, callee: Phone, call: Call) -> None:
        """Have the callee hang up what the caller began; who still rings is given up on."""
        theirs = [one for one in callee.calls if one.request.call_id == call.request.call_id]
        if theirs and theirs[0].state == "up":
            theirs[0].hang_up()
        else:
            call.cancel()

    def run(self) -> None:
        """Let the day pass, and the time of all timers after it."""
        self.scene.run(self.hours * HOUR)
        for phone in self.phones:
            phone.stop_refreshing()
        self.scene.settle()


def check(day: Day) -> None:
    """See that every call came to its end, on both sides, and that nothing is left."""
    calls = [call for phone in day.phones for call in phone.calls]
    alive = [call for call in calls if not call.over]
    assert not alive, alive[:5]
    by_id: dict[bytes, list[Call]] = {}
    for call in calls:
        by_id.setdefault(call.request.call_id, []).append(call)
    for sides in by_id.values():
        ours = [call for call in sides if not call.incoming]
        theirs = [call for call in sides if call.incoming]
        assert len(ours) == 1, sides
        answered = [call for call in theirs if 200 <= call.status < 300]
        if ours[0].status == 200:
            # Whom the caller talked to was answered, and ended by one of the two.
            assert answered, sides
        assert len(theirs) <= 1, sides
    registered = {phone.name for phone in day.phones if phone.name not in day.gone}
    bound = {aor.partition("@")[0] for aor, _ in day.scene.server.registry.page(limit=10_000)[0]}
    assert bound == registered
    assert day.scene.server.registry.count == len(registered)
    assert not day.scene.remains()
    counters = day.scene.server.driver.counters
    assert (counters.core_errors, counters.parse_errors) == (0, 0)


class DayTests:
    """24 hours of it."""

    @pytest.mark.parametrize("seed", [1])
    def test_day(self, seed: int) -> None:
        """With one in twenty datagrams lost, every call ends for both sides, and nothing stays."""
        day = Day(seed, phones=200, calls=3000, hours=24)
        day.run()
        check(day)
        calls = [call for phone in day.phones for call in phone.calls if not call.incoming]
        assert len(calls) > 2000 and len([call for call in calls if call.status == 200]) > 1000

    @pytest.mark.soak
    @pytest.mark.parametrize("seed", range(10, 14))
    def test_long_day(self, seed: int) -> None:
        """The same with many more phones and calls."""
        day = Day(seed, phones=400, calls=20_000, hours=24)
        day.run()
        check(day)
