"""From URIs to hops: RFC 3263, section by section."""

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.names import dns as names
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from sipproxy.interfaces import ILocator
from sipproxy.message.uri import parse_uri
from sipproxy.resolve.cache import Cache
from sipproxy.resolve.dns import Dns
from sipproxy.resolve.health import TIMED_OUT, Health
from sipproxy.resolve.hop import Hop
from sipproxy.resolve.locator import MAX_HOPS, MAX_TARGETS, Locator, NoAddress, NoTransport
from sipproxy.resolve.naptr import ZoneSwitch
from sipproxy.resolve.servers import NameServers
from sipproxy.testing.names import NameTable
from tests.resolve.fakes import ONE, Zone, a, aaaa, cname, message, naptr, srv


class Hosts:
    """A hosts file in a table."""

    def __init__(self) -> None:
        self.names: dict[str, tuple[str, ...]] = {}

    def addresses(self, name: str) -> tuple[str, ...]:
        """Give the addresses of a name."""
        return self.names.get(name, ())


class _Fixture:
    clock: Clock
    zone: Zone
    system: NameTable
    hosts: Hosts
    transports: tuple[str, ...]
    ipv6: bool
    draw: float
    locator: Locator

    @pytest.fixture(autouse=True)
    def _make(self) -> None:
        self.clock = Clock()
        self.zone = Zone()
        self.system = NameTable()
        self.hosts = Hosts()
        self.transports = ("udp", "tcp")
        self.ipv6 = False
        self.draw = 0.5
        servers = NameServers(self.clock, [ONE], self.zone.exchange, step=0.5, limit=2.0)
        self.locator = Locator(
            self.clock,
            self.system.resolve,
            dns=Dns(self.clock, Cache(self.clock.seconds), servers),
            hosts=self.hosts,
            health=Health(self.clock.seconds),
            transports=lambda: self.transports,
            has_ipv6=lambda: self.ipv6,
            use_naptr=ZoneSwitch(True, {"plain.test": False}),
            draw=lambda: self.draw,
        )

    def start(self, uri: str) -> list[Any]:
        """Locate; give a list that will hold the hops or the failure."""
        outcome: list[Any] = []
        found = self.locator.locate(parse_uri(uri.encode()))
        if isinstance(found, Deferred):
            found.addCallback(list).addBoth(outcome.append)
        else:
            outcome.append(list(found))
        return outcome

    def locate(self, uri: str) -> str:
        """Locate what is found without time passing; print it."""
        (found,) = self.start(uri)
        assert not isinstance(found, Failure), found
        return " ".join(f"{hop.transport}:{hop.host}:{hop.port}" for hop in found)

    def refusal(self, uri: str) -> NoTransport:
        """Locate what is refused."""
        (failure,) = self.start(uri)
        assert isinstance(failure, Failure) and isinstance(failure.value, NoTransport)
        return failure.value

    def example(self) -> None:
        """Publish the example of RFC 3263 section 4: one domain, NAPTR, SRV and addresses."""
        self.zone.rows = [
            ("example.com", naptr(50, 50, "SIPS+D2T", "_sips._tcp.example.com")),
            ("example.com", naptr(90, 50, "SIP+D2T", "_sip._tcp.example.com")),
            ("example.com", naptr(100, 50, "SIP+D2U", "_sip._udp.example.com")),
            ("_sips._tcp.example.com", srv(0, 1, 5061, "server1.example.com")),
            ("_sip._tcp.example.com", srv(0, 1, 5060, "server1.example.com")),
            ("_sip._tcp.example.com", srv(1, 2, 5060, "server2.example.com")),
            ("_sip._udp.example.com", srv(0, 1, 5070, "server1.example.com")),
            ("server1.example.com", a("192.0.2.1")),
            ("server1.example.com", aaaa("2001:db8::1")),
            ("server2.example.com", a("192.0.2.2")),
            ("example.com", a("192.0.2.9")),
        ]


