"""Via, CSeq, addresses and Contacts, in forms that are common and in forms that are only legal."""

import pytest

from sipproxy.message.errors import ParseError
from sipproxy.message.fields import (
    Via,
    branch_of,
    cseq_of,
    parse_contact,
    parse_cseq,
    parse_expires,
    parse_name_addr,
    parse_via,
    tag_of,
    via_of,
)
from sipproxy.message.uri import SipUri

#: All that a Via has.
PARTS = "transport host port sent_by branch has_rport received rport maddr ttl".split()


def parts(via: Via) -> dict[str, object]:
    """What of a Via is there."""
    found = {name: getattr(via, name) for name in PARTS}
    return {name: value for name, value in found.items() if value not in (None, False)}


class ViaTests:
    """One hop."""

    @pytest.mark.parametrize(
        ("raw", "wanted"),
        [
            (
                b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa",
                {
                    "transport": "UDP",
                    "host": "192.0.2.1",
                    "sent_by": b"192.0.2.1",
                    "branch": b"z9hG4bKa",
                },
            ),
            (
                b"SIP/2.0/TCP Proxy.Example.COM:5070;rport;branch=a",
                {
                    "transport": "TCP",
                    "host": "proxy.example.com",
                    "port": 5070,
                    "sent_by": b"proxy.example.com:5070",
                    "branch": b"a",
                    "has_rport": True,
                },
            ),
            (
                b"SIP/2.0/WSS x.invalid;branch=a;received=192.0.2.9",
                {
                    "transport": "WSS",
                    "host": "x.invalid",
                    "sent_by": b"x.invalid",
                    "branch": b"a",
                    "received": "192.0.2.9",
                },
            ),
            (
                b"SIP/2.0/TLS [2001:DB8::1]:5061;branch=a;rport",
                {
                    "transport": "TLS",
                    "host": "2001:db8::1",
                    "port": 5061,
                    "sent_by": b"[2001:db8::1]:5061",
                    "branch": b"a",
                    "has_rport": True,
                },
            ),
            (b"SIP/2.0/UDP a", {"transport": "UDP", "host": "a", "sent_by": b"a"}),
            (
                b"sip / 2.0 / tLs-x  A : 05060 ; BRANCH = b ; RPort = 7"
                b" ; Received=[::9] ;ttl=9;maddr=M",
                {
                    "transport": "TLS-X",
                    "host": "a",
                    "port": 5060,
                    "sent_by": b"a:05060",
                    "branch": b"b",
                    "has_rport": True,
                    "rport": 7,
                    "received": "::9",
                    "ttl": 9,
                    "maddr": "m",
                },
            ),
            (
                b'SIP/2.0/UDP a;note=";branch=x;rport=1;received=b"'
                b";branch=y;branch=z;rport=2;rport=3",
                {
                    "transport": "UDP",
                    "host": "a",
                    "sent_by": b"a",
                    "branch": b"y",
                    "has_rport": True,
                    "rport": 2,
                },
            ),
            (
                b"SIP/2.0/UDP a;;rport=" + b"9" * 5000 + b";ttl=256;received=;maddr",
                {"transport": "UDP", "host": "a", "sent_by": b"a", "has_rport": True},
            ),
            (
                b"SIP/2.0/UDP a;rport=65536;ttl=x",
                {"transport": "UDP", "host": "a", "sent_by": b"a", "has_rport": True},
            ),
        ],
    )
    def test_parts(self, raw: bytes, wanted: dict[str, object]) -> None:
        """Case and blanks mean nothing, quotes hide parameters, the first of two counts."""
        assert parts(parse_via(raw)) == wanted

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"SIP/2.0/UDP",
            b"SIP/2.0/UDP ",
            b"SIP/2.0 a",
            b"SIP/3.0/UDP a",
            b"SIP/2.0/UDP a b",
            b"SIP/2.0/UDP a:0",
            b"SIP/2.0/UDP a:65536",
            b"SIP/2.0/UDP a:65536;branch=x",
            b"SIP/2.0/UDP a:;branch=x",
            b"SIP/2.0/UDP a;branch=",
            b"SIP/2.0/UDP a;branch",
            b'SIP/2.0/UDP a;branch="x"',
            b"SIP/2.0/UDP a;branch=x y",
            b"SIP/2.0/UDP a, SIP/2.0/UDP b",
            b"SIP/2.0/UDP 2001:db8::1;branch=x",
            b"SIP/2.0/UDP [192.0.2.1];branch=x",
            b"SIP/2.0/U(P a;branch=x",
            b"SIP/2.0/UDP \xe4;branch=x",
            b";branch=x",
        ],
    )
    def test_refused(self, raw: bytes) -> None:
        """A Via that cannot be understood cannot be answered by either."""
        with pytest.raises(ParseError) as caught:
            parse_via(raw)
        assert caught.value.status == 400

    @pytest.mark.parametrize(
        "raw",
        [
            b"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa",
            b"SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKa;received=192.0.2.2",
            b"SIP/2.0/TCP [::1];branch=z9hG4bKa;rport",
            b"SIP/2.0/TLS 192.0.2.1:49152;rport;branch=z9hG4bKa;alias",
        ],
    )
    def test_both_ways_agree(self, raw: bytes) -> None:
        """The short way reads what the careful one would, from a value or from a line."""
        careful = parts(parse_via(raw.replace(b";", b" ;")))
        for line in (raw, b"Via: " + raw, b"v: " + raw):
            short = via_of(line)
            assert short is not None and parts(short) == careful
            assert branch_of(line) == careful["branch"]

    @pytest.mark.parametrize(
        "line",
        [
            b"Via: SIP/2.0/UDP a",
            b"Via: SIP/2.0/UDP a;x=1;branch=b",
            b'Via: SIP/2.0/UDP a;x=";branch=b"',
            b"Via: SIP/2.0/UDP a;branch=b c",
            b"via: SIP/2.0/UDP a;branch=b",
            b"Via: SIP/2.0/UDP a:99999;branch=b c",
        ],
    )
    def test_unusual_ones_are_left(self, line: bytes) -> None:
        """What is not of the usual form is left to the careful way, not guessed at."""
        assert via_of(line) is None and branch_of(line) is None

    def test_branch_before_others(self) -> None:
        """The branch is found though more follows it, another value or parameters."""
        assert branch_of(b"Via: SIP/2.0/UDP a;branch=b;i=1") == b"b"
        assert branch_of(b"Via: SIP/2.0/UDP a;branch=b, SIP/2.0/UDP c;branch=d") == b"b"
        assert branch_of(b"Via: SIP/2.0/UDP a;rport;branch=b;branch=c") == b"b"

    @pytest.mark.parametrize("port", [1, 65535])
    def test_ports(self, port: int) -> None:
        """The first and the last are ports like all others."""
        for raw in (b"SIP/2.0/UDP a:%d;branch=b", b"SIP/2.0/UDP a:%d ;rport=%d;branch=b"):
            via = parse_via(raw.replace(b"%d", b"%d" % port))
            assert via.port == port and via.rport in (None, port)
        assert parse_via(b"SIP/2.0/UDP a;rport=65535;ttl=255").rport == 65535
        assert parse_via(b"SIP/2.0/UDP a;rport=65535;ttl=255").ttl == 255


