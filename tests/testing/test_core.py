"""The stand-ins around the core provide what the real ones provide, and record what they say."""

import pytest
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from sipproxy.core.targets import Target
from sipproxy.interfaces import IAuthorizer, IFlows, ILocator, IModule, ITransactions, ITranslator
from sipproxy.log import SINK, get_logger
from sipproxy.message.parser import check
from sipproxy.message.uri import parse_uri
from sipproxy.resolve.hop import Hop
from sipproxy.testing.core import (
    CoreStand,
    RecordingFlows,
    RecordingTransactions,
    StubModule,
    TableLocator,
    log_lines,
    make_request,
)
from sipproxy.transaction.peer import Peer


class ProvideTests:
    """They can stand in."""

    def test_interfaces(self) -> None:
        """Each provides the interface of what it stands for."""
        assert verifyObject(ITransactions, RecordingTransactions())
        assert verifyObject(IFlows, RecordingFlows())
        assert verifyObject(ILocator, TableLocator())

    def test_stub_provides_its_hooks(self) -> None:
        """A stub module provides the interfaces of the hooks that it was given, and no others."""
        stub = StubModule("mod_x", authorize=lambda context: None)
        assert verifyObject(IModule, stub) and verifyObject(IAuthorizer, stub)
        assert not ITranslator.providedBy(stub)
        with pytest.raises(KeyError):
            StubModule("mod_x", no_such_hook=lambda: None)


class RequestTests:
    """Requests in one line."""

    @pytest.mark.parametrize("method", ["INVITE", "ACK", "REGISTER", "FROBNICATE"])
    def test_sound(self, method: str) -> None:
        """They pass the check that every request must pass."""
        request = make_request(method, "sip:bob@example.com", "X: 1", to_tag="b1", body=b"v=0")
        check(request)
        assert request.to_tag == b"b1" and request.body == b"v=0" and request.wire_size > 0


class FlowsTests:
    """Tokens and peers."""

    def test_round_trip(self) -> None:
        """A token gives its peer back until the flow is gone; nonsense gives none."""
        flows, peer = RecordingFlows(), Peer("tcp", "192.0.2.9", 5, 1, 3)
        token = flows.token_of(peer)
        assert flows.peer_of(token) == peer and flows.host_of(token) == "192.0.2.9"
        flows.gone.add(peer)
        assert flows.peer_of(token) is None and flows.host_of(token) == "192.0.2.9"
        for nonsense in (b"", b"x", b"f00", b"fzz", b"f\xff"):
            assert flows.peer_of(nonsense) is None and flows.host_of(nonsense) == ""

    def test_pins(self) -> None:
        """Pins are counted."""
        flows, peer = RecordingFlows(), Peer("tcp", "192.0.2.9", 5, 1, 3)
        flows.pin(peer)
        flows.pin(peer)
        flows.unpin(peer)
        assert flows.pinned == [peer]

    def test_reach(self) -> None:
        """Only UDP and TCP, and no host that was made unreachable."""
        flows = RecordingFlows()
        flows.unreachable.add("192.0.2.8")
        assert flows.peer_for("tls", "192.0.2.9", 5061) is None
        assert flows.peer_for("udp", "192.0.2.8", 5060) is None
        peer = flows.peer_for("tcp", "192.0.2.9", 5060)
        assert peer is not None and peer.listener == 1 and peer.sent_by == b"192.0.2.1:5060"


class LocatorTests:
    """Names in a table."""

    def test_table(self) -> None:
        """Addresses are themselves, names are looked up, the rest has no address."""
        locator = TableLocator()
        waits: Deferred[list[Hop]] = Deferred()
        locator.hops["late.example"] = waits  # type: ignore[assignment]
        assert locator.locate(parse_uri(b"sip:192.0.2.9:5070")) == (Hop("udp", "192.0.2.9", 5070),)
        assert locator.locate(parse_uri(b"sip:late.example")) is waits
        assert locator.locate(parse_uri(b"sip:no.example")) == ()
        assert locator.locate(parse_uri(b"tel:+1")) == ()
        assert locator.asked == ["192.0.2.9", "late.example", "no.example"]


class StandTests:
    """The whole stand."""

    def test_a_call(self) -> None:
        """A call goes through and is over."""
        target = Target(b"sip:bob@192.0.2.20", "mod_to")
        stand = CoreStand(StubModule("mod_to", translate=lambda context, uri: [target]))
        caller = stand.receive(make_request())
        stand.reply(stand.clients[0], 200)
        assert caller.statuses == [200] and caller.response.status == 200
        stand.end(caller, *stand.clients)
        assert caller.user is None and caller.context.status == 200

    def test_alarms(self) -> None:
        """Alarms fire in order when their time has come, unless they were taken back."""
        transactions = RecordingTransactions(0.0)
        transactions.schedule(2.0, "two")
        entry = transactions.schedule(1.5, "never")
        transactions.schedule(1.0, "one")
        transactions.unschedule(entry)
        transactions.now = 3.0
        assert transactions.take_due() == ["one", "two"] and not transactions.alarms

    def test_before_sending(self) -> None:
        """What is to run before sending is kept."""
        transactions = RecordingTransactions()
        transactions.before_sending(print)
        assert transactions.before == [print]


class LogLinesTests:
    """The error log in a test."""

    def test_caught(self) -> None:
        """Lines of the block are caught, those from before are not, and nothing is left open."""
        logger = get_logger("test_core")
        logger.error("test.before", "not this one")
        with log_lines() as lines:
            logger.info("test.inside", "this one")
            logger.debug("test.debug", "too quiet")
            assert len(lines()) == 1 and "test.inside: this one" in lines()[0]
        assert SINK.path is None