class NumericTests(_Fixture):
    """Numeric hosts need nobody's answer (section 4.1 and 4.2)."""

    @pytest.mark.parametrize(
        ("uri", "hop"),
        [
            ("sip:192.0.2.1", "udp:192.0.2.1:5060"),
            ("sip:bob@192.0.2.1:5070", "udp:192.0.2.1:5070"),
            ("sip:bob@192.0.2.1;transport=TCP", "tcp:192.0.2.1:5060"),
            ("sip:bob@[2001:db8::1]:5070", "udp:2001:db8::1:5070"),
            ("sip:bob@example.com;maddr=192.0.2.7", "udp:192.0.2.7:5060"),
            ("sip:bob@example.com:5070;maddr=[2001:db8::7]", "udp:2001:db8::7:5070"),
        ],
    )
    def test_hop(self, uri: str, hop: str) -> None:
        """The transport is the parameter or UDP, the port the URI's or the transport's."""
        assert self.locate(uri) == hop
        assert self.zone.questions() == []

    def test_at_once(self) -> None:
        """There is no Deferred for them."""
        assert not isinstance(self.locator.locate(parse_uri(b"sip:192.0.2.1")), Deferred)

    def test_chosen(self) -> None:
        """A transport that was only the default may be changed for a large request."""
        for uri, chosen in (("sip:192.0.2.1", False), ("sip:192.0.2.1;transport=udp", True)):
            assert self.start(uri)[0][0].chosen is chosen

    def test_no_udp_here(self) -> None:
        """Without UDP the default is TCP."""
        self.transports = ("tcp",)
        assert self.locate("sip:192.0.2.1") == "tcp:192.0.2.1:5060"

    def test_other_schemes(self) -> None:
        """A telephone number is nowhere."""
        assert self.start("tel:+358-555-1234567") == [[]]

    def test_interface(self) -> None:
        """It is what the core expects."""
        assert verifyObject(ILocator, self.locator)


class SecureTests(_Fixture):
    """What needs TLS is refused until there is TLS."""

    @pytest.mark.parametrize(
        ("uri", "status"),
        [
            ("sips:bob@192.0.2.1", 416),
            ("sips:bob@example.com", 416),
            ("sips:bob@192.0.2.1;transport=tcp", 416),
            ("sip:bob@192.0.2.1;transport=tls", 503),
            ("sip:bob@example.com;transport=sctp", 503),
        ],
    )
    def test_refused(self, uri: str, status: int) -> None:
        """The reason is said, and no name service troubled."""
        refusal = self.refusal(uri)
        assert refusal.status == status
        assert "TLS" in str(refusal) or "does not send by" in str(refusal)
        assert self.zone.questions() == []

    @pytest.mark.parametrize(
        ("uri", "hop"),
        [
            ("sips:192.0.2.1", "tls:192.0.2.1:5061"),
            ("sips:192.0.2.1;transport=tcp", "tls:192.0.2.1:5061"),
            ("sip:192.0.2.1;transport=tls", "tls:192.0.2.1:5061"),
            ("sips:example.com", "tls:192.0.2.1:5061"),
            ("sips:example.com:5080", "tls:192.0.2.9:5080"),
        ],
    )
    def test_with_tls(self, uri: str, hop: str) -> None:
        """With TLS it is used."""
        self.transports = ("udp", "tcp", "tls")
        self.example()
        assert self.locate(uri) == hop

    def test_sips_never_over_udp(self) -> None:
        """sips and UDP exclude each other."""
        self.transports = ("udp", "tcp", "tls")
        assert self.refusal("sips:192.0.2.1;transport=udp").status == 416

    def test_domain_with_tls_only(self) -> None:
        """A domain that offers nothing but TLS is not called in the clear."""
        self.zone.rows = [
            ("t.test", naptr(1, 1, "SIPS+D2T", "_sips._tcp.t.test")),
            ("t.test", a("192.0.2.1")),
        ]
        assert "tls only" in str(self.refusal("sip:t.test"))

    def test_domain_whose_rules_are_not_ours_but_has_srv(self) -> None:
        """SRV records of a transport that we have still count."""
        self.zone.rows = [
            ("t.test", naptr(1, 1, "SIPS+D2T", "_sips._tcp.t.test")),
            ("_sip._udp.t.test", srv(1, 1, 5070, "h.test")),
            ("h.test", a("192.0.2.1")),
        ]
        assert self.locate("sip:t.test") == "udp:192.0.2.1:5070"


