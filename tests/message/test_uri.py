"""URIs: their parts, their printed form, and when two are the same."""

import pytest

from sipproxy.message.errors import ParseError
from sipproxy.message.uri import OtherUri, SipUri, TelUri, parse_uri, unescape


def sip(text: str) -> SipUri:
    """Parse what must be a SIP URI."""
    uri = parse_uri(text.encode("utf-8", "surrogateescape"))
    assert isinstance(uri, SipUri)
    return uri


def parts(uri: SipUri) -> tuple[str, str | None, str | None, str, int | None, str, str]:
    """Everything a SIP URI is made of."""
    return uri.scheme, uri.user, uri.password, uri.host, uri.port, uri.params, uri.headers


class SipTests:
    """sip: and sips: taken apart."""

    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("sip:example.com", ("sip", None, None, "example.com", None, "", "")),
            ("SIPS:A@EXAMPLE.com", ("sips", "A", None, "example.com", None, "", "")),
            ("sip:a:b@h:5070", ("sip", "a", "b", "h", 5070, "", "")),
            ("sip:a:@h", ("sip", "a", "", "h", None, "", "")),
            ("sip:a@h;lr;x=1?s=t&u=v", ("sip", "a", None, "h", None, "lr;x=1", "s=t&u=v")),
            ("sip:h;p=q", ("sip", None, None, "h", None, "p=q", "")),
            ("sip:a;day=mon@h", ("sip", "a;day=mon", None, "h", None, "", "")),
            (
                "sip:+1-2(3)4;x=y@h;user=phone",
                ("sip", "+1-2(3)4;x=y", None, "h", None, "user=phone", ""),
            ),
            ("sip:*69#@h", ("sip", "*69#", None, "h", None, "", "")),
            ("sip:a?b/c@h", ("sip", "a?b/c", None, "h", None, "", "")),
            ("sip:a%40b@h", ("sip", "a%40b", None, "h", None, "", "")),
            ("sip:grün@h", ("sip", "grün", None, "h", None, "", "")),
            ("sip:\udcff@h", ("sip", "\udcff", None, "h", None, "", "")),
            ("sip:[2001:DB8::1]", ("sip", None, None, "2001:db8::1", None, "", "")),
            ("sip:a@[::1]:5070;lr", ("sip", "a", None, "::1", 5070, "lr", "")),
            (
                "sip:_sip._udp.example.com.",
                ("sip", None, None, "_sip._udp.example.com.", None, "", ""),
            ),
            ("sip:h?to=sip:b%40c", ("sip", None, None, "h", None, "", "to=sip:b%40c")),
        ],
    )
    def test_parts(self, text: str, wanted: tuple[object, ...]) -> None:
        """Parts come as they were written; scheme and host in lower case."""
        assert parts(sip(text)) == wanted

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "sip:",
            "sip",
            "example.com",
            "sip:@h",
            "sip:a@",
            "sip:a@@h",
            "sip:a@h@i",
            "sip:a b@h",
            "sip:a@h h",
            "sip: a@h",
            "sip:a@h;x y",
            "sip:a@h;x=b@i",
            "<sip:a@h>",
            "sip:a@h>",
            'sip:"a"@h',
            "sip:a@h:",
            "sip:a@h:0",
            "sip:a@h:65536",
            "sip:a@h:123456",
            "sip:a@h:5o60",
            "sip:a@h\x00",
            "sip:a@h\r\n",
            "sip:a@h;x=\x7f",
            "sip:a@h?b=\x01",
            "sip:a%4@h",
            "sip:a%zz@h",
            "sip:a@h;x=%",
            "sip:a@2001:db8::1",
            "sip:a@[2001:db8::1",
            "sip:a@[192.0.2.1]",
            "sip:a@[2001:db8::1]x",
            "sip:a@h%41",
            "sip:a@grün.example.com",
            "s\u0131p:a@h",
            "1sip:a@h",
            ":a@h",
        ],
    )
    def test_refused(self, text: str) -> None:
        """What has no sure meaning is refused with 400."""
        with pytest.raises(ParseError) as caught:
            parse_uri(text.encode("utf-8", "surrogateescape"))
        assert caught.value.status == 400

    @pytest.mark.parametrize(
        "text",
        [
            "sip:example.com",
            "sips:anna:secret@example.com:5061;transport=tls;lr?subject=x&priority=urgent",
            "sip:a%20b;c@[2001:db8::1]:5060;maddr=[::1]",
            "sip:grün\udcff@h",
            "sip:a:@h",
        ],
    )
    def test_printed(self, text: str) -> None:
        """It prints as it was written."""
        assert sip(text).to_bytes() == text.encode("utf-8", "surrogateescape")

    def test_printed_in_lower_case(self) -> None:
        """Scheme and host are the exception, where case means nothing."""
        assert sip("SIP:Anna@Example.COM;LR").to_bytes() == b"sip:Anna@example.com;LR"
        assert repr(sip("sip:a@h")) == "<SipUri sip:a@h>"

    def test_host_port(self) -> None:
        """IPv6 addresses get their brackets back."""
        assert sip("sip:[::1]:5070").host_port == "[::1]:5070"
        assert sip("sip:[::1]").host_port == "[::1]"
        assert sip("sip:h:5060").host_port == "h:5060"
        assert sip("sip:h").host_port == "h"

    def test_param(self) -> None:
        """Names in any case, values unescaped, flags empty, the first of two counts."""
        uri = sip("sip:h;Transport=%54CP;%6cr;x=1;X=2;y=")
        assert uri.param("transport") == "TCP" and uri.transport == "tcp"
        assert uri.param("lr") == "" and uri.param("y") == ""
        assert uri.param("x") == "1"
        assert uri.param("tran") is None and uri.param("method") is None
        assert sip("sip:h").param("lr") is None
        assert sip("sip:h;transport").transport is None
        assert sip("sip:h;lr").transport is None

    def test_unescaped_user(self) -> None:
        """Escapes are resolved once, as UTF-8."""
        assert sip("sip:gr%C3%BCn%2541@h").unescaped_user == "grün%41"
        assert sip("sip:h").unescaped_user is None
        assert sip("sip:a%FF@h").unescaped_user == "a\udcff"

    def test_unescape_leaves_what_is_no_escape(self) -> None:
        """Text from elsewhere may hold a per cent sign."""
        assert unescape("100%, %4, %zz, %+1, %41") == "100%, %4, %zz, %+1, A"


