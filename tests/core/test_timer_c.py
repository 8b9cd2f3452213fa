"""Timer C is one look a second for all branches, however many there are."""

from sipproxy.core.targets import Target
from sipproxy.testing.core import CoreStand, ServerSide, StubModule, make_request

PHONE = Target(b"sip:bob@192.0.2.20", "mod_to")


class Ringing:
    """A stand where every INVITE is a branch that rings."""

    def __init__(self, seconds: float = 180.0) -> None:
        module = StubModule("mod_to", translate=lambda context, uri: [PHONE])
        self.stand = CoreStand(module, timer_c=seconds)

    def call(self) -> ServerSide:
        """Begin a call; its branch starts timer C."""
        number = len(self.stand.clients)
        return self.stand.receive(make_request(branch=f"z9hG4bK{number}", call_id=f"c{number}"))

    def run(self, seconds: int) -> None:
        """Let time pass second by second."""
        for _ in range(seconds):
            self.stand.advance(1)

    @property
    def fired(self) -> list[bool]:
        """Of which branches timer C has fired: those are cancelled."""
        return [client.cancelled for client in self.stand.clients]

    @property
    def alarms(self) -> int:
        """How many alarms are set."""
        return len(self.stand.transactions.alarms)


class FireTests:
    """When branches fire."""

    def test_in_time(self) -> None:
        """A branch fires within a second after its time, and is forgotten."""
        ringing = Ringing()
        ringing.call()
        ringing.run(179)
        assert ringing.fired == [False]
        ringing.run(2)
        assert ringing.fired == [True]
        assert len(ringing.stand.core.timer_c) == 0

    def test_anew(self) -> None:
        """A provisional response gives the whole time again."""
        ringing = Ringing()
        ringing.call()
        ringing.run(100)
        ringing.stand.reply(ringing.stand.clients[0], 180)
        ringing.run(179)
        assert ringing.fired == [False] and len(ringing.stand.core.timer_c) == 1
        ringing.run(2)
        assert ringing.fired == [True]

    def test_anew_behind_others(self) -> None:
        """A branch that was started anew does not keep those behind it from firing."""
        ringing = Ringing()
        ringing.call()
        ringing.call()
        ringing.run(100)
        ringing.stand.reply(ringing.stand.clients[0], 180)
        ringing.run(81)
        assert ringing.fired == [False, True]

    def test_answered(self) -> None:
        """A branch that is answered does not fire."""
        ringing = Ringing()
        ringing.call()
        ringing.stand.reply(ringing.stand.clients[0], 200)
        ringing.run(300)
        assert ringing.fired == [False]

    def test_several(self) -> None:
        """Each fires at its own time."""
        ringing = Ringing()
        for _ in range(3):
            ringing.call()
            ringing.run(10)
        ringing.run(152)
        assert ringing.fired == [True, False, False]
        ringing.run(10)
        assert ringing.fired == [True, True, False]
        ringing.run(10)
        assert ringing.fired == [True, True, True]

    def test_at_the_same_moment(self) -> None:
        """Branches that are due together all fire."""
        ringing = Ringing()
        for _ in range(5):
            ringing.call()
        ringing.run(181)
        assert ringing.fired == [True] * 5


class CostTests:
    """What it costs."""

    def test_one_alarm(self) -> None:
        """A hundred branches have one alarm between them, and none has none."""
        ringing = Ringing()
        for _ in range(100):
            ringing.call()
        assert ringing.alarms == 1
        for client in ringing.stand.clients:
            ringing.stand.reply(client, 486)
        ringing.run(2)
        assert ringing.alarms == 0

    def test_begins_again(self) -> None:
        """After a rest the next branch is looked at again."""
        ringing = Ringing(1.0)
        ringing.call()
        ringing.run(5)
        assert ringing.alarms == 0
        ringing.call()
        ringing.run(3)
        assert ringing.fired == [True, True]