class TransportTests(_Fixture):
    """Which transport: section 4.1."""

    def test_example(self) -> None:
        """A client with TCP and UDP takes TCP by NAPTR, then both servers by SRV."""
        self.example()
        assert self.locate("sip:user@example.com") == "tcp:192.0.2.1:5060 tcp:192.0.2.2:5060"
        assert self.zone.questions() == [
            "NAPTR example.com",
            "SRV _sip._tcp.example.com",
            "A server1.example.com",
            "A server2.example.com",
        ]

    def test_known_example(self) -> None:
        """The second request is answered at once, without a question."""
        self.example()
        self.locate("sip:user@example.com")
        self.zone.questions()
        found = self.locator.locate(parse_uri(b"sip:user@example.com"))
        assert not isinstance(found, Deferred)
        assert len(found) == 2 and self.zone.questions() == []

    def test_port_skips_naptr_and_srv(self) -> None:
        """With a port only addresses are asked for, and the transport is UDP."""
        self.example()
        assert self.locate("sip:example.com:5080") == "udp:192.0.2.9:5080"
        assert self.zone.questions() == ["A example.com"]

    def test_transport_parameter_skips_naptr(self) -> None:
        """With a transport parameter its SRV records count."""
        self.example()
        assert self.locate("sip:example.com;transport=udp") == "udp:192.0.2.1:5070"
        assert self.zone.questions()[0] == "SRV _sip._udp.example.com"

    def test_no_naptr(self) -> None:
        """Without NAPTR the SRV records of our transports are asked for, UDP first."""
        self.example()
        self.zone.rows = self.zone.rows[3:]
        assert (
            self.locate("sip:example.com")
            == "udp:192.0.2.1:5070 tcp:192.0.2.1:5060 tcp:192.0.2.2:5060"
        )

    def test_only_tcp_records(self) -> None:
        """A domain that is there for TCP alone is reached by TCP."""
        self.zone.rows = [
            ("_sip._tcp.t.test", srv(1, 1, 5060, "h.test")),
            ("h.test", a("192.0.2.1")),
        ]
        assert self.locate("sip:t.test") == "tcp:192.0.2.1:5060"

    def test_nothing_but_an_address(self) -> None:
        """Without NAPTR and SRV: the name's addresses, UDP, port 5060, which may be changed."""
        self.zone.rows = [("t.test", a("192.0.2.1"))]
        assert self.locate("sip:t.test") == "udp:192.0.2.1:5060"
        assert not self.start("sip:t.test")[0][0].chosen

    def test_rule_without_srv_records(self) -> None:
        """When NAPTR leads to no SRV record, the name's addresses and the rule's transport
        count.
        """
        self.zone.rows = [
            ("t.test", naptr(1, 1, "SIP+D2T", "_sip._tcp.t.test")),
            ("t.test", a("192.0.2.1")),
        ]
        assert self.locate("sip:t.test") == "tcp:192.0.2.1:5060"

    def test_zone_without_naptr(self) -> None:
        """NAPTR is not asked for where it is switched off."""
        self.zone.rows = [("sip.plain.test", a("192.0.2.1"))]
        self.locate("sip:sip.plain.test")
        assert self.zone.questions()[0] == "SRV _sip._udp.sip.plain.test"

    def test_hops_of_srv_are_chosen(self) -> None:
        """The port of an SRV record belongs to its transport."""
        self.example()
        assert all(hop.chosen for hop in self.start("sip:example.com")[0])

    def test_dot_at_the_end(self) -> None:
        """A name may end in a dot."""
        self.zone.rows = [("t.test", a("192.0.2.1"))]
        assert self.locate("sip:t.test.") == "udp:192.0.2.1:5060"


