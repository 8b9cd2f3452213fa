"""The torture messages of RFC 4475 and RFC 5118: what is taken must also be understood."""

from pathlib import Path
from typing import Final

import pytest

from sipproxy.message.errors import ParseError
from sipproxy.message.fields import Via
from sipproxy.message.message import Request, Response
from sipproxy.message.parser import check, parse
from sipproxy.message.uri import OtherUri, SipUri, parse_uri
from sipproxy.testing.vectors import load_torture

FOLDER: Final = Path(__file__).parent.parent / "vectors" / "torture"
CASES: Final = {case.name: case for case in load_torture(FOLDER)}


def request(name: str) -> Request:
    """The request of the case ``name``, parsed and checked."""
    message = parse(CASES[name].data)
    check(message)
    assert isinstance(message, Request)
    return message


def response(name: str) -> Response:
    """The response of the case ``name``, parsed and checked."""
    message = parse(CASES[name].data)
    check(message)
    assert isinstance(message, Response)
    return message


def sip_uri(uri: object) -> SipUri:
    """The same, once it is certain to be a SIP URI."""
    assert isinstance(uri, SipUri)
    return uri


class ValidMeaningTests:
    """RFC 4475 section 3.1.1: what is legal must also be understood."""

    def test_folded_everything(self) -> None:
        """Folds and blanks change nothing in the values."""
        message = request("folded-everything")
        assert message.to_tag == b"n0ra-81"
        assert message.from_tag == b"t0m-4711"
        assert message.max_forwards == 42
        assert (message.cseq.number, message.cseq.method) == (17, "INVITE")
        assert message.call_id == b"fold.me.5521@192.0.2.17"
        assert message.content_length == len(message.body)
        assert message.value(b"subject") == b""
        vias = message.vias
        assert [(via.transport, via.host) for via in vias] == [
            ("UDP", "192.0.2.17"),
            ("TCP", "hop2.example.net"),
            ("UDP", "192.0.2.200"),
        ]
        assert [via.branch for via in vias] == [b"oldstyle17", b"z9hG4bK-fold-2", b"z9hG4bK-fold-3"]
        assert sip_uri(message.routes[0].uri).param("lr") == ""
        contact = message.contacts[0]
        assert contact.q == 250
        assert sip_uri(contact.uri).to_bytes() == b"sip:tomas@hop.example.org"
        assert sip_uri(message.from_.uri).user == "tomas"
        assert sip_uri(message.uri).param("colour") == "blue"

    def test_every_legal_character(self) -> None:
        """Rare characters end neither a method, nor a user part, nor a tag, nor a Call-ID."""
        message = request("every-legal-character")
        assert message.method == "*Odd+Method.-%_!~'`42"
        uri = sip_uri(message.uri)
        assert uri.user == "0dd.User~(yes-it's)&so=on+and$on,/;;?*"
        assert uri.password == "&pass=word,w1th+mar!ks*$~_.(in'it)"
        assert uri.host == "example.org"
        assert message.from_tag == b"_t-1'+`*%!.~"
        assert message.top_via.branch == b"z9hG4bK-.!%66*_+`'~"
        assert message.call_id == b"every.word%{}!.*_+'@word`~)(><:\\/\"][?-"
        assert message.cseq.number == 2**31 - 1
        assert message.max_forwards == 255
        assert sip_uri(message.to.uri).user == "0dd.User~(yes-it's)&so=on+and$on,/;;?*"
        assert message.value(b"odd-header.!%*+_`'~") == "δοκιμή € \U0001d11e".encode()

    def test_percent_escapes(self) -> None:
        """An escaped letter is the letter, one level deep, and the escape survives printing."""
        message = request("percent-escapes")
        uri = sip_uri(message.uri)
        assert uri.unescaped_user == "sip:nora@desk.example.com"
        assert uri.host == "example.net"
        assert sip_uri(message.to.uri).equals(sip_uri(parse_uri(b"sip:nora@example.com")))
        assert sip_uri(message.from_.uri).unescaped_user == "white space here"
        contact = sip_uri(message.contacts[0].uri)
        assert (
            contact.to_bytes() == b"sip:tom%61s@host9.example.net;%6C%72;c%6Flour=bl%75e%25%34%32"
        )
        plain = sip_uri(parse_uri(b"sip:tomas@host9.example.net;lr;colour=blue%2542"))
        assert contact.equals(plain)

    def test_escaped_null(self) -> None:
        """A null octet ends no string."""
        message = request("escaped-null")
        assert sip_uri(message.to.uri).unescaped_user == "nil-\x00-nil"
        one, two = [sip_uri(contact.uri) for contact in message.contacts]
        assert (one.unescaped_user, two.unescaped_user) == ("\x00", "\x00\x00")
        assert not one.equals(two)

    def test_percent_not_an_escape(self) -> None:
        """Escapes exist in URIs only: methods and tags are compared as they are."""
        message = request("percent-not-an-escape")
        assert message.method == "OPT%49ONS"
        assert message.from_tag == b"pq%41"
        assert message.top_via.branch == b"z9hG4bKpnot%41"
        assert message.call_id == b"pct.no%5A.1209"
        users = [sip_uri(contact.uri).unescaped_user for contact in message.contacts]
        assert users == ["one", "one#two"]

    def test_no_space_before_angle(self) -> None:
        """The display name ends where the bracket begins."""
        message = request("no-space-before-angle")
        assert message.from_.display == b"phone"
        assert message.from_tag == b"ab1"
        assert sip_uri(message.from_.uri).user == "phone"

    def test_long_values(self) -> None:
        """Nothing is cut."""
        message = request("long-values")
        assert len(message.vias) == 31
        assert sip_uri(message.to.uri).user == "user-" + "long" * 60
        assert message.from_tag == b"1234567890" * 24
        assert message.vias[30].branch == b"z9hG4bKlong" + b"branch" * 45
        assert message.content_length == len(message.body)

    def test_octets_after_message(self) -> None:
        """What lies behind the message is never looked at."""
        message = request("octets-after-message")
        assert message.method == "REGISTER"
        assert message.body == b""
        assert message.count(b"via") == 1

    def test_semicolon_in_user(self) -> None:
        """Parameters of the user are the user's, not the URI's."""
        uri = sip_uri(request("semicolon-in-user").uri)
        assert uri.unescaped_user == "clerk;via=desk@example.net"
        assert (uri.host, uri.port, uri.params) == ("example.com", None, "")

    def test_unknown_transports(self) -> None:
        """Vias of other hops may name any transport."""
        vias = request("unknown-transports").vias
        assert [via.transport for via in vias] == ["UDP", "SCTP", "TLS", "PIGEON", "TCP"]

    def test_multipart_binary(self) -> None:
        """Nulls, blank lines and things that look like messages stay inside the body."""
        message = request("multipart-binary")
        assert bytes(range(256)) in message.body
        assert message.body.endswith(b"--limes-7--\r\n")
        assert len(message.body) == message.content_length

    def test_reason_phrases(self) -> None:
        """The phrase is kept octet for octet, also when there is none."""
        assert response("reason-utf8").reason.decode() == (
            "= 10**2 * 2 (ωραία: όλα καλά), naïve € end"
        )
        empty = response("reason-empty")
        assert (empty.status, empty.reason) == (100, b"")


