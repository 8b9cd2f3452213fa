"""The service: everything that runs, made once and put together by constructor, top to bottom.

`prepare` makes folders and opens the log, the constructor of `SipService` binds the sockets: what
fails there fails in front of the operator.  The rest is done when the reactor runs: the state
folder is opened (its thread would not survive going into the background), modules are made,
messages are taken. It stops in the reverse order: no new requests, what waits is answered, the
journal is written.
"""

import os
import signal
import socket
import time
from typing import IO, Any, Final

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, inlineCallbacks

from sipproxy import __version__
from sipproxy.assembly import (
    ConfigurationFaults,
    Host,
    build_domains,
    build_generation,
    build_modules,
)
from sipproxy.collector import Collector
from sipproxy.config.loader import Configuration
from sipproxy.core.generation import Generation, Options
from sipproxy.core.registrar import FLOW_FIRST, FLOW_ONLY
from sipproxy.core.server import ProxyCore
from sipproxy.log import SINK, get_logger, set_levels
from sipproxy.resolve.build import build_locator
from sipproxy.resolve.naptr import ZoneSwitch
from sipproxy.stores.database import DatabaseUnavailable
from sipproxy.stores.journal import FolderInUse, JournalError
from sipproxy.stores.records import Binding
from sipproxy.stores.state import OpenRegistry, open_registry
from sipproxy.transaction.layer import TransactionLayer
from sipproxy.transaction.timers import Timers
from sipproxy.transport.connections import StreamLimits
from sipproxy.transport.driver import Driver
from sipproxy.transport.flow import Flows
from sipproxy.transport.listen import ListenAddress, ListenError, Listeners

_log = get_logger("service")

#: Seconds between two slices of the sweep that takes expired bindings out.
_SWEEP_EVERY: Final = 0.1
_SWEEP_SMALL_EVERY: Final = 5.0

#: A registry of so few addresses is swept in one slice.
_SMALL: Final = 2000
_WHOLE: Final = 10_000
_SLICE: Final = 3_000

#: Seconds that a stopping server waits for calls being set up to be answered.
_DRAIN: Final = 0.2

_SECRET_OCTETS: Final = 32


class StartError(Exception):
    """The server cannot start; the text is one sentence that says why."""


def prepare(configuration: Configuration, console: IO[str] | None) -> bytes:
    """Make the folders, open the error log, and give the server's secret.  Raises StartError."""
    server = configuration.server
    levels = server["LogLevel"]
    default = next((rule.level for rule in reversed(levels) if rule.module is None), "notice")
    set_levels(default, {rule.module: rule.level for rule in levels if rule.module is not None})
    files = [server["ErrorLog"], server["PidFile"], *(log.path for log in server["CustomLog"])]
    try:
        for path in files:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        os.makedirs(server["StateDir"], mode=0o750, exist_ok=True)
        for log in server["CustomLog"]:
            with open(log.path, "a", encoding="utf-8"):
                pass
        SINK.open(server["ErrorLog"], console)
        return _secret(os.path.join(server["StateDir"], "secret"))
    except OSError as error:
        raise StartError(f"cannot write {error.filename}: {error.strerror}") from error


def _secret(path: str) -> bytes:
    """Read the key that marks of dialogs are signed with, or make it at the first start."""
    try:
        with open(path, "rb") as file:
            secret = file.read()
        if len(secret) >= _SECRET_OCTETS:
            return secret[:_SECRET_OCTETS]
    except FileNotFoundError:
        pass
    secret = os.urandom(_SECRET_OCTETS)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(secret)
    return secret