class AddressTests(_Fixture):
    """Port and address: section 4.2."""

    def test_service_not_available(self) -> None:
        """A target of "." ends it: there is no falling back to addresses (RFC 2782)."""
        self.zone.rows = [("_sip._udp.t.test", srv(0, 0, 0, "")), ("t.test", a("192.0.2.1"))]
        assert self.start("sip:t.test") == [[]]

    def test_weights(self) -> None:
        """Chance decides within a priority."""
        self.zone.rows = [
            ("_sip._udp.t.test", srv(1, 10, 5060, "one.test")),
            ("_sip._udp.t.test", srv(1, 90, 5060, "two.test")),
            ("one.test", a("192.0.2.1")),
            ("two.test", a("192.0.2.2")),
        ]
        self.draw = 0.05
        assert self.locate("sip:t.test").startswith("udp:192.0.2.1")
        self.draw = 0.5
        assert self.locate("sip:t.test").startswith("udp:192.0.2.2")

    def test_both_families(self) -> None:
        """With IPv6 both kinds are asked for, IPv6 first, target by target (RFC 7984)."""
        self.ipv6 = True
        self.example()
        assert (
            self.locate("sip:example.com")
            == "tcp:2001:db8::1:5060 tcp:192.0.2.1:5060 tcp:192.0.2.2:5060"
        )

    def test_alias(self) -> None:
        """A target may be an alias."""
        self.zone.rows = [
            ("_sip._udp.t.test", srv(1, 1, 5060, "alias.test")),
            ("alias.test", cname("h.test")),
            ("h.test", a("192.0.2.1")),
        ]
        assert self.locate("sip:t.test") == "udp:192.0.2.1:5060"

    def test_target_without_address(self) -> None:
        """A target that leads nowhere is left out."""
        self.zone.rows = [
            ("_sip._udp.t.test", srv(1, 1, 5060, "none.test")),
            ("_sip._udp.t.test", srv(2, 1, 5060, "h.test")),
            ("h.test", a("192.0.2.1")),
        ]
        assert self.locate("sip:t.test") == "udp:192.0.2.1:5060"

    def test_target_that_is_an_address(self) -> None:
        """The mistake of naming an address as target is forgiven."""
        self.zone.rows = [("_sip._udp.t.test", srv(1, 1, 5062, "192.0.2.1"))]
        assert self.locate("sip:t.test") == "udp:192.0.2.1:5062"

    def test_bounded(self) -> None:
        """A domain with endless records costs a bounded number of questions and hops."""
        self.zone.rows = [
            ("_sip._udp.t.test", srv(number, 1, 5060, f"h{number}.test")) for number in range(50)
        ]
        for number in range(50):
            self.zone.rows += [(f"h{number}.test", a(f"10.0.{number}.{i}")) for i in range(5)]
        (hops,) = self.start("sip:t.test")
        assert len(hops) == MAX_HOPS
        assert sum(asked.startswith("A ") for asked in self.zone.questions()) == MAX_TARGETS

    def test_same_place_twice(self) -> None:
        """An address that several records lead to is tried once."""
        self.zone.rows = [
            ("_sip._udp.t.test", srv(1, 1, 5060, "one.test")),
            ("_sip._udp.t.test", srv(2, 1, 5060, "two.test")),
            ("one.test", a("192.0.2.1")),
            ("two.test", a("192.0.2.1")),
        ]
        assert self.locate("sip:t.test") == "udp:192.0.2.1:5060"


class SystemTests(_Fixture):
    """The hosts file, and the system's name service as the last resort."""

    def test_hosts_file(self) -> None:
        """A name of the hosts file has its addresses from there, whatever the DNS says."""
        self.hosts.names["gw.test"] = ("192.0.2.5",)
        self.zone.rows = [("gw.test", a("192.0.2.1"))]
        assert self.locate("sip:gw.test:5060") == "udp:192.0.2.5:5060"
        assert self.zone.questions() == []

    def test_hosts_file_names_targets(self) -> None:
        """That holds for targets of SRV records too."""
        self.hosts.names["server1.example.com"] = ("10.9.9.9",)
        self.example()
        assert self.locate("sip:example.com").startswith("tcp:10.9.9.9:5060 ")

    def test_short_name(self) -> None:
        """For a name without a dot the DNS has no services."""
        self.hosts.names["pbx"] = ("192.0.2.5", "2001:db8::5")
        assert self.locate("sip:pbx") == "udp:192.0.2.5:5060"
        assert self.zone.questions() == []

    def test_unknown_to_the_dns(self) -> None:
        """What the DNS does not know the system may (NIS)."""
        self.system.names["nis.test"] = ["192.0.2.6"]
        assert self.locate("sip:nis.test") == "udp:192.0.2.6:5060"
        self.locate("sip:nis.test")
        assert self.system.asked == ["nis.test"]

    def test_unknown_everywhere(self) -> None:
        """A name that nobody knows has no hops; asking again costs nothing."""
        assert self.start("sip:none.test") == [[]]
        self.zone.questions()
        assert self.start("sip:none.test") == [[]]
        assert self.zone.questions() == [] and self.system.asked == ["none.test"]

    def test_without_dns(self) -> None:
        """Without name servers of its own it asks the system alone."""
        locator = Locator(self.clock, self.system.resolve)
        self.system.names["h.test"] = ["192.0.2.1", "2001:db8::1"]
        found: list[Any] = []
        located = locator.locate(parse_uri(b"sip:h.test;transport=tcp"))
        found += [] if isinstance(located, Deferred) else located
        assert found == [Hop("tcp", "192.0.2.1", 5060), Hop("tcp", "2001:db8::1", 5060)]


