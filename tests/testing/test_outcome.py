"""What came of a hook is easy to read, and cannot be mistaken for something else."""

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail

from sipproxy.core.outcomes import Refusal
from sipproxy.testing.modules import ModuleContext
from sipproxy.testing.outcome import Outcome


def fresh() -> Outcome:
    """Give an outcome that nothing has come of yet."""
    return Outcome(ModuleContext("mod_sip_options").request(), ())


class OutcomeTests:
    """Answers, failures and waiting are three things."""

    def test_waiting(self) -> None:
        """Nothing is read into a hook that has not answered."""
        outcome = fresh()
        assert outcome.waiting
        with pytest.raises(AssertionError, match="still waits"):
            outcome.status  # noqa: B018

    def test_answered_later(self) -> None:
        """A Deferred is followed to what it fires with."""
        outcome = fresh()
        later: Deferred[Refusal] = Deferred()
        outcome.take(outcome.context, later)
        assert outcome.waiting
        later.callback(Refusal(404, "nobody"))
        assert (outcome.status, outcome.waiting) == (404, False)

    def test_raised(self) -> None:
        """What a watched call raises is kept, and raised when somebody looks."""
        outcome = fresh()
        assert outcome.watched({}.__getitem__)("nothing") is None
        with pytest.raises(KeyError):
            outcome.raise_failure()
        with pytest.raises(KeyError):
            outcome.result  # noqa: B018

    def test_cancelled(self) -> None:
        """A hook that the pipeline gave up did not fail: the pipeline says what came of it."""
        outcome = fresh()
        given_up: Deferred[None] = outcome.watched(lambda: fail(CancelledError()))()
        given_up.addErrback(lambda failure: None)
        outcome.raise_failure()

    def test_nothing(self) -> None:
        """Declining is no status and no target."""
        outcome = fresh()
        outcome.take(outcome.context, None)
        assert (outcome.status, outcome.uris, outcome.result) == (0, [], None)
