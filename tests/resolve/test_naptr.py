"""NAPTR: which SIP services a domain offers that we can use."""

from sipproxy.resolve.naptr import Naptr, Service, ZoneSwitch, offered, sip_services

#: The example of RFC 3263 section 4.1.
EXAMPLE = [
    Naptr(50, 50, "s", "SIPS+D2T", "", "_sips._tcp.example.com"),
    Naptr(90, 50, "s", "SIP+D2T", "", "_sip._tcp.example.com"),
    Naptr(100, 50, "s", "SIP+D2U", "", "_sip._udp.example.com"),
]
ALL = ("udp", "tcp", "tls")


def rule(order: int, preference: int, service: str, **other: str) -> Naptr:
    """A rule whose replacement is named by its numbers."""
    replacement = other.get("replacement", f"_{order}.{preference}")
    flags = other.get("flags", "S")
    return Naptr(order, preference, flags, service, other.get("regexp", ""), replacement)


class ChoiceTests:
    """RFC 3263 section 4.1."""

    def test_example(self) -> None:
        """A client with TCP and UDP takes TCP, as the RFC says of its example."""
        assert sip_services(EXAMPLE, ("tcp", "udp"), False) == [
            Service("tcp", "_sip._tcp.example.com")
        ]

    def test_example_with_tls(self) -> None:
        """A sip URI may be served by TLS where we have it."""
        assert sip_services(EXAMPLE, ALL, False) == [Service("tls", "_sips._tcp.example.com")]

    def test_sips_takes_nothing_else(self) -> None:
        """For a sips URI everything without SIPS is discarded."""
        assert sip_services(EXAMPLE[1:], ALL, True) == []
        assert sip_services(EXAMPLE, ALL, True) == [Service("tls", "_sips._tcp.example.com")]

    def test_only_the_lowest_order_counts(self) -> None:
        """Once an order matches, higher ones are not looked at; preference ranks within it."""
        rules = [rule(20, 1, "SIP+D2U"), rule(10, 9, "SIP+D2U"), rule(10, 3, "SIP+D2T")]
        assert [s.name for s in sip_services(rules, ALL, False)] == ["_10.3", "_10.9"]

    def test_lowest_order_that_we_can_use(self) -> None:
        """Services of other applications and transports go before the order counts."""
        rules = [rule(1, 1, "E2U+sip"), rule(2, 1, "SIP+D2S"), rule(3, 1, "SIP+D2U")]
        assert [s.transport for s in sip_services(rules, ALL, False)] == ["udp"]

    def test_flag_a_skips_srv(self) -> None:
        """The flag "a" leads to addresses at once."""
        (service,) = sip_services([rule(1, 1, "sip+d2u", flags="a")], ALL, False)
        assert not service.srv

    def test_unusable_rules(self) -> None:
        """Rules with an expression, without a replacement or without a final flag are no SIP
        services.
        """
        rules = [
            rule(1, 1, "SIP+D2U", regexp="!.*!sip:x@y!"),
            rule(1, 2, "SIP+D2U", replacement=""),
            rule(1, 3, "SIP+D2U", flags=""),
            rule(1, 4, "SIP+D2U", flags="u"),
        ]
        assert sip_services(rules, ALL, False) == []
        assert offered(rules) == []

    def test_offered(self) -> None:
        """What is offered is named whether we have it or not."""
        assert offered([rule(1, 1, "SIPS+D2T"), rule(1, 2, "SIP+D2S")]) == ["sctp", "tls"]


class ZoneSwitchTests:
    """On or off by zone."""

    def test_longest_zone_decides(self) -> None:
        """A zone speaks for what is below it, unless a longer one does."""
        switch = ZoneSwitch(True, {"example.com": False, "lab.example.com": True})
        assert switch("example.org")
        assert not switch("example.com") and not switch("sip.example.com")
        assert switch("lab.example.com") and switch("x.lab.example.com")
        assert switch("notexample.com")

    def test_rules(self) -> None:
        """Rules as the configuration has them; of two for one zone the last counts."""
        switch = ZoneSwitch.of([(False, None), (False, "a.test"), (True, "a.test")])
        assert switch("a.test") and not switch("b.test")

    def test_default(self) -> None:
        """Without zones the default holds."""
        assert ZoneSwitch()("example.com")
        assert not ZoneSwitch(False)("example.com")