class NameAddrTests:
    """From, To, Route."""

    @pytest.mark.parametrize(
        ("raw", "display", "uri", "params"),
        [
            (b"<sip:a@b>", b"", b"sip:a@b", b""),
            (b"<sip:a@b;x>;tag=1", b"", b"sip:a@b;x", b";tag=1"),
            (b"sip:a@b;tag=1", b"", b"sip:a@b", b";tag=1"),
            (b"sip:a@b", b"", b"sip:a@b", b""),
            (b" sip:a@b ; tag=1 ", b"", b"sip:a@b", b"; tag=1"),
            (b"Anna  B. <sip:a@b>", b"Anna  B.", b"sip:a@b", b""),
            (b"Anna<sip:a@b> ;x", b"Anna", b"sip:a@b", b";x"),
            (b'"A, \\"B\\" <c>" <sip:a@b>;x', b'"A, \\"B\\" <c>"', b"sip:a@b", b";x"),
            (b'""<sip:a@b>', b'""', b"sip:a@b", b""),
            (b'"\xff\x00\x7f" <sip:a@b>', b'"\xff\x00\x7f"', b"sip:a@b", b""),
            (b"Berg, Anna <sip:a@b>", b"Berg, Anna", b"sip:a@b", b""),
            (b"<sip:a@b?x=%3Cy%3E>", b"", b"sip:a@b?x=%3Cy%3E", b""),
            (b'<sip:a@b>;x=">"', b"", b"sip:a@b", b';x=">"'),
        ],
    )
    def test_parts(self, raw: bytes, display: bytes, uri: bytes, params: bytes) -> None:
        """Display name, URI, and the parameters that are not the URI's."""
        address = parse_name_addr(raw)
        assert (address.display, address.uri_raw, address.params_raw) == (display, uri, params)

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"<>",
            b"<sip:a@b",
            b"sip:a@b>",
            b"< sip:a@b>",
            b"<sip:a@b >",
            b"<sip:a b@c>",
            b"<<sip:a@b>>",
            b"<sip:a@b> x",
            b"<sip:a@b>, <sip:c@d>",
            b"sip:a@b, sip:c@d",
            b"sip:a,b@c",
            b"sip:a@b?x=y",
            b"sip:a b@c",
            b'"Anna <sip:a@b>',
            b'Anna" <sip:a@b>',
            b'An "na" <sip:a@b>',
            b'"An" na <sip:a@b>',
            b'"Anna\\" <sip:a@b>',
            b'"Anna" sip:a@b',
            b";tag=1",
        ],
    )
    def test_refused(self, raw: bytes) -> None:
        """Where nobody can say what is the URI, nothing is."""
        with pytest.raises(ParseError):
            parse_name_addr(raw)

    def test_params(self) -> None:
        """Parameters are found in any case and without their quotes."""
        address = parse_name_addr(b'<sip:a@b;tag=no>;LR;Tag=yes;tag=late;note="a;tag=b"')
        assert address.param("lr") == "" and address.param("note") == "a;tag=b"
        assert address.tag == b"yes" and address.param("x") is None
        assert parse_name_addr(b"<sip:a@b>").tag is None

    def test_uri_is_parsed_when_asked_for(self) -> None:
        """A URI nobody asks about may be anything; who asks is told."""
        address = parse_name_addr(b"<nonsense>")
        assert address.to_bytes() == b"<nonsense>"
        with pytest.raises(ParseError):
            _ = address.uri
        uri = parse_name_addr(b"<sips:a@b>").uri
        assert isinstance(uri, SipUri) and uri.scheme == "sips"

    def test_printed(self) -> None:
        """It prints with brackets, whether it had them or not."""
        for raw in (b'"A" <sip:a@b>;tag=1', b"A B <sip:a@b>", b"<sip:a@b>;x;y"):
            assert parse_name_addr(raw).to_bytes() == raw
        assert parse_name_addr(b"sip:a@b;tag=1").to_bytes() == b"<sip:a@b>;tag=1"

    @pytest.mark.parametrize(
        ("line", "tag"),
        [
            (b"From: <sip:a@b>;tag=x-1", b"x-1"),
            (b'f: "A > B" <sip:a@b>;tag=x', b"x"),
            (b"From: <sip:a@b>", None),
            (b"From: <sip:a@b>;tag=x;y", None),
            (b"From: <sip:a@b>;tag=x y", None),
            (b'From: <sip:a@b>;y=">;tag=x"', None),
            (b"From: <sip:a@b>;y;tag=x", None),
            (b"From: sip:a@b;tag=x", None),
            (b"From: <sip:a@b>;tag=", None),
        ],
    )
    def test_tag_of(self, line: bytes, tag: bytes | None) -> None:
        """The short way finds the tag of the usual form, and claims no other."""
        assert tag_of(line) == tag