#: The example tables of RFC 3261 section 19.1.4.
EQUIVALENT = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
    ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
]
DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
]


class ComparisonTests:
    """RFC 3261 section 19.1.4."""

    @pytest.mark.parametrize(("one", "two"), EQUIVALENT)
    def test_equivalent(self, one: str, two: str) -> None:
        """The RFC's examples of URIs that are the same."""
        assert sip(one).equals(sip(two)) and sip(two).equals(sip(one))

    @pytest.mark.parametrize(("one", "two"), DIFFERENT)
    def test_different(self, one: str, two: str) -> None:
        """The RFC's examples of URIs that are not."""
        assert not sip(one).equals(sip(two)) and not sip(two).equals(sip(one))

    @pytest.mark.parametrize(
        ("one", "two"),
        [
            ("sip:a@h;p=%41", "sip:a@h;P=a"),
            ("sip:gr%c3%bcn@h", "sip:grün@h"),
            ("sip:a%3bb@h", "sip:a%3Bb@h"),
            ("sip:a:p%41w@h", "sip:a:pAw@h"),
            ("sip:a@[2001:DB8::1]", "sip:a@[2001:db8::1]"),
            ("sip:a@h;lr", "sip:a@h"),
            ("sip:a@h?X=%41", "sip:a@h?x=A"),
        ],
    )
    def test_also_equivalent(self, one: str, two: str) -> None:
        """Escapes, case where it means nothing, and parameters that nobody must understand."""
        assert sip(one).equals(sip(two)) and sip(two).equals(sip(one))

    @pytest.mark.parametrize(
        ("one", "two"),
        [
            ("sip:a@h", "sips:a@h"),
            ("sip:a@h", "sip:h"),
            ("sip:a@h", "sip:a:@h"),
            ("sip:a:x@h", "sip:a:X@h"),
            ("sip:a%3Bb@h", "sip:a;b@h"),
            ("sip:a@h;user=phone", "sip:a@h"),
            ("sip:a@h;ttl=1", "sip:a@h"),
            ("sip:a@h;method=INVITE", "sip:a@h"),
            ("sip:a@h;maddr=i", "sip:a@h"),
            ("sip:a@h?x=1", "sip:a@h?x=2"),
            ("sip:a@h?x=1&x=1", "sip:a@h?x=1"),
        ],
    )
    def test_also_different(self, one: str, two: str) -> None:
        """What must be in both, and escapes of reserved characters, which are not the character."""
        assert not sip(one).equals(sip(two)) and not sip(two).equals(sip(one))

    def test_kinds_differ(self) -> None:
        """URIs of two schemes are never the same."""
        uris = [parse_uri(raw) for raw in (b"sip:112@h", b"tel:112", b"http://112")]
        for one in uris:
            for two in uris:
                assert one.equals(two) == (one is two)

    def test_made_by_hand(self) -> None:
        """A URI that was put together, not parsed, may hold a lone per cent sign."""
        assert SipUri("sip", "5%", None, "h", None).equals(SipUri("sip", "5%", None, "h", None))
        assert not SipUri("sip", "5%", None, "h", None).equals(SipUri("sip", "%4", None, "h", None))


