"""What came of calling one hook of a module: the answer, and the reason given for it."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from sipproxy.core.context import RequestContext
from sipproxy.core.decisions import Decision, reason_text
from sipproxy.core.outcomes import Refusal
from sipproxy.message.message import Message, Response


class Outcome:
    """Look at `result`, or at what is easier to compare: `status`, `uris`, `reason`, `decision`."""

    def __init__(self, context: RequestContext, arguments: tuple[Any, ...]) -> None:
        self.context = context
        #: What the hook was given beside the context: the copy that ``fixup`` edited, for one.
        self.arguments = arguments
        self._done = False
        self._result: Any = None
        self._failure: BaseException | None = None

    @property
    def waiting(self) -> bool:
        """Whether the hook has returned a Deferred that has not fired: let time `run`."""
        return not self._done and self._failure is None

    @property
    def result(self) -> Any:
        """What the hook answered, at once or later; None when it declined or let pass.

        Raises what a Deferred failed with, and AssertionError while the hook waits.
        """
        self.raise_failure()
        if not self._done:
            raise AssertionError("the hook still waits: let time run")
        return self._result

    @property
    def status(self) -> int:
        """The status of the refusal or the response, 0 when the result is neither."""
        result = self.result
        return result.status if isinstance(result, Refusal | Response) else 0

    @property
    def uris(self) -> list[str]:
        """The URIs of the targets that the hook gave."""
        return [target.uri_raw.decode() for target in self.result or ()]

    @property
    def edited(self) -> Message:
        """The copy of the request that ``fixup`` was given."""
        copy: Message = self.arguments[1]
        return copy

    def header(self, name: str) -> str | None:
        """Give the first value of a header that the refusal or response carries."""
        result = self.result
        wanted = name.lower().encode()
        if isinstance(result, Refusal):
            values = [value for key, value in result.headers if key == wanted]
        else:
            values = result.raw_values(wanted)
        return values[0].decode() if values else None

    @property
    def last(self) -> Decision:
        """The last decision of the trail."""
        return self.context.trail[-1]

    @property
    def decision(self) -> str:
        """What the trail calls it: declined, passed, answered, refused, waited, timed out..."""
        return self.last[2]

    @property
    def reason(self) -> str:
        """The reason that the hook gave with ``context.because``."""
        return reason_text(self.last[3])

    @property
    def where(self) -> str:
        """The ``file:line`` that it gave as the cause."""
        return self.last[4]

    @property
    def trail(self) -> list[str]:
        """All decisions, a line each, without the time they took."""
        lines = []
        for phase, module, outcome, reason, where, _ in self.context.trail:
            text = f"{phase} {module} {outcome} {reason_text(reason)}".rstrip()
            lines.append(f"{text} [{where}]" if where else text)
        return lines

    # --- for ModuleContext

    def take(self, context: RequestContext, result: Any) -> None:
        """Hear what the phase ended with."""
        if isinstance(result, Deferred):
            result.addCallback(lambda later: self.take(context, later))
            return
        self._done = True
        self._result = result

    def watched(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a hook: what it raises, now or later, is kept for the test."""

        def guarded(*arguments: Any) -> Any:
            try:
                result = call(*arguments)
            except Exception as error:
                self._failure = error
                return None
            if isinstance(result, Deferred):
                result.addErrback(self._failed)
            return result

        return guarded

    def raise_failure(self) -> None:
        """Raise what the hook raised."""
        if self._failure is not None:
            raise self._failure

    def _failed(self, failure: Failure) -> Any:
        if failure.check(CancelledError):
            return failure  # the pipeline's doing: the deadline passed
        self._failure = failure.value
        return None
