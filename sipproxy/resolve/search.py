"""Runs a search for hops: steps that ask, and go on with the answers; at once where all are known.

The steps are a generator.  It yields lists of questions, each a Deferred or an answer already, and
is given the list of answers when all are there.  Nothing of Twisted's is used while nothing waits:
with every answer in the cache a search is one call.
"""

from collections.abc import Generator, Sequence
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from sipproxy.resolve.hop import Hop

Answers: TypeAlias = list[Any]
Steps: TypeAlias = Generator[list[Any], Answers, Sequence[Hop]]


class NotLocated(Exception):
    """There is no way to a URI.  ``status`` is what a caller should be told."""

    status = 503


class NoAddress(NotLocated):
    """No name service answered, or not in time."""


class NoTransport(NotLocated):
    """It takes a transport that this server does not have."""

    def __init__(self, text: str, status: int = 503) -> None:
        super().__init__(text)
        self.status = status


class Search:
    """One search on its way."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._answers: Answers = []
        self._missing = 0
        self._waiting = False
        self._timer: Any = None
        self._hops: Deferred[Sequence[Hop]] | None = None

    def run(
        self, clock: IReactorTime, seconds: float, name: str
    ) -> "Sequence[Hop] | Deferred[Sequence[Hop]]":
        """Search; fails with NoAddress when it takes longer than ``seconds``.

        Raises NotLocated when that is known at once.
        """
        hops = self._advance(None)
        if hops is not None:
            return hops
        self._hops = Deferred(lambda _: self._stop())
        self._timer = clock.callLater(seconds, self._too_late, seconds, name)
        return self._hops

    def _advance(self, answers: Answers | None) -> Sequence[Hop] | None:
        """Go on until the end, which gives hops, or until an answer is not there yet."""
        while True:
            try:
                asked = next(self._steps) if answers is None else self._steps.send(answers)
            except StopIteration as end:
                hops: Sequence[Hop] = end.value
                return hops
            if not self._gather(asked):
                return None
            answers = self._answers

    def _gather(self, asked: "list[Any]") -> bool:
        """Collect the answers; say whether they are all there."""
        self._answers = asked
        self._missing = 0
        self._waiting = False
        for index, question in enumerate(asked):
            if isinstance(question, Deferred):
                self._missing += 1
                question.addCallback(self._answered, index)
        self._waiting = self._missing > 0
        return not self._waiting

    def _answered(self, answer: Any, index: int) -> None:
        self._answers[index] = answer
        self._missing -= 1
        if self._missing or not self._waiting or self._hops is None:
            return
        try:
            hops = self._advance(self._answers)
        except Exception as error:
            self._stop()
            self._hops.errback(error)
            return
        if hops is not None:
            self._stop()
            self._hops.callback(hops)

    def _too_late(self, seconds: float, name: str) -> None:
        assert self._hops is not None
        self._stop()
        self._hops.errback(NoAddress(f"no answer for {name} in {seconds:g} s"))

    def _stop(self) -> None:
        """Want no more answers.  The questions go on: what comes is remembered."""
        self._waiting = False
        self._steps.close()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
