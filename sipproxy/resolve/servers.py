"""The name servers we ask, and which of them answer.

A question goes to the best server; when that is silent for a moment the next one is asked as well,
and the first useful answer counts.  A server that answered nothing else meanwhile either goes to
the end of the line, so that it costs one moment and not one for every question.  Later a question
goes to it beside another server, which costs nobody anything, to see whether it is back.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.names import dns
from twisted.python.failure import Failure

from sipproxy.log import get_logger
from sipproxy.resolve.answer import Kind, Reply, Useless, read
from sipproxy.resolve.wire import Address, NoSocket

_log = get_logger("resolve")

#: Asks one server; may be cancelled.  `sipproxy.resolve.wire.exchange` without the reactor.
Exchange: TypeAlias = "Callable[[Address, str, Kind], Deferred[dns.Message]]"

#: Questions on their way at a time.  Each has up to `_MAX_ATTEMPTS` sockets.
MAX_QUESTIONS: Final = 128
_MAX_ATTEMPTS: Final = 4

#: Seconds a silent server is put behind; doubled as long as it stays silent, up to the longest.
_PENALTY: Final = 15.0
_LONGEST_PENALTY: Final = 240.0

#: When no server has answered of late, questions are given up sooner, in this part of the time.
_HOPELESS: Final = 0.4


class NoAnswer(Exception):
    """No server gave a useful answer."""


class _Server:
    """What is known of one server.  ``heard`` is when it last sent anything."""

    __slots__ = ("address", "heard", "silences", "until")

    def __init__(self, address: Address) -> None:
        self.address = address
        self.heard = float("-inf")
        self.silences = 0
        self.until = 0.0

    def __str__(self) -> str:
        return f"{self.address[0]}:{self.address[1]}"

    def answered(self, now: float) -> None:
        """Note a sign of life."""
        self.heard = now
        if self.silences:
            _log.notice("dns.server_back", "a name server answers again", server=self)
        self.silences = 0

    def silent(self, now: float) -> None:
        """Note that it said nothing, and put it behind for a while; once for all who noticed."""
        if self.silences and now < self.until:
            return
        if not self.silences:
            _log.warn("dns.server_silent", "a name server does not answer", server=self)
        self.until = now + min(_PENALTY * 2**self.silences, _LONGEST_PENALTY)
        self.silences = min(self.silences + 1, 10)


class NameServers:
    """Several servers that know the same; at least one."""

    def __init__(
        self,
        clock: IReactorTime,
        addresses: Sequence[Address],
        exchange: Exchange,
        *,
        step: float = 0.5,
        limit: float = 2.5,
    ) -> None:
        """``step``: seconds of silence until the next server is asked too; ``limit``: until the
        question is given up.
        """
        self.clock = clock
        self.exchange = exchange
        self.step = step
        self._limit = limit
        self._servers = [_Server(address) for address in addresses]
        self._questions: dict[_Question, None] = {}

    def __len__(self) -> int:
        return len(self._questions)

    def ask(self, name: str, kind: Kind) -> "Deferred[Reply]":
        """Ask; fails with NoAnswer.

        When too many questions are out the oldest is given up: the newest has the better chance.
        """
        if len(self._questions) >= MAX_QUESTIONS:
            next(iter(self._questions)).give_up("too many questions wait for an answer")
        now = self.clock.seconds()
        good = [server for server in self._servers if not server.silences]
        bad = [server for server in self._servers if server.silences]
        bad.sort(key=lambda server: server.until)
        limit = self._limit if good else self._limit * _HOPELESS
        question = _Question(self, name, kind, [*good, *bad], limit)
        self._questions[question] = None
        question.reply.addBoth(self._over, question)
        if good and bad and bad[0].until <= now:
            self._probe(bad[0], name, kind)
        question.ask_next()
        return question.reply

    def _probe(self, server: _Server, name: str, kind: Kind) -> None:
        """Ask a server that was silent, for no other reason than to hear whether it is back."""
        server.until = self.clock.seconds() + self._limit  # one probe at a time
        asking = self.exchange(server.address, name, kind)
        timer = self.clock.callLater(self._limit, asking.cancel)

        def over(result: Any) -> None:
            if timer.active():
                timer.cancel()
            if isinstance(result, dns.Message):
                server.answered(self.clock.seconds())
            else:
                server.until = self.clock.seconds()
                server.silent(server.until)

        asking.addBoth(over)

    def _over(self, result: Any, question: "_Question") -> Any:
        self._questions.pop(question, None)
        return result

    def snapshot(self) -> list[dict[str, Any]]:
        """Say how the servers are, for the status display."""
        return [{"server": str(server), "answers": not server.silences} for server in self._servers]


class _Question:
    """One question, on its way to one server or several."""

    def __init__(
        self, owner: NameServers, name: str, kind: Kind, servers: list[_Server], limit: float
    ) -> None:
        self._owner = owner
        self._name = name
        self._kind = kind
        # The best server is asked first, and again when all have been asked.
        self._line = [*servers, *servers][:_MAX_ATTEMPTS]
        self._useless: set[_Server] = set()
        self._open: dict[Deferred[Any], tuple[_Server, float]] = {}
        self._said = "no name server answered in time"
        self._next: Any = None
        self._end = owner.clock.callLater(limit, self._too_late)
        self.reply: Deferred[Reply] = Deferred()

    def ask_next(self) -> None:
        """Ask the next in line; without an answer the one after it a little later."""
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None
        while self._line:
            server = self._line.pop(0)
            if server not in self._useless:
                self._next = self._owner.clock.callLater(self._owner.step, self.ask_next)
                self.ask_one(server)
                return
        if not self._open and not self.reply.called:
            self.give_up(self._said)

    def ask_one(self, server: _Server) -> None:
        """Ask one server."""
        if self.reply.called:
            return
        asking = self._owner.exchange(server.address, self._name, self._kind)
        self._open[asking] = (server, self._owner.clock.seconds())
        asking.addCallbacks(
            self._heard, self._failed, (asking, server), errbackArgs=(asking, server)
        )

    def _heard(self, message: dns.Message, asking: "Deferred[Any]", server: _Server) -> None:
        self._open.pop(asking, None)
        server.answered(self._owner.clock.seconds())
        try:
            reply = read(message, self._name, self._kind)
        except Useless as error:
            self._is_useless(server, str(error))
            return
        self._finish()
        self.reply.callback(reply)

    def _failed(self, failure: Failure, asking: "Deferred[Any]", server: _Server) -> None:
        if self._open.pop(asking, None) is not None:  # else we have stopped asking
            if failure.check(NoSocket) is None:
                server.silent(self._owner.clock.seconds())
            self._is_useless(server, failure.getErrorMessage())

    def _is_useless(self, server: _Server, why: str) -> None:
        _log.debug("dns.useless", why, server=server, name=self._name, kind=self._kind)
        self._said = why
        self._useless.add(server)
        if not any(other is not server for other, _ in self._open.values()):
            self.ask_next()

    def _too_late(self) -> None:
        self.give_up(self._said)

    def give_up(self, why: str) -> None:
        """Stop asking."""
        self._finish()
        self.reply.errback(NoAnswer(f"{self._name} {self._kind}: {why}"))

    def _finish(self) -> None:
        """Close everything, and note which servers have said nothing for too long."""
        now = self._owner.clock.seconds()
        for timer in (self._next, self._end):
            if timer is not None and timer.active():
                timer.cancel()
        left, self._open = self._open, {}
        for asking, (server, since) in left.items():
            # One that has answered something else is alive; only this question is too much for it.
            if now - since >= self._owner.step and server.heard < since:
                server.silent(now)
            asking.cancel()