class ContactTests:
    """Preference and interval."""

    @pytest.mark.parametrize(
        ("params", "q"),
        [
            (b"", 1000),
            (b";q=1", 1000),
            (b";q=1.000", 1000),
            (b";q=0", 0),
            (b";q=0.", 0),
            (b";Q=0.5", 500),
            (b";q=0.123", 123),
            (b";q=.7", 700),
        ],
    )
    def test_q(self, params: bytes, q: int) -> None:
        """Thousandths, so that nothing is lost in comparisons; 1 when not given."""
        assert parse_contact(b"<sip:a@b>" + params).q == q

    @pytest.mark.parametrize(
        "q", [b"", b"2", b"1.1", b"0.1234", b"-1", b"1e0", b".", b"x", b"0x1", b"\xb2"]
    )
    def test_bad_q(self, q: bytes) -> None:
        """What is no number from 0 to 1 is refused when it is asked for."""
        contact = parse_contact(b"<sip:a@b>;q=" + q)
        with pytest.raises(ParseError):
            _ = contact.q

    @pytest.mark.parametrize(
        ("params", "seconds"),
        [
            (b"", None),
            (b";expires=60", 60),
            (b';expires="60"', 60),
            (b";expires=soon", None),
            (b";expires", None),
        ],
    )
    def test_expires(self, params: bytes, seconds: int | None) -> None:
        """Nonsense counts as not given (section 10.3)."""
        assert parse_contact(b"<sip:a@b>" + params).expires == seconds

    @pytest.mark.parametrize(
        ("raw", "seconds"),
        [
            (b"0", 0),
            (b" 3600 ", 3600),
            (b"4294967295", 2**32 - 1),
            (b"4294967296", 2**32 - 1),
            (b"9" * 5000, 2**32 - 1),
            (b"0" * 5000 + b"7", 7),
            (b"", None),
            (b"-1", None),
            (b"+1", None),
            (b"1_0", None),
            (b"1.5", None),
            (b"\xd9\xa1", None),
        ],
    )
    def test_parse_expires(self, raw: bytes, seconds: int | None) -> None:
        """Numbers beyond 32 bits are the largest there is, however long they are."""
        assert parse_expires(raw) == seconds


