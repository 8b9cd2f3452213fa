"""The system's name service, off the reactor, and the hosts file."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from sipproxy.resolve.answer import Reply
from sipproxy.resolve.system import (
    MAX_THREADS,
    MAX_WAITING,
    Hosts,
    SystemNames,
    TooManyNames,
    hosts_of,
    reply_of,
    system_addresses,
)


def at_once(call: Callable[..., Any], *arguments: Any) -> "Deferred[Any]":
    """Play the thread pool."""
    return maybeDeferred(call, *arguments)


class SystemNamesTests:
    """Few threads, a bounded line."""

    def test_few_threads(self) -> None:
        """Only so many names are asked for at a time; each end lets the next one in."""
        running: list[tuple[str, Deferred[list[str]]]] = []

        def in_thread(_: Any, name: str) -> "Deferred[list[str]]":
            running.append((name, Deferred()))
            return running[-1][1]

        names = SystemNames(in_thread)
        outcomes: list[Any] = []
        for number in range(MAX_THREADS + MAX_WAITING):
            names.resolve(f"n{number}").addBoth(outcomes.append)
        assert len(running) == MAX_THREADS
        refused: list[Any] = []
        names.resolve("late").addErrback(refused.append)
        assert refused[0].check(TooManyNames)
        running[0][1].callback(["192.0.2.1"])
        running[1][1].errback(OSError("no"))
        assert [name for name, _ in running[MAX_THREADS:]] == ["n4", "n5"]
        assert outcomes[0] == ["192.0.2.1"] and outcomes[1].check(OSError)

    def test_look_up(self) -> None:
        """The name goes to what blocks, its answer comes back."""
        outcome: list[Any] = []
        names = SystemNames(at_once, lambda name: [f"of {name}"])
        names.resolve("h").addCallback(outcome.append)
        assert outcome == [["of h"]]

    def test_system(self) -> None:
        """The real one knows this machine."""
        assert set(system_addresses("localhost")) & {"127.0.0.1", "::1"}


class ReplyTests:
    """What the system says, as an answer with a time to live."""

    def test_addresses(self) -> None:
        """Addresses hold for a minute."""
        reply = reply_of(["192.0.2.1"])
        assert isinstance(reply, Reply)
        assert (reply.records, reply.ttl) == (("192.0.2.1",), 60)

    @pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_NONAME, "x"), OSError("unknown")])
    def test_no_such_name(self, error: Exception) -> None:
        """An unknown name is an answer too."""
        reply = reply_of(Failure(error))
        assert isinstance(reply, Reply)
        assert (reply.records, reply.ttl) == ((), 10)

    @pytest.mark.parametrize(
        "error", [socket.gaierror(socket.EAI_AGAIN, "x"), TooManyNames(), UnicodeError()]
    )
    def test_trouble(self, error: Exception) -> None:
        """That it could not find out is none."""
        assert isinstance(reply_of(Failure(error)), Failure)


class HostsTests:
    """/etc/hosts."""

    def test_lines(self) -> None:
        """Names and aliases in any case, several lines for one name, comments and nonsense."""
        text = (
            "127.0.0.1 localhost\n192.0.2.1\tGateway.Example.com gw # the trunk\n"
            "2001:db8::1 gw\n#192.0.2.9 gw\nrubbish gw\n\n192.0.2.7\n"
        )
        assert hosts_of(text) == {
            "localhost": ("127.0.0.1",),
            "gateway.example.com": ("192.0.2.1",),
            "gw": ("192.0.2.1", "2001:db8::1"),
        }

    def test_changes_are_seen(self, tmp_path: Path) -> None:
        """A change is seen within seconds, and read in a thread."""
        path = tmp_path / "hosts"
        path.write_text("192.0.2.1 gw\n")
        clock = Clock()
        calls: list[Any] = []

        def in_thread(call: Callable[..., Any]) -> "Deferred[Any]":
            calls.append(call)
            return at_once(call)

        hosts = Hosts(clock, in_thread, str(path))
        path.write_text("192.0.2.2 gw\n")
        assert hosts.addresses("gw") == ("192.0.2.1",)
        assert not calls
        clock.advance(10)
        hosts.addresses("gw")
        assert hosts.addresses("gw") == ("192.0.2.2",)
        assert hosts.addresses("other") == ()
        assert len(calls) == 1

    def test_no_file(self, tmp_path: Path) -> None:
        """Without a hosts file no name is in it."""
        assert Hosts(Clock(), at_once, str(tmp_path / "none")).addresses("gw") == ()

    def test_while_a_thread_reads(self, tmp_path: Path) -> None:
        """Until the file has been read again, the names known so far are given."""
        (tmp_path / "hosts").write_text("192.0.2.1 gw\n")
        clock = Clock()
        hosts = Hosts(clock, lambda *_: Deferred(), str(tmp_path / "hosts"))
        (tmp_path / "hosts").write_text("192.0.2.2 gw\n")
        clock.advance(100)
        assert hosts.addresses("gw") == ("192.0.2.1",)