class SipService(MultiService):
    """One running server."""

    def __init__(self, reactor: Any, configuration: Configuration, secret: bytes) -> None:
        """Bind the sockets.  Raises StartError when one cannot be bound."""
        super().__init__()
        self.reactor = reactor
        self.configuration = configuration
        server = configuration.server
        timers = Timers(
            server["SIP_T1_in_ms"] / 1000,
            server["SIP_T2_in_ms"] / 1000,
            server["SIP_T4_in_ms"] / 1000,
        )
        self.layer = TransactionLayer(timers, server["MaxTransactions"])
        self.flows = Flows(reactor.seconds)
        self.driver = Driver(reactor, self.layer)
        addresses = [ListenAddress(*spec) for spec in server["Listen"]]
        self.listeners = Listeners(reactor, addresses, self.driver, self.flows, self._limits())
        try:
            self.listeners.bind()
        except ListenError as error:
            raise StartError(str(error)) from error
        transports = frozenset(listener.transport for listener in self.listeners.bound)
        ipv6 = any(":" in listener.host for listener in self.listeners.bound)
        self.locator = build_locator(
            reactor,
            servers=server["NameServer"],
            timeout=server["DnsTimeout"] / 1000,
            naptr=ZoneSwitch.of(server["DnsNaptr"]),
            cache_min=server["DnsCacheMin"] / 1000,
            cache_max=server["DnsCacheMax"] / 1000,
            skip_for=server["SkipFailedFor"] / 1000,
            transports=lambda: transports,
            has_ipv6=lambda: ipv6,
        )
        self.domains = build_domains(configuration, self.flows)
        empty = Generation(0, ({}, {}), self.domains, Options())
        run = os.urandom(3).hex().encode()
        self.core = ProxyCore(self.driver, self.flows, self.locator, empty, secret, run)
        self.modules: list[Any] = []
        self.state: OpenRegistry | None = None

    def _limits(self) -> StreamLimits:
        server = self.configuration.server
        return StreamLimits(
            connections=server["MaxTcpConnections"],
            per_source=server["MaxTcpConnectionsPerSource"],
            connect_timeout=server["TcpConnectTimeout"] / 1000,
            idle=server["TcpIdleTimeout"] / 1000,
            unsent=server["TcpWriteBuffer"],
        )

    # --- start

    def startService(self) -> None:
        """Open the state, make the modules, then take messages.  Exits when that cannot be."""
        try:
            self._start()
        except (StartError, ConfigurationFaults) as problem:
            raise SystemExit(str(problem)) from None

    def _start(self) -> None:
        self.state = self._open_state()
        registry = self.state.registry
        registry.observe(self._binding_changed)
        self.driver.before_sending(registry.flush)
        host = Host(
            registry,
            self.flows,
            self.driver,
            self.domains,
            self.configuration.server,
            time.time,
            self.core.answers.new_tag,
        )
        self.modules = build_modules(self.configuration, host)
        for module in self.modules:
            module.setServiceParent(self)
        self.core.generation = build_generation(1, self.configuration, self.modules, self.domains)
        self.driver.user = self.core
        Collector(self.reactor, lambda: len(self.layer)).setServiceParent(self)
        try:
            super().startService()
        except OSError as error:
            raise StartError(f"cannot write {error.filename}: {error.strerror}") from error
        self._signals()
        self.listeners.start()
        self._sweep()
        # Only then are the reactor's own handlers there: a TERM after that line ends cleanly.
        self.reactor.callWhenRunning(self._say_started, self.state)

    def _open_state(self) -> OpenRegistry:
        server = self.configuration.server
        folder = server["StateDir"]
        try:
            state = open_registry(
                folder,
                time.time,
                fsync=server["JournalSync"],
                max_bindings=server["MaxBindings"],
                progress=lambda rows: _log.notice("registry.loading", f"{rows:,} bindings read"),
            )
        except FolderInUse:
            text = f"the state folder {folder} is in use by another server"
            raise StartError(f"{text}; give this one a StateDir of its own") from None
        except DatabaseUnavailable as error:
            raise StartError(f"the database in {folder} cannot be used: {error}") from error
        except OSError as error:
            raise StartError(f"cannot use the state folder {folder}: {error.strerror}") from error
        for note in state.report.notes:
            _log.warn("registry.restored", note)
        return state

    def _say_started(self, state: OpenRegistry) -> None:
        domains = self.domains.names or (self._own_name(),)
        policy = self.configuration.server["RelayPolicy"].lower()
        strangers = "on" if policy == "open" else "off"
        _log.notice(
            "service.ready",
            f"phones: register any user at {domains[0]}, then call each other; "
            f"relaying for strangers is {strangers}",
        )
        for fault in self.configuration.notes:
            _log.warn("configuration.note", str(fault))
        _log.notice(
            "service.started",
            f"sipproxy {__version__} on {self.listeners.describe()} · "
            f"domain {', '.join(domains)} · {state.registry.count:,} bindings restored · "
            f"{self.configuration.path} ({self.configuration.count} directives)",
        )

    def _own_name(self) -> str:
        for listener in self.listeners.bound:
            if not listener.wildcard:
                return listener.host
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))  # asks the routing table; nothing is sent
                return str(probe.getsockname()[0])
            except OSError:
                return "127.0.0.1"

    # --- while it runs

    def _binding_changed(self, aor: str, before: list[Binding], after: list[Binding]) -> None:
        """Keep the connections that bindings are reached by, and let go of those no longer used."""
        for bindings, change in ((after, self.flows.pin), (before, self.flows.unpin)):
            for binding in bindings:
                if binding.received[:1] in (FLOW_ONLY, FLOW_FIRST):
                    peer = self.flows.peer_of(binding.received[1:])
                    if peer is not None and peer.reliable:
                        change(peer)

    def _sweep(self) -> None:
        """Take expired bindings out, a slice at a time."""
        if self.running and self.state is not None:
            small = self.state.registry.aors <= _SMALL
            self.state.registry.sweep(_WHOLE if small else _SLICE)
            try:
                self.state.registry.flush()
            except JournalError as error:
                _log.debug("registry.sweep", "the journal did not take the expiries", error=error)
            self.reactor.callLater(_SWEEP_SMALL_EVERY if small else _SWEEP_EVERY, self._sweep)

    def _signals(self) -> None:
        """USR1 reopens the logs; HUP too, until it reloads the configuration."""
        if not self.reactor.__class__.__module__.startswith("twisted.internet"):
            return  # a test's reactor

        def ask(number: int, _frame: object) -> None:
            self.reactor.callFromThread(self.reopen_logs, signal.Signals(number).name)

        for number in (signal.SIGUSR1, signal.SIGHUP):
            signal.signal(number, ask)

    def reopen_logs(self, cause: str = "") -> None:
        """Open every log file again, after somebody moved them away."""
        try:
            SINK.reopen()
            for module in self.modules:
                module.reopen()
            _log.notice("service.logs_reopened", "the log files were opened again", signal=cause)
        except OSError as error:
            _log.error("service.logs_not_reopened", str(error))

    # --- stop

    @inlineCallbacks
    def stopService(self) -> Any:
        """Refuse new requests, answer what waits, send it, write everything down."""
        self.core.stop()
        self.driver.end_of_turn()
        if self.core.live:
            wait: Deferred[None] = Deferred()
            self.reactor.callLater(_DRAIN, wait.callback, None)
            yield wait
        self.driver.stop()
        yield self.listeners.stop()
        yield super().stopService()
        if self.state is not None:
            try:
                complete = self.state.close()
                if not complete:
                    _log.notice("registry.behind", "SQLite is behind; the next start catches up")
            except (OSError, JournalError) as error:
                _log.error("registry.close", "the journal could not be written", error=error)
        _log.notice("service.stopped", "stopped")
        SINK.close()