class TolerantMeaningTests:
    """What is faulty or odd but taken must be taken for the right thing."""

    def test_date_is_left_alone(self) -> None:
        """A header the proxy has no use for keeps its fault."""
        message = request("date-not-gmt")
        assert message.value(b"date") == b"Tue, 07 Jan 2025 09:30:00 CET"

    def test_comma_in_display_name(self) -> None:
        """The comma does not cut To in two, and tag and URI are found behind it."""
        message = request("comma-in-display-name")
        assert message.from_tag == b"6415"
        assert message.to_tag is None
        assert sip_uri(message.from_.uri).user == "t.berg"
        assert sip_uri(message.to.uri).user == "n.ora"

    def test_branch_without_id(self) -> None:
        """The bare cookie is kept as it is: matching must see that there is no identifier."""
        assert request("branch-without-id").top_via.branch == b"z9hG4bK"

    def test_other_schemes(self) -> None:
        """URIs of other schemes are kept whole; the scheme can be asked for."""
        unknown = request("unknown-scheme-request-uri").uri
        assert isinstance(unknown, OtherUri)
        assert unknown.to_bytes() == b"nobodyknows:opaque,content/here"
        assert request("known-odd-scheme-request-uri").uri.scheme == "ipp"
        message = request("odd-schemes-in-headers")
        assert message.to.uri.scheme == "urn"
        assert message.from_.uri.scheme == "http"
        assert message.contacts[0].uri.scheme == "name"

    def test_required_extensions(self) -> None:
        """Option tags come out one by one, folded or not."""
        message = request("unknown-extensions-required")
        assert message.values(b"require") == [b"moon-on-a-stick", b"and-the-stars"]
        assert message.values(b"proxy-require") == [b"proxies-that-sing", b"proxies-that-dance"]

    def test_unknown_auth_scheme(self) -> None:
        """Credentials nobody understands pass as they are."""
        value = request("unknown-auth-scheme").value(b"authorization")
        assert value == b"SecretHandshake fingers=crossed, winks=3"

    def test_broadcast_via(self) -> None:
        """Whoever forwards the response can see whom it would be shouted at."""
        message = response("broadcast-via")
        assert message.vias[1].host == "255.255.255.255"

    def test_max_forwards_zero(self) -> None:
        """Zero is a value, not a missing one."""
        assert request("max-forwards-zero").max_forwards == 0

    def test_whose_parameter(self) -> None:
        """Without brackets it is the Contact's, within brackets the URI's."""
        outside = request("contact-header-parameter").contacts[0]
        assert outside.param("undreamt") == ""
        assert sip_uri(outside.uri).to_bytes() == b"sip:+12025550142@gate1.example.net"
        inside = request("contact-uri-parameter").contacts[0]
        assert inside.param("undreamt") is None
        assert sip_uri(inside.uri).param("undreamt") == ""

    def test_contact_escaped_header(self) -> None:
        """A header within the contact URI is part of the binding."""
        uri = sip_uri(request("contact-escaped-header").contacts[0].uri)
        assert uri.headers == "Route=%3Csip:hop.example.com%3E"
        assert uri.to_bytes().endswith(b"?Route=%3Csip:hop.example.com%3E")

    def test_old_invite(self) -> None:
        """What RFC 2543 did not ask for is absent, not wrong."""
        message = request("old-2543-invite")
        assert message.from_tag is None
        assert message.max_forwards is None
        assert message.content_length is None
        assert message.top_via.branch is None
        assert message.contacts == []
        assert message.body.startswith(b"v=0\r\n")
        assert sip_uri(message.record_routes[0].uri).param("maddr") == "ss1.example.com"


