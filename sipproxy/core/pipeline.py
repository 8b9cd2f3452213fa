"""Runs the hooks of one phase: synchronously, until one really waits.

`Pipeline.run` loops over the hooks of a phase; the first that returns something other than None
ends the phase, whether it refuses or answers, and ``done`` is called with it.  When a hook
returns a Deferred, the position is kept in a `Waiting` and the loop goes on from there when it
fires, when the module's deadline passes, or not at all when the request is cancelled.
"""

from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Any, Final, TypeAlias

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from sipproxy.core.context import RequestContext
from sipproxy.core.decisions import (
    ANSWERED,
    CANCELLED,
    DECLINED,
    PASSED,
    RAISED,
    REFUSED,
    TIMED_OUT,
    WAITED,
)
from sipproxy.core.outcomes import Identity, Refusal
from sipproxy.core.phases import METHODS, PHASES
from sipproxy.interfaces import IModule, ITransactions
from sipproxy.log import get_logger
from sipproxy.message.errors import ParseError
from sipproxy.message.message import Response

_log = get_logger("pipeline")

Done: TypeAlias = Callable[[RequestContext, Any], None]


class Hook:
    """One hook of one module in one phase, ready to be called."""

    __slots__ = ("answers", "call", "deadline", "module", "nothing", "phase")

    def __init__(
        self, phase: str, module: str, call: Callable[..., Any], deadline: float, run: str
    ) -> None:
        self.phase = phase
        #: What the hook may return besides nothing and a Deferred.
        self.answers = _ANSWERS.get(phase, (Refusal,))
        self.module = module
        self.call = call
        self.deadline = deadline
        #: What it means that the hook returned nothing.
        self.nothing = DECLINED if run == "first" else PASSED


_ANSWERS: Final[dict[str, tuple[type, ...]]] = {
    "authenticate": (Identity, Refusal),
    "serve": (Response, Refusal),
    "translate": (Sequence, Refusal),
    "next_hop": (Sequence, Refusal),
    "response": (Sequence, Refusal),
}


class MethodHooks:
    """The hooks that apply to one method, in or out of a dialog: a tuple for each phase."""

    __slots__ = (*(phase.name for phase in PHASES), "walks")

    check: tuple[Hook, ...]
    authenticate: tuple[Hook, ...]
    authorize: tuple[Hook, ...]
    serve: tuple[Hook, ...]
    normalize: tuple[Hook, ...]
    translate: tuple[Hook, ...]
    next_hop: tuple[Hook, ...]
    fixup: tuple[Hook, ...]
    response: tuple[Hook, ...]
    account: tuple[Hook, ...]
    log: tuple[Hook, ...]

    def __init__(self, modules: Sequence[IModule], method: str, in_dialog: bool) -> None:
        for phase in PHASES:
            hooks = tuple(
                Hook(
                    phase.name, module.name, getattr(module, phase.hook), module.deadline, phase.run
                )
                for module in modules
                if phase.interface.providedBy(module)
                and module.applies(phase.name, method, in_dialog)
            )
            setattr(self, phase.name, hooks)
        #: Whether any hook stands before translation; requests in a dialog mostly find none.
        self.walks = bool(
            self.check or self.authenticate or self.authorize or self.serve or self.normalize
        )


def choose_hooks(
    modules: Sequence[IModule],
) -> tuple[dict[str, MethodHooks], dict[str, MethodHooks]]:
    """Choose, once for a configuration, the hooks of each method: outside and inside dialogs."""
    outside = {method: MethodHooks(modules, method, False) for method in METHODS}
    inside = {method: MethodHooks(modules, method, True) for method in METHODS}
    return outside, inside


class Waiting:
    """A hook that waits: the Deferred, where to go on, and the deadline."""

    __slots__ = (
        "argument",
        "began",
        "context",
        "deferred",
        "done",
        "entry",
        "hooks",
        "index",
        "live",
        "pipeline",
    )

    def __init__(
        self,
        pipeline: "Pipeline",
        context: RequestContext,
        hooks: tuple[Hook, ...],
        index: int,
        argument: Any,
        done: Done,
        deferred: "Deferred[Any]",
    ) -> None:
        self.pipeline = pipeline
        self.context = context
        self.hooks = hooks
        self.index = index
        self.argument = argument
        self.done = done
        self.deferred = deferred
        self.began = perf_counter()
        self.entry: Any = None
        self.live = True

    def fire(self) -> None:
        """The deadline has passed: cancel the hook and answer 500."""
        hook = self.hooks[self.index]
        self._abandon(TIMED_OUT)
        _log.error(
            "pipeline.deadline",
            "a module did not answer in time",
            module=hook.module,
            phase=hook.phase,
            seconds=hook.deadline,
            request=first_line(self.context),
        )
        self.done(
            self.context, Refusal(500, f"{hook.module} did not answer in {hook.deadline:g} s")
        )

    def cancel(self) -> None:
        """Nobody needs the answer any more (CANCEL, lost connection, shutdown)."""
        self.pipeline.transactions.unschedule(self.entry)
        self._abandon(CANCELLED)

    def _abandon(self, outcome: str) -> None:
        hook = self.hooks[self.index]
        self._end()
        self.context.decide(hook.phase, hook.module, outcome, perf_counter() - self.began)
        self.deferred.cancel()

    def _end(self) -> None:
        self.live = False
        self.context.waiting.remove(self)

    def resume(self, result: Any) -> None:
        """Go on after the Deferred fired, unless this wait was given up."""
        context = self.context
        if not self.live:
            if isinstance(result, Failure) and not result.check(CancelledError):
                _log.info(
                    "pipeline.late", "a cancelled hook failed", error=result.getErrorMessage()
                )
            return
        self._end()
        self.pipeline.transactions.unschedule(self.entry)
        hook = self.hooks[self.index]
        seconds = perf_counter() - self.began
        if isinstance(result, Failure):
            result = raised(hook, context, result.value, seconds)
        elif result is None:
            context.decide(hook.phase, hook.module, hook.nothing, seconds)
        else:
            result = answered(hook, context, result, seconds)
        if result is not None:
            self.done(context, result)
        else:
            self.pipeline.run(self.hooks, context, self.argument, self.done, self.index + 1)