class TelTests:
    """Telephone numbers (RFC 3966)."""

    def test_parts(self) -> None:
        """Visual separators are no part of the number."""
        uri = parse_uri(b"TEL:+1-(202).555-0107;ext=12;phone-context=example.com")
        assert isinstance(uri, TelUri)
        assert (uri.scheme, uri.number) == ("tel", "+12025550107")
        assert uri.params == "ext=12;phone-context=example.com"
        assert uri.to_bytes() == b"TEL:+1-(202).555-0107;ext=12;phone-context=example.com"

    @pytest.mark.parametrize(
        "raw", [b"tel:", b"tel:+", b"tel:-.", b"tel:abcx", b"tel:1;a=%4", b"tel:1@h"]
    )
    def test_refused(self, raw: bytes) -> None:
        """A number needs digits."""
        with pytest.raises(ParseError):
            parse_uri(raw)

    def test_comparison(self) -> None:
        """Separators, case and order do not count; parameters do (section 4)."""
        one = parse_uri(b"tel:+1-202-555;ext=1;isub=a")
        assert one.equals(parse_uri(b"tel:+1202555;ISUB=A;ext=1"))
        assert not one.equals(parse_uri(b"tel:+1202555;ext=1"))
        assert not one.equals(parse_uri(b"tel:1202555;ext=1;isub=a"))


class OtherTests:
    """Every other scheme."""

    @pytest.mark.parametrize(
        ("raw", "scheme", "opaque"),
        [
            (b"HTTP://Example.com/a?b", "http", "//Example.com/a?b"),
            (b"urn:service:sos", "urn", "service:sos"),
            (b"nobodyknows:@@;;??", "nobodyknows", "@@;;??"),
            (b"a+b-c.d1:x", "a+b-c.d1", "x"),
            (b"im:\xff", "im", "\udcff"),
        ],
    )
    def test_kept(self, raw: bytes, scheme: str, opaque: str) -> None:
        """It is passed on as it is; whether it is served is for others to say."""
        uri = parse_uri(raw)
        assert isinstance(uri, OtherUri)
        assert (uri.scheme, uri.opaque, uri.to_bytes()) == (scheme, opaque, raw)
        assert uri.equals(parse_uri(raw)) and not uri.equals(parse_uri(raw + b"x"))
        assert not uri.equals(parse_uri(b"x" + raw))


class MemoryTests:
    """URIs parsed lately are remembered, within bounds."""

    def test_shared(self) -> None:
        """The same octets give the same object, other octets another."""
        assert parse_uri(b"sip:shared@h") is parse_uri(b"sip:shared@h")
        assert parse_uri(b"sip:shared@h") is not parse_uri(b"sip:shared@H")
        one, two = parse_uri(b"sip:one@h"), parse_uri(b"sip:two@h")
        assert parse_uri(b"sip:one@h") is one and parse_uri(b"sip:two@h") is two

    def test_long_ones_are_not_kept(self) -> None:
        """Nobody fills the memory with URIs of many kilobytes."""
        raw = b"sip:%b@h" % (b"a" * 5000)
        assert parse_uri(raw) is not parse_uri(raw)

    def test_bounded(self) -> None:
        """However many there are, parsing goes on and old ones are let go."""
        first = parse_uri(b"sip:first@h")
        for number in range(5000):
            parse_uri(b"sip:%d@h" % number)
        again = parse_uri(b"sip:first@h")
        assert again is not first and again.equals(first)