class GapTests:
    """Two readers who understand one message in two ways are what attackers look for."""

    def test_quotes_hide_parameters(self) -> None:
        """What stands between quotes is no tag, no branch and no received."""
        assert request("quoted-tag").to_tag is None
        via = request("quoted-branch").top_via
        assert (via.branch, via.received) == (b"z9hG4bKown2", None)

    def test_stamp_respects_quotes(self) -> None:
        """Noting the source leaves quoted text alone."""
        message = request("quoted-branch")
        message.stamp_source("198.51.100.9", 5062)
        again = parse(message.to_bytes()).top_via
        assert (again.branch, again.received) == (b"z9hG4bKown2", "198.51.100.9")
        assert b'note=";branch=z9hG4bKforged;received=192.0.2.66;"' in message.to_bytes()

    def test_quoted_bracket(self) -> None:
        """The tag stands behind the URI's own bracket."""
        message = request("quoted-bracket")
        assert message.from_tag == b"93"
        assert message.from_.tag == b"93"

    def test_version_in_small_letters(self) -> None:
        """SIP/2.0 may come in any case (RFC 3261 section 7.1), but leaves in capitals."""
        data = CASES["ipv6-reference"].data
        small = parse(data.replace(b" SIP/2.0\r\n", b" sip/2.0\r\n", 1))
        check(small)
        assert small.to_bytes() == data
        answer = CASES["reason-empty"].data
        assert parse(answer.replace(b"SIP/2.0", b"Sip/2.0", 1)).to_bytes() == answer

    @pytest.mark.parametrize(
        "raw",
        ["\u017fip:nora@example.com", "sip:nora@example.c\u00f6m", "sip:nora@\u212aam.example.com"],
        ids=["long s in the scheme", "umlaut in the host", "kelvin sign in the host"],
    )
    def test_letters_that_only_look_alike(self, raw: str) -> None:
        """Scheme and host are ASCII: nothing else may be folded into it."""
        with pytest.raises(ParseError):
            parse_uri(raw.encode())


