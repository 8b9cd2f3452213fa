"""Phases run hook by hook, wait where a hook waits, and survive what a hook may do."""

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from sipproxy.core.context import RequestContext
from sipproxy.core.decisions import trail_lines
from sipproxy.core.outcomes import Identity, Refusal
from sipproxy.core.phases import METHODS, PHASES
from sipproxy.core.pipeline import Hook, Pipeline, choose_hooks, tell
from sipproxy.core.targets import Target
from sipproxy.message.errors import ParseError
from sipproxy.testing.core import CoreStand, ServerSide, StubModule, log_lines, make_request
from sipproxy.transaction.peer import Peer

BOB = Target(b"sip:bob@192.0.2.20", "mod_to")
BOB_PEER = Peer("udp", "192.0.2.20", 5060, sent_by=b"192.0.2.1:5060")


def to_bob(context: RequestContext, uri: Any) -> list[Target]:
    """Translate everything to one phone."""
    return [BOB]


def stand_of(*modules: StubModule) -> CoreStand:
    """Give a stand where everybody is to be found at Bob's phone, behind the given modules."""
    return CoreStand(*modules, StubModule("mod_to", translate=to_bob))


def outcomes(server: ServerSide) -> list[tuple[str, str]]:
    """Give who decided what on a request."""
    return [(module, outcome) for _, module, outcome, *_ in server.context.trail]


