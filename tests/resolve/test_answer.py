"""What an answer of a name server is worth."""

import pytest
from twisted.names import dns

from sipproxy.resolve.answer import MAX_RECORDS, Reply, Useless, is_name, read
from tests.resolve.fakes import a, aaaa, cname, message, naptr, no_such_name, soa, srv


def wire(answer: dns.Message) -> dns.Message:
    """Send an answer through the wire format."""
    received = dns.Message()
    received.fromStr(answer.toStr())
    return received


class RecordsTests:
    """Records become our own values."""

    def test_addresses(self) -> None:
        """Addresses are text, other types are left out."""
        answer = wire(message(("h.test", a("192.0.2.1")), ("h.test", aaaa("2001:db8::1"))))
        assert read(answer, "h.test", "A").records == ("192.0.2.1",)
        assert read(answer, "h.test", "AAAA").records == ("2001:db8::1",)

    def test_srv(self) -> None:
        """Targets are in lower case; the root is the empty name."""
        answer = wire(message(("_s.test", srv(1, 2, 3, "H.Test")), ("_s.test", srv(0, 0, 0, ""))))
        one, two = read(answer, "_s.test", "SRV").records
        assert (one.priority, one.weight, one.port, one.target) == (1, 2, 3, "h.test")
        assert two.target == ""

    def test_naptr(self) -> None:
        """Flags and services are in lower case."""
        answer = wire(message(("h.test", naptr(10, 20, "SIP+D2U", "_sip._udp.h.test"))))
        (rule,) = read(answer, "h.test", "NAPTR").records
        assert (rule.order, rule.preference, rule.flags, rule.service, rule.replacement) == (
            10,
            20,
            "s",
            "sip+d2u",
            "_sip._udp.h.test",
        )

    def test_names_that_are_none(self) -> None:
        """A target with a blank or a line end in it is nobody's address."""
        answer = wire(message(("_s.test", srv(1, 2, 3, "a b\r\n.test"))))
        assert read(answer, "_s.test", "SRV").records == ()

    def test_shortest_life_counts(self) -> None:
        """An answer holds as long as its record of the shortest life."""
        answer = message(("h.test", a("192.0.2.1")), ("h.test", a("192.0.2.2")), ttl=60)
        answer.answers[1].ttl = 7
        assert read(wire(answer), "h.test", "A").ttl == 7

    def test_life_with_the_highest_bit(self) -> None:
        """RFC 2181 section 8: such a time to live is 0."""
        answer = message(("h.test", a("192.0.2.1")), ttl=(1 << 31) + 5)
        assert read(wire(answer), "h.test", "A").ttl == 0

    def test_bounded(self) -> None:
        """No answer fills the memory."""
        answer = message(*(("h.test", a(f"192.0.2.{number}")) for number in range(200)))
        assert len(read(answer, "h.test", "A").records) == MAX_RECORDS


class AliasTests:
    """CNAME chains."""

    def test_chain(self) -> None:
        """What stands at the end of the chain counts, for the shortest life on the way."""
        answer = message(
            ("c.test", a("192.0.2.1")), ("a.test", cname("B.test")), ("b.test", cname("c.test"))
        )
        answer.answers[1].ttl = 5
        reply = read(wire(answer), "a.test", "A")
        assert (reply.records, reply.ttl) == (("192.0.2.1",), 5)

    def test_records_of_others(self) -> None:
        """A record of a name that nobody asked for is not taken."""
        answer = message(("h.test", cname("c.test")), ("evil.test", a("192.0.2.66")))
        assert read(wire(answer), "h.test", "A").records == ()

    def test_open_end(self) -> None:
        """A chain into another zone says where to ask on."""
        reply = read(wire(message(("h.test", cname("h.other")))), "h.test", "A")
        assert reply.alias == "h.other"

    def test_closed_end(self) -> None:
        """A chain to a name without such records is a negative answer."""
        answer = message(("h.test", cname("c.test")), authority=(("test", soa(9)),))
        reply = read(wire(answer), "h.test", "A")
        assert (reply.alias, reply.records, reply.ttl) == (None, (), 9)

    def test_circle(self) -> None:
        """A circle ends."""
        answer = message(("a.test", cname("b.test")), ("b.test", cname("a.test")))
        assert read(wire(answer), "a.test", "A").records == ()


class NegativeTests:
    """RFC 2308."""

    @pytest.mark.parametrize(("minimum", "ttl"), [(30, 30), (7200, 3600)])
    def test_no_such_name(self, minimum: int, ttl: int) -> None:
        """It holds for the SOA's minimum, or its own time to live if that is shorter."""
        reply = read(wire(no_such_name(minimum)), "x.test", "A")
        assert (reply.records, reply.ttl) == ((), ttl)

    def test_no_such_record(self) -> None:
        """The name is there, but has no such record."""
        answer = message(authority=(("test", soa(30)),), ttl=3600, authoritative=True)
        assert read(wire(answer), "x.test", "A").ttl == 30

    def test_without_soa(self) -> None:
        """Without SOA it holds only briefly."""
        assert 0 < read(wire(message(code=dns.ENAME)), "x.test", "A").ttl < 10


class UselessTests:
    """Answers that answer nothing."""

    @pytest.mark.parametrize("code", [dns.EREFUSED, dns.ESERVER, dns.ENOTIMP, dns.EFORMAT, 9])
    def test_codes(self, code: int) -> None:
        """A server that refuses or fails leaves the question open."""
        with pytest.raises(Useless):
            read(wire(message(code=code)), "x.test", "A")

    def test_referral(self) -> None:
        """A server that points elsewhere does not know the zone."""
        answer = message(authority=(("x.test", dns.Record_NS("ns.x.test")),), recursion=False)
        with pytest.raises(Useless, match="zone"):
            read(wire(answer), "x.test", "A")

    def test_empty_of_a_server_that_finds_out(self) -> None:
        """A forwarder that leaves the SOA out still gives an answer."""
        assert isinstance(read(wire(message()), "x.test", "A"), Reply)


class NameTests:
    """What may be asked for."""

    @pytest.mark.parametrize("name", ["a", "example.com", "_sip._udp.x-y.test", "1.2.e164.arpa"])
    def test_good(self, name: str) -> None:
        """Labels of letters, digits, hyphens and underscores."""
        assert is_name(name)

    @pytest.mark.parametrize(
        "name", ["", ".", "a..b", ".a", "a.", "a b", "ä.test", "a" * 64, "a." * 127 + "bb", "a\n"]
    )
    def test_bad(self, name: str) -> None:
        """Empty or over-long labels, other characters, names over 253 characters."""
        assert not is_name(name)