class Pipeline:
    """Runs phases.  One for the server; the hooks come from the request's generation."""

    def __init__(self, transactions: ITransactions) -> None:
        self.transactions = transactions

    def run(
        self,
        hooks: tuple[Hook, ...],
        context: RequestContext,
        argument: Any,
        done: Done,
        start: int = 0,
    ) -> None:
        """Run a phase from hook ``start`` on and call ``done`` with what came out, None for
        nothing.
        """
        for index in range(start, len(hooks)):
            hook = hooks[index]
            began = perf_counter()
            try:
                result = hook.call(context) if argument is None else hook.call(context, argument)
            except ParseError as problem:  # another name: compiled, a variable has one type
                result = malformed(hook, context, problem, perf_counter() - began)
            except Exception as error:
                result = raised(hook, context, error, perf_counter() - began)
            else:
                if result is None:
                    context.decide(hook.phase, hook.module, hook.nothing, perf_counter() - began)
                    continue
                if isinstance(result, Deferred):
                    self._wait(Waiting(self, context, hooks, index, argument, done, result), hook)
                    return
                result = answered(hook, context, result, perf_counter() - began)
            done(context, result)
            return
        done(context, None)

    def _wait(self, waiting: Waiting, hook: Hook) -> None:
        context = waiting.context
        context.waiting.append(waiting)
        context.decide(hook.phase, hook.module, WAITED)
        waiting.entry = self.transactions.schedule(self.transactions.now + hook.deadline, waiting)
        waiting.deferred.addBoth(waiting.resume)


def answered(hook: Hook, context: RequestContext, result: Any, seconds: float) -> Any:
    """Note what a hook answered; an answer of a kind that its phase does not know costs a 500."""
    if not isinstance(result, hook.answers):
        kinds = " or ".join(kind.__name__ for kind in hook.answers)
        wrong = TypeError(f"{kinds} was expected, got {type(result).__name__}")
        return raised(hook, context, wrong, seconds)
    outcome = REFUSED if isinstance(result, Refusal) else ANSWERED
    context.decide(hook.phase, hook.module, outcome, seconds)
    return result


def malformed(hook: Hook, context: RequestContext, error: ParseError, seconds: float) -> Refusal:
    """Refuse a request in which a module met a field that makes no sense."""
    context.because(error.detail)
    context.decide(hook.phase, hook.module, REFUSED, seconds)
    return Refusal(error.status, error.detail)


def raised(
    hook: Hook, context: RequestContext, error: BaseException | None, seconds: float
) -> Refusal:
    """Note that a hook raised, and give the 500 that its request costs."""
    error = error or RuntimeError("no exception")  # a Failure may have lost it; never seen
    what = f"{hook.module} raised in {hook.phase} on {first_line(context)}"
    _log.failure("pipeline.raised", what, error)
    context.because(("%s: %s", type(error).__name__, str(error)))
    context.decide(hook.phase, hook.module, RAISED, seconds)
    return Refusal(500, f"{hook.module} raised {type(error).__name__}")


def tell(hooks: Iterable[Hook], context: RequestContext, *arguments: Any) -> None:
    """Run a phase whose hooks are only told; failures are logged."""
    for hook in hooks:
        try:
            result = hook.call(context, *arguments)
        except Exception as error:
            raised(hook, context, error, 0.0)
        else:
            if isinstance(result, Deferred):
                result.addErrback(_told_failed, hook, context)


def _told_failed(failure: Failure, hook: Hook, context: RequestContext) -> None:
    raised(hook, context, failure.value, 0.0)


def first_line(context: RequestContext) -> str:
    """Name a request in a log line."""
    uri = context.request.uri_raw.decode("utf-8", "backslashreplace")
    return f"{context.method} {uri}"


#: Modules that run before every other, in the trail, for what the core decides itself.
CORE: Final = "core"