class SynchronousTests:
    """What happens as long as no hook waits."""

    def test_all_hooks_pass(self) -> None:
        """Hooks of an `all` phase that have nothing against a request let it through, in order."""
        stand = stand_of(
            StubModule("mod_a", check=lambda context: None),
            StubModule("mod_b", check=lambda context: None, authenticate=lambda context: None),
        )
        caller = stand.receive(make_request())
        assert outcomes(caller) == [
            ("mod_a", "passed"),
            ("mod_b", "passed"),
            ("mod_b", "declined"),
            ("mod_to", "answered"),
        ]
        assert stand.targets == ["sip:bob@192.0.2.20"]

    def test_first_answer_ends_the_phase(self) -> None:
        """A `first` phase asks nobody after the one who answered."""
        asked: list[str] = []

        def decline(context: RequestContext) -> None:
            asked.append("a")

        def answer(context: RequestContext) -> Identity:
            asked.append("b")
            return Identity("alice", "example.com", "digest")

        def never(context: RequestContext) -> None:
            asked.append("c")

        stand = stand_of(
            StubModule("mod_a", authenticate=decline),
            StubModule("mod_b", authenticate=answer),
            StubModule("mod_c", authenticate=never),
        )
        caller = stand.receive(make_request())
        assert asked == ["a", "b"]
        assert caller.context.identity.user == "alice"

    @pytest.mark.parametrize(
        "hook", ["check", "authenticate", "authorize", "serve", "normalize", "translate"]
    )
    def test_refusal_ends_the_walk(self, hook: str) -> None:
        """A refusal of any phase is the answer, with its status, reason and headers."""
        refusal = Refusal(480, "asleep", [(b"retry-after", b"9")], b"Gone to Bed")

        def refuse(*arguments: Any) -> Refusal:
            return refusal

        hooks: dict[str, Any] = {hook: refuse}
        stand = stand_of(StubModule("mod_no", **hooks))
        caller = stand.receive(make_request())
        assert caller.statuses == [480]
        assert caller.response.reason == b"Gone to Bed"
        assert caller.response.value(b"retry-after") == b"9"
        assert caller.context.decided_by == "mod_no"
        assert outcomes(caller)[-1] == ("mod_no", "refused")
        assert not stand.clients

    def test_no_deferred_is_made(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A walk in which nothing waits makes no Deferred and sets no alarm for a module."""
        made: list[object] = []
        real = Deferred.__init__

        def counted(self: Any, *arguments: Any) -> None:
            made.append(self)
            real(self, *arguments)

        monkeypatch.setattr(Deferred, "__init__", counted)
        stand = stand_of(
            StubModule("mod_a", check=lambda context: None, authenticate=lambda context: None),
            StubModule("mod_b", authorize=lambda context: None, serve=lambda context: None),
        )
        stand.receive(make_request())
        assert stand.clients
        assert not made
        assert len(stand.transactions.alarms) == 1  # that of timer C


class RaisingTests:
    """A hook that raises costs its request a 500 and one line."""

    @pytest.mark.parametrize("hook", ["check", "authenticate", "authorize", "serve", "translate"])
    def test_is_a_500(self, hook: str) -> None:
        """The line names module, phase and request; the caller learns nothing but the 500."""

        def raises(*arguments: Any) -> None:
            raise KeyError("secret of the house")

        hooks: dict[str, Any] = {hook: raises}
        stand = stand_of(StubModule("mod_bad", **hooks))
        with log_lines() as lines:
            caller = stand.receive(make_request())
        assert caller.statuses == [500]
        assert b"secret" not in caller.response.to_bytes()
        assert caller.context.decided_by == "mod_bad"
        (line,) = lines()
        assert "pipeline.raised" in line
        assert f"mod_bad raised in {hook} on INVITE sip:bob@example.com" in line
        assert "KeyError" in line

    def test_reason_in_the_trail(self) -> None:
        """The trail says what was raised."""

        def raises(context: RequestContext) -> None:
            raise ValueError("too long: 12")

        stand = stand_of(StubModule("mod_bad", check=raises))
        caller = stand.receive(make_request())
        (line,) = trail_lines(caller.context.trail)
        assert "raised" in line and "ValueError: too long: 12" in line

    def test_deferred_that_fails(self) -> None:
        """A Deferred that fails, now or later, is the same as an exception."""
        later: Deferred[None] = Deferred()
        for deferred in (fail(OSError("gone")), later):
            stand = stand_of(StubModule("mod_bad", check=lambda context, it=deferred: it))
            with log_lines() as lines:
                caller = stand.receive(make_request())
                if deferred is later:
                    assert not caller.responses
                    later.errback(Failure(OSError("gone")))
            assert caller.statuses == [500]
            assert len(lines()) == 1 and "OSError: gone" in lines()[0]
            assert not caller.context.waiting

    def test_field_that_makes_no_sense(self) -> None:
        """A hook that meets a malformed field refuses the request with the parser's status."""

        def read(context: RequestContext) -> None:
            raise ParseError("the Subject is malformed", 400)

        stand = stand_of(StubModule("mod_read", check=read))
        with log_lines() as lines:
            caller = stand.receive(make_request())
        assert caller.statuses == [400] and lines() == []
        assert caller.context.trail[-1][1:4] == ("mod_read", "refused", "the Subject is malformed")

    @pytest.mark.parametrize(
        ("hook", "answer"),
        [("check", 403), ("authenticate", "alice"), ("serve", 200), ("translate", BOB)],
    )
    def test_answer_of_a_wrong_kind(self, hook: str, answer: Any) -> None:
        """An answer that the phase does not know is a 500 and names the module."""
        hooks: dict[str, Any] = {hook: lambda *arguments: answer}
        stand = stand_of(StubModule("mod_bad", **hooks))
        with log_lines() as lines:
            caller = stand.receive(make_request())
        assert caller.statuses == [500]
        assert len(lines()) == 1 and f"mod_bad raised in {hook}" in lines()[0]

    def test_telling_goes_on(self) -> None:
        """A hook that is only told, and fails, changes nothing for anybody else."""
        told: list[str] = []

        def raises(*arguments: Any) -> None:
            raise ValueError("no disk")

        def note(context: RequestContext, event: str, message: Any) -> None:
            told.append(event)

        stand = stand_of(
            StubModule("mod_bad", account=raises, log_transaction=raises),
            StubModule("mod_late", account=lambda *arguments: fail(OSError("no peer"))),
            StubModule("mod_good", account=note),
        )
        with log_lines() as lines:
            caller = stand.receive(make_request())
            stand.reply(stand.clients[0], 200)
        assert caller.statuses == [200]
        assert told == ["forwarded", "answered"]
        assert sum("mod_bad raised in account" in line for line in lines()) == 2
        assert sum("mod_late raised in account" in line for line in lines()) == 2
        assert sum("mod_bad raised in log" in line for line in lines()) == 1

    def test_fixup_goes_on(self) -> None:
        """A fixup that raises is logged; the branch is sent as it is."""

        def raises(*arguments: Any) -> None:
            raise ValueError("no header")

        stand = stand_of(StubModule("mod_bad", fixup=raises))
        with log_lines() as lines:
            stand.receive(make_request())
        assert len(stand.clients) == 1
        assert "mod_bad raised in fixup" in lines()[0]


class WaitingTests:
    """A hook may return a Deferred; the request waits, and nothing else does."""

    def test_goes_on_when_it_fires(self) -> None:
        """The walk goes on behind the hook that waited, not from the beginning."""
        waits: Deferred[None] = Deferred()
        asked: list[str] = []

        def ask(name: str, result: Any) -> Callable[[RequestContext], Any]:
            def hook(context: RequestContext) -> Any:
                asked.append(name)
                return result

            return hook

        stand = stand_of(
            StubModule("mod_a", check=ask("a", None)),
            StubModule("mod_b", check=ask("b", waits)),
            StubModule("mod_c", check=ask("c", None)),
        )
        caller = stand.receive(make_request())
        assert asked == ["a", "b"] and not stand.clients
        waits.callback(None)
        assert asked == ["a", "b", "c"] and len(stand.clients) == 1
        assert ("mod_b", "waited") in outcomes(caller)
        assert ("mod_b", "passed") in outcomes(caller)
        assert not caller.context.waiting

    def test_answer_and_refusal_come_late(self) -> None:
        """What the Deferred fires with counts like what a hook returns."""
        cases = ((Identity("a", "b", "c"), "answered"), (Refusal(407, "who?"), "refused"))
        for result, outcome in cases:
            waits: Deferred[Any] = Deferred()
            stand = stand_of(StubModule("mod_a", authenticate=lambda context, it=waits: it))
            caller = stand.receive(make_request())
            waits.callback(result)
            assert ("mod_a", outcome) in outcomes(caller)
            assert bool(stand.clients) is (outcome == "answered")

    def test_two_wait_one_after_the_other(self) -> None:
        """Two hooks of a phase, and one of the next, may each wait."""
        first: Deferred[None] = Deferred()
        second: Deferred[None] = Deferred()
        third: Deferred[Any] = Deferred()
        stand = CoreStand(
            StubModule("mod_a", check=lambda context: first),
            StubModule("mod_b", check=lambda context: second),
            StubModule("mod_c", translate=lambda context, uri: third),
        )
        caller = stand.receive(make_request())
        steps: list[tuple[Deferred[Any], Any]] = [(first, None), (second, None), (third, [BOB])]
        for waits, result in steps:
            assert not stand.clients and len(caller.context.waiting) == 1
            waits.callback(result)
        assert stand.targets == ["sip:bob@192.0.2.20"]
        assert not caller.context.waiting

    def test_has_fired_already(self) -> None:
        """A Deferred that has its result does not make the request wait."""
        stand = stand_of(StubModule("mod_a", check=lambda context: succeed(None)))
        caller = stand.receive(make_request())
        assert len(stand.clients) == 1
        assert not caller.context.waiting
        assert all(when < 1002 for when, _ in stand.transactions.alarms.values())

    def test_alarm_is_taken_back(self) -> None:
        """A hook that answered in time leaves no alarm behind."""
        waits: Deferred[Any] = Deferred()
        stand = stand_of(StubModule("mod_a", check=lambda context: waits))
        stand.receive(make_request())
        assert len(stand.transactions.alarms) == 1
        waits.callback(Refusal(403, "no"))
        assert not stand.transactions.alarms


class DeadlineTests:
    """No hook keeps a request for longer than its module's deadline."""

    def test_is_a_500(self) -> None:
        """When it has passed the hook is cancelled, the caller gets 500, the log one line."""
        cancelled: list[bool] = []
        waits: Deferred[Any] = Deferred(lambda deferred: cancelled.append(True))
        stand = stand_of(StubModule("mod_slow", deadline=2.0, check=lambda context: waits))
        caller = stand.receive(make_request())
        stand.advance(1.9)
        assert not caller.responses
        with log_lines() as lines:
            stand.advance(0.2)
        assert caller.statuses == [500] and cancelled == [True]
        assert outcomes(caller) == [("mod_slow", "waited"), ("mod_slow", "timed out")]
        assert caller.context.decided_by == "mod_slow"
        (line,) = lines()
        for part in ("pipeline.deadline", "mod_slow", "check", '"INVITE sip:bob@example.com"'):
            assert part in line

    def test_late_answer_is_nothing(self) -> None:
        """A Deferred that does not stop, and fires after its deadline, changes nothing."""
        waits: Deferred[Any] = Deferred(lambda deferred: deferred.callback(Refusal(403, "late")))
        stand = stand_of(StubModule("mod_slow", check=lambda context: waits))
        caller = stand.receive(make_request())
        stand.advance(10)
        assert caller.statuses == [500]

    def test_late_failure_is_noted(self) -> None:
        """One that fails in another way than by being cancelled is worth a line at info."""

        def complain(deferred: "Deferred[Any]") -> None:
            deferred.errback(Failure(OSError("half open")))

        waits: Deferred[Any] = Deferred(complain)
        stand = stand_of(StubModule("mod_slow", check=lambda context: waits))
        caller = stand.receive(make_request())
        with log_lines() as lines:
            stand.advance(10)
        assert caller.statuses == [500]
        assert [line for line in lines() if "pipeline.late" in line and "half open" in line]

    def test_each_wait_has_the_whole_deadline(self) -> None:
        """The deadline is one of a hook, not of a request."""
        first: Deferred[None] = Deferred()
        second: Deferred[None] = Deferred()
        stand = stand_of(
            StubModule("mod_a", deadline=5.0, check=lambda context: first),
            StubModule("mod_b", deadline=5.0, check=lambda context: second),
        )
        caller = stand.receive(make_request())
        stand.advance(4)
        first.callback(None)
        stand.advance(4)
        assert not caller.responses
        second.callback(None)
        assert len(stand.clients) == 1


class GivenUpTests:
    """Requests that nobody waits for any more take their hooks along."""

    def test_cancel(self) -> None:
        """CANCEL while a module waits: 200 to it, 487 to the INVITE, the module is cancelled."""
        cancelled: list[bool] = []
        waits: Deferred[Any] = Deferred(lambda deferred: cancelled.append(True))
        stand = stand_of(StubModule("mod_slow", authenticate=lambda context: waits))
        caller = stand.receive(make_request())
        cancel = stand.cancel(caller)
        assert cancel.statuses == [200]
        assert caller.statuses == [487]
        assert cancelled == [True]
        assert not stand.transactions.alarms and not stand.clients
        assert ("mod_slow", "cancelled") in outcomes(caller)
        stand.advance(60)
        assert caller.statuses == [487]

    def test_shutdown(self) -> None:
        """A stopping server does not wait for modules: their requests get a 503 at once."""
        waits: Deferred[Any] = Deferred()
        stand = stand_of(StubModule("mod_slow", authenticate=lambda context: waits))
        caller = stand.receive(make_request())
        stand.core.stop()
        assert caller.statuses == [503]
        assert not stand.transactions.alarms and not caller.context.waiting

    def test_transaction_gone(self) -> None:
        """When the transaction is over, its hook is cancelled and nothing is answered."""
        cancelled: list[bool] = []
        waits: Deferred[Any] = Deferred(lambda deferred: cancelled.append(True))
        stand = stand_of(StubModule("mod_slow", check=lambda context: waits))
        caller = stand.receive(make_request())
        stand.end(caller)
        assert cancelled == [True]
        assert not caller.responses and not stand.core.live


class HypotheticalTests:
    """A request that somebody only asks about."""

    @pytest.mark.parametrize("hypothetical", [True, False])
    def test_flag_reaches_the_hooks(self, hypothetical: bool) -> None:
        """The pipeline hands the flag on as it is, and hooks can tell."""
        seen: list[bool] = []

        def look(context: RequestContext) -> None:
            seen.append(context.hypothetical)

        stand = CoreStand(StubModule("mod_a", check=look))
        request = make_request()
        context = RequestContext(request, BOB_PEER, None, stand.generation, 0.0, hypothetical)
        ended: list[Any] = []
        Pipeline(stand.transactions).run(
            context.hooks.check, context, None, lambda _, result: ended.append(result)
        )
        assert seen == [hypothetical] and ended == [None]
        assert context.hypothetical is hypothetical


class ChooseTests:
    """Hooks are chosen when the configuration is loaded."""

    def test_applies_is_never_asked_for_a_request(self) -> None:
        """`applies` is asked once a phase, method and side, and then no more."""
        module = StubModule("mod_a", check=lambda context: None, translate=to_bob)
        stand = CoreStand(module)
        asked = list(module.applied)
        assert len(asked) == len(set(asked)) == 2 * len(METHODS) * 2
        for method in ("INVITE", "MESSAGE", "FROBNICATE"):
            stand.receive(make_request(method, branch=f"z9hG4bK{method}"))
        assert module.applied == asked

    def test_per_method(self) -> None:
        """A hook that does not want a method is not there for it."""
        seen: list[str] = []

        def look(context: RequestContext) -> None:
            seen.append(context.method)

        module = StubModule("mod_a", check=look, when=lambda phase, method, inside: method == "BYE")
        stand = stand_of(module)
        for method in ("INVITE", "BYE", "OPTIONS"):
            stand.receive(make_request(method, branch=f"z9hG4bK{method}"))
        assert seen == ["BYE"]

    def test_unknown_methods_share_a_row(self) -> None:
        """A method that the server does not know is ``*``."""
        module = StubModule("mod_a", check=lambda context: None, when=lambda p, m, i: m == "*")
        outside, _ = choose_hooks([module])
        assert len(outside["*"].check) == 1 and not outside["INVITE"].check

    def test_inside_and_outside(self) -> None:
        """Dialogs have a table of their own."""
        module = StubModule("mod_a", check=lambda context: None, when=lambda p, m, inside: inside)
        outside, inside = choose_hooks([module])
        assert inside["BYE"].check and inside["BYE"].walks
        assert not outside["BYE"].check and not outside["BYE"].walks

    def test_only_provided_interfaces(self) -> None:
        """A method of the right name is no hook unless the module says so."""
        module = StubModule("mod_a")
        module.check = lambda context: None  # type: ignore[attr-defined]
        outside, _ = choose_hooks([module])
        assert not outside["INVITE"].check

    def test_every_phase_has_a_slot(self) -> None:
        """Each phase of the table has its tuple of hooks."""
        outside, _ = choose_hooks([])
        for phase in PHASES:
            assert getattr(outside["INVITE"], phase.name) == ()


class TellTests:
    """Telling hooks directly."""

    def test_arguments(self) -> None:
        """Each hook is given the context and what else there is, in order."""
        told: list[Any] = []
        stand = CoreStand()
        request = make_request()
        context = RequestContext(request, BOB_PEER, None, stand.generation, 0.0)
        hooks = [
            Hook("account", name, lambda *given, who=name: told.append((who, *given)), 5.0, "tell")
            for name in ("mod_a", "mod_b")
        ]
        tell(hooks, context, "answered", request)
        expected = [(name, context, "answered", request) for name in ("mod_a", "mod_b")]
        assert told == expected