class TroubleTests(_Fixture):
    """Name services that are slow, broken or gone."""

    def pass_time(self, seconds: float) -> None:
        """Let time pass in small steps."""
        self.clock.pump([0.1] * round(seconds * 10))

    def test_silent_about_naptr(self) -> None:
        """A zone whose servers swallow NAPTR questions is still found by SRV."""
        self.zone.rows = [
            ("_sip._udp.t.test", srv(1, 1, 5060, "h.test")),
            ("h.test", a("192.0.2.1")),
        ]
        self.zone.silent_about.add("t.test")
        outcome = self.start("sip:t.test")
        self.pass_time(2.1)
        assert [repr(hop) for hop in outcome[0]] == ["Hop(udp 192.0.2.1:5060)"]

    def test_failing_services(self) -> None:
        """When NAPTR and SRV fail, the addresses count."""
        self.zone.saying[ONE] = lambda: (
            message(("t.test", a("192.0.2.1")))
            if self.zone.asked[-1][2] == "A"
            else message(code=names.ESERVER)
        )
        assert self.locate("sip:t.test") == "udp:192.0.2.1:5060"

    def test_everything_silent(self) -> None:
        """With every name service dead the request fails at the deadline, and no later."""
        self.zone.silent.add(ONE)
        self.system.names["t.test"] = None
        outcome = self.start("sip:t.test")
        self.pass_time(4.9)
        assert outcome == []
        self.pass_time(0.2)
        assert outcome[0].check(NoAddress)
        assert outcome[0].value.status == 503

    def test_others_do_not_wait(self) -> None:
        """While one name waits, other names and numeric hosts are located at once."""
        self.zone.rows = [("good.test", a("192.0.2.1"))]
        self.zone.silent_about.add("slow.test")
        slow = self.start("sip:slow.test")
        assert self.locate("sip:good.test:5060") == "udp:192.0.2.1:5060"
        assert self.locate("sip:192.0.2.2") == "udp:192.0.2.2:5060"
        assert slow == []

    def test_hosts_file_while_all_is_dead(self) -> None:
        """A name of the hosts file is found with every name server dead."""
        self.zone.silent.add(ONE)
        self.hosts.names["gw.test"] = ("192.0.2.5",)
        assert self.locate("sip:gw.test:5060") == "udp:192.0.2.5:5060"
        outcome = self.start("sip:gw.test")
        self.pass_time(3)
        assert [hop.host for hop in outcome[0]] == ["192.0.2.5"]

    def test_late_answer_is_remembered(self) -> None:
        """What comes after the deadline serves the next request."""
        self.zone.silent.add(ONE)
        self.system.names["t.test"] = None
        self.start("sip:t.test:5060")
        self.pass_time(6)
        self.system.waiting["t.test"].callback(["192.0.2.4"])
        self.pass_time(5)
        self.zone.silent.clear()
        assert self.locate("sip:t.test:5060") == "udp:192.0.2.4:5060"

    def test_cancelled(self) -> None:
        """A request that is over leaves nothing behind."""
        self.zone.silent.add(ONE)
        found = self.locator.locate(parse_uri(b"sip:t.test"))
        assert isinstance(found, Deferred)
        found.addErrback(lambda _: None)
        found.cancel()
        self.pass_time(5)
        assert not self.clock.getDelayedCalls()


class FailoverTests(_Fixture):
    """Section 4.3: hops that failed."""

    def test_skipped_then_back(self) -> None:
        """A server that timed out comes last, and first again once it works."""
        self.example()
        first, second = self.start("sip:example.com")[0]
        self.locator.failed(first, TIMED_OUT)
        assert self.start("sip:example.com")[0] == [second, first]
        self.locator.worked(first)
        assert self.start("sip:example.com")[0] == [first, second]

    def test_503(self) -> None:
        """A server that asks for a pause of a minute is last for a minute."""
        self.example()
        first, second = self.start("sip:example.com")[0]
        self.locator.failed(first, "unavailable", 60.0)
        assert self.start("sip:example.com")[0] == [second, first]