class Ipv6MeaningTests:
    """RFC 5118: which host and which port."""

    def test_brackets(self) -> None:
        """The host is the address without its brackets, and printing brings them back."""
        message = request("ipv6-reference")
        uri = sip_uri(message.uri)
        assert (uri.host, uri.port, uri.user) == ("2001:db8:7::1", None, None)
        assert uri.to_bytes() == b"sip:[2001:db8:7::1]"
        assert message.top_via.host == "2001:db8:7::20:1"
        assert sip_uri(message.contacts[0].uri).host == "2001:db8:7::20"

    def test_ports(self) -> None:
        """Inside the brackets all is address; behind them stands the port."""
        inside = sip_uri(request("ipv6-port-inside").uri)
        assert (inside.host, inside.port) == ("2001:db8:7::1:5070", None)
        outside = sip_uri(request("ipv6-port-outside").uri)
        assert (outside.host, outside.port) == ("2001:db8:7::1", 5070)

    def test_received_both_ways(self) -> None:
        """With brackets or without, received is the same address."""
        vias: list[Via] = [
            request("ipv6-received-brackets").top_via,
            request("ipv6-received-bare").top_via,
        ]
        assert [via.received for via in vias] == ["2001:db8:7::20:255"] * 2

    def test_mixed_families(self) -> None:
        """Vias of both families stand in one message."""
        vias = request("mixed-families-via").vias
        assert [(via.host, via.port) for via in vias] == [
            ("2001:db8:7::20:1", 6050),
            ("192.0.2.131", None),
            ("2001:db8:7::20:255", None),
        ]
        assert vias[2].received == "2001:db8:7::20:256"

    def test_bodies_pass(self) -> None:
        """Addresses in a body are nobody's business here."""
        assert b"c=IN IP6 2001:db8:7::20\r\n" in request("ipv6-sdp").body
        body = request("mixed-families-sdp").body
        assert b"c=IN IP4 192.0.2.133\r\n" in body and b"c=IN IP6 2001:db8:7::20\r\n" in body

    def test_mapped(self) -> None:
        """An IPv4 address in IPv6 clothes is read as it is written."""
        message = request("ipv4-mapped")
        assert [(via.host, via.port) for via in message.vias] == [
            ("::ffff:192.0.2.140", 19823),
            ("::ffff:192.0.2.141", None),
        ]
        assert sip_uri(message.contacts[0].uri).host == "::ffff:192.0.2.141"

    def test_three_colons(self) -> None:
        """The address of the faulty grammar is tolerated; whether it is repaired is open."""
        right = sip_uri(request("ipv6-two-colons").uri)
        assert right.host == "2001:db8::192.0.2.142"
        faulty = sip_uri(request("ipv6-three-colons").uri)
        assert faulty.host in ("2001:db8:::192.0.2.142", right.host)
