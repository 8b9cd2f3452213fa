"""Name servers in a table: what each knows, and how it behaves."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.names import dns

from sipproxy.resolve.answer import TYPES, Kind
from sipproxy.resolve.wire import Address, Unreachable

ONE: Address = ("192.0.2.53", 53)
TWO: Address = ("192.0.2.54", 53)


def a(address: str) -> dns.Record_A:
    """An address record."""
    return dns.Record_A(address)


def aaaa(address: str) -> dns.Record_AAAA:
    """An IPv6 address record."""
    return dns.Record_AAAA(address)


def srv(priority: int, weight: int, port: int, target: str) -> dns.Record_SRV:
    """A service record."""
    return dns.Record_SRV(priority, weight, port, target)


def naptr(order: int, preference: int, service: str, replacement: str) -> dns.Record_NAPTR:
    """A rule of a SIP service."""
    return dns.Record_NAPTR(
        order, preference, b"s", service.encode(), b"", replacement.encode(), ttl=None
    )


def cname(name: str) -> dns.Record_CNAME:
    """An alias."""
    return dns.Record_CNAME(name)


def soa(minimum: int) -> dns.Record_SOA:
    """What stands beside a negative answer."""
    return dns.Record_SOA("ns.test", "root.test", 1, 2, 3, 4, minimum, ttl=None)


def message(
    *answers: tuple[str, Any],
    code: int = dns.OK,
    authority: tuple[tuple[str, Any], ...] = (),
    ttl: int = 60,
    recursion: bool = True,
    authoritative: bool = False,
) -> dns.Message:
    """An answer: rows of name and record."""
    made = dns.Message(answer=1, rCode=code, recAv=recursion, auth=authoritative)
    for section, rows in ((made.answers, answers), (made.authority, authority)):
        for name, record in rows:
            record.ttl = ttl
            section.append(dns.RRHeader(name, record.TYPE, dns.IN, ttl, record))
    return made


def no_such_name(minimum: int = 30) -> dns.Message:
    """NXDOMAIN as it should be."""
    return message(code=dns.ENAME, authority=(("test", soa(minimum)),), ttl=3600)


class Zone:
    """Name servers by address, one and the same table for all of them.

    ``silent`` servers never answer, ``closed`` ones have nobody at their port, ``saying`` makes one
    give the same answer to everything.
    """

    def __init__(self, *rows: tuple[str, Any], ttl: int = 60) -> None:
        self.rows = list(rows)
        self.ttl = ttl
        self.asked: list[tuple[Address, str, Kind]] = []
        self.open: list[Deferred[dns.Message]] = []
        self.silent: set[Address] = set()
        self.closed: set[Address] = set()
        self.saying: dict[Address, Callable[[], dns.Message]] = {}
        self.silent_about: set[str] = set()

    def exchange(self, server: Address, name: str, kind: Kind) -> "Deferred[dns.Message]":
        """Play `sipproxy.resolve.wire.exchange`."""
        self.asked.append((server, name, kind))
        if server in self.closed:
            return fail(Unreachable("nobody listens there"))
        if server in self.silent or name in self.silent_about:
            waiting: Deferred[dns.Message] = Deferred(self.open.remove)
            self.open.append(waiting)
            return waiting
        if server in self.saying:
            return succeed(self.saying[server]())
        return succeed(self.answer(name, kind))

    def answer(self, name: str, kind: Kind) -> dns.Message:
        """Say what the table has, aliases followed."""
        found = []
        while True:
            here = [row for row in self.rows if row[0] == name]
            found += [row for row in here if TYPES[kind] == row[1].TYPE]
            aliases = [row for row in here if row[1].TYPE == dns.CNAME]
            if not aliases:
                break
            found += aliases
            name = aliases[0][1].name.name.decode()
        if found:
            return message(*found, ttl=self.ttl)
        known = any(row[0] == name for row in self.rows)
        return message(authority=(("test", soa(30)),)) if known else no_such_name()

    def servers_asked(self) -> list[Address]:
        """List which servers were asked, and forget it."""
        servers = [server for server, _, _ in self.asked]
        self.asked.clear()
        return servers

    def questions(self) -> list[str]:
        """List what was asked ("A name"), and forget it."""
        asked = [f"{kind} {name}" for _, name, kind in self.asked]
        self.asked.clear()
        return asked