class CSeqTests:
    """Number and method."""

    @pytest.mark.parametrize(
        ("raw", "number", "method"),
        [
            (b"1 INVITE", 1, "INVITE"),
            (b"0 FROB", 0, "FROB"),
            (b"2147483647 BYE", 2**31 - 1, "BYE"),
            (b"0000000000000001  \t ACK", 1, "ACK"),
            (b"0 A-.!%*_+`'~b", 0, "A-.!%*_+`'~b"),
            (b"7 invite", 7, "invite"),
        ],
    )
    def test_parts(self, raw: bytes, number: int, method: str) -> None:
        """Leading zeros are none of the number; a method keeps its case."""
        cseq = parse_cseq(raw)
        assert (cseq.number, cseq.method) == (number, method)

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"1",
            b"1 ",
            b"INVITE",
            b" INVITE",
            b"1INVITE",
            b"-1 INVITE",
            b"1.0 INVITE",
            b"1 INVITE x",
            b"1 IN<ITE",
            b"2147483648 INVITE",
            b"9999999999 INVITE",
            b"36893488147419103232 INVITE",
            b"1 INVIT\xc9",
        ],
    )
    def test_refused(self, raw: bytes) -> None:
        """Numbers of 2^31 and more, and whatever else is not number and token."""
        with pytest.raises(ParseError):
            parse_cseq(raw)

    def test_short_way(self) -> None:
        """The usual line is read as its value would be; any other is left."""
        cseq = cseq_of(b"CSeq: 314159 INVITE")
        assert cseq is not None and (cseq.number, cseq.method) == (314159, "INVITE")
        own = cseq_of(b"CSeq: 1 FROB")
        assert own is not None and own.method == "FROB"
        for line in (
            b"CSeq:1 INVITE",
            b"CSeq: 1  INVITE",
            b"CSeq: 2147483648 INVITE",
            b"CSeq: 1 a",
        ):
            assert cseq_of(line) is None
