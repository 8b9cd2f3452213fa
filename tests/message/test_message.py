"""Requests and responses: fields on demand, edits that are noticed, copies that are their own."""

import pytest

from sipproxy.message.errors import ParseError
from sipproxy.message.message import Message, Request, Response
from sipproxy.message.uri import SipUri


def request(*lines: bytes, method: str = "INVITE") -> Request:
    """A request with these header lines."""
    names = [line.partition(b":")[0].strip().lower() for line in lines]
    return Request(method, b"sip:bruno@example.com", names, list(lines), b"body")


def invite() -> Request:
    """A request with everything."""
    return request(
        b"Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bKa;rport",
        b"Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKb, SIP/2.0/TCP 192.0.2.3;branch=z9hG4bKc",
        b"Route: <sip:p1;lr>, <sip:p2>",
        b"Record-Route: <sip:p3;lr>",
        b"Max-Forwards: 70",
        b'From: "Anna" <sip:anna@example.com>;tag=f1',
        b"To: <sip:bruno@example.com>",
        b"Call-ID: c1@192.0.2.1",
        b"CSeq: 7 INVITE",
        b"Contact: <sip:anna@192.0.2.1>;q=0.5, <sip:anna@192.0.2.9>",
        b"Expires: 90",
        b"Content-Length: 4",
    )


class FieldTests:
    """What a message knows about itself."""

    def test_all(self) -> None:
        """Every field of a good request."""
        message = invite()
        assert message.top_via.host == "192.0.2.1" and message.top_branch == b"z9hG4bKa"
        assert [via.branch for via in message.vias] == [b"z9hG4bKa", b"z9hG4bKb", b"z9hG4bKc"]
        assert [route.uri_raw for route in message.routes] == [b"sip:p1;lr", b"sip:p2"]
        assert [route.uri_raw for route in message.record_routes] == [b"sip:p3;lr"]
        assert message.max_forwards == 70 and message.expires == 90
        assert message.from_.display == b'"Anna"' and message.from_tag == b"f1"
        assert message.to.uri_raw == b"sip:bruno@example.com" and message.to_tag is None
        assert message.call_id == b"c1@192.0.2.1"
        assert (message.cseq.number, message.cseq.method) == (7, "INVITE")
        assert [contact.q for contact in message.contacts] == [500, 1000]
        assert not message.contact_star and message.content_length == 4
        assert isinstance(message.uri, SipUri) and message.uri.user == "bruno"
        assert message.version == b"SIP/2.0" and message.wire_size == 0

    @pytest.mark.parametrize(
        "field", ["top_via", "top_branch", "cseq", "call_id", "from_", "to", "from_tag", "to_tag"]
    )
    def test_missing(self, field: str) -> None:
        """What must be there and is not is a ParseError that names it."""
        with pytest.raises(ParseError, match="missing"):
            getattr(request(), field)

    def test_absent(self) -> None:
        """What need not be there is None, or empty."""
        message = request()
        assert message.max_forwards is message.expires is message.content_length is None
        assert message.contacts == [] and message.routes == []
        assert message.record_routes == [] and message.vias == []
        assert not message.contact_star

    @pytest.mark.parametrize(
        ("field", "line"),
        [
            ("top_via", b"Via: nonsense"),
            ("top_via", b"Via:"),
            ("top_via", b"Via: , SIP/2.0/UDP a"),
            ("top_branch", b"Via: SIP/2.0/UDP a b;branch=c"),
            ("vias", b"Via: SIP/2.0/UDP a, b"),
            ("vias", b"Via: SIP/2.0/UDP a,"),
            ("cseq", b"CSeq: INVITE"),
            ("from_", b"From: "),
            ("from_tag", b'From: "Anna <sip:a@b>;x;tag=y'),
            ("to", b"To: <"),
            ("to_tag", b"To: a b"),
            ("contacts", b"Contact: <sip:a@b>, <c"),
            ("routes", b"Route: <sip:a@b> x"),
            ("record_routes", b"Record-Route: <>"),
            ("max_forwards", b"Max-Forwards: 256"),
            ("max_forwards", b"Max-Forwards: -1"),
            ("max_forwards", b"Max-Forwards: 1_0"),
            ("max_forwards", b"Max-Forwards: " + b"9" * 9000),
            ("max_forwards", b"Max-Forwards:"),
            ("content_length", b"Content-Length: x"),
            ("content_length", b"Content-Length: 1 2"),
            ("content_length", b"Content-Length: " + b"9" * 9000),
        ],
    )
    def test_malformed(self, field: str, line: bytes) -> None:
        """What makes no sense is a ParseError, each time it is asked for."""
        message = request(line)
        for _ in range(2):
            with pytest.raises(ParseError) as caught:
                getattr(message, field)
            assert caught.value.status == 400

    def test_unusual_spellings(self) -> None:
        """Whatever the short ways do not know, the careful ones read."""
        message = request(
            b"VIA :SIP/2.0/UDP a ;branch= b",
            b"MAX-FORWARDS:\r\n 007",
            b"from:sip:a@b;x=y;tag=f",
            b"To:<sip:b@c>\r\n ;tag = t",
            b"CALL-ID:\tc ",
            b"cseq:  1\r\n  BYE",
            b"Contact: *",
            b"Expires: never",
            b"Content-Length: 0004",
        )
        assert message.top_branch == message.top_via.branch == b"b"
        assert message.max_forwards == 7 and message.call_id == b"c"
        assert (message.from_tag, message.to_tag) == (b"f", b"t")
        assert (message.cseq.number, message.cseq.method) == (1, "BYE")
        assert message.contact_star and message.contacts == []
        assert message.expires is None and message.content_length == 4

    @pytest.mark.parametrize("blanks", [b"", b" ", b"   ", b"\t \t", b"\r\n ", b" \r\n \r\n  "])
    def test_blanks_behind_the_colon(self, blanks: bytes) -> None:
        """As many as one likes, or none: some programs align what they write."""
        message = request(
            b"Via:" + blanks + b"SIP/2.0/UDP a;branch=b" + blanks.lstrip(),
            b"Max-Forwards:" + blanks + b"255" + blanks.lstrip(),
            b"CSeq:" + blanks + b"3 INVITE",
            b"From:" + blanks + b"<sip:a@b>;tag=c",
            b"Call-ID:" + blanks + b"d",
            b"Expires:" + blanks + b"90",
            b"Content-Length:" + blanks + b"345",
        )
        assert message.top_branch == message.top_via.branch == b"b"
        assert (message.max_forwards, message.expires, message.content_length) == (255, 90, 345)
        assert (message.cseq.number, message.from_tag, message.call_id) == (3, b"c", b"d")

    @pytest.mark.parametrize(
        ("line", "tag"),
        [
            (b"To: <sip:a@b;tag=no>", None),
            (b'To: ";tag=no" <sip:a@b>', None),
            (b'To: <sip:a@b>;x=";tag=no"', None),
            (b'To: <sip:a@b>;x=">;tag=no"', None),
            (b'To: <sip:a@b>;tag=yes;x=">"', b"yes"),
            (b"To: sip:a@b;tag=yes", b"yes"),
            (b"To: <sip:a@b>;tag=yes;tag=no", b"yes"),
            (b"To: <sip:a@b>;tag=", None),
            (b"To: <sip:a@b>\r\n\t;\r\n tag=yes", b"yes"),
        ],
    )
    def test_tags_agree(self, line: bytes, tag: bytes | None) -> None:
        """However a tag is asked for, it is the same."""
        message = request(line)
        assert message.to_tag == tag == (message.to.tag or None)

    def test_the_base_is_no_message(self) -> None:
        """Only requests and responses can be printed or copied."""
        base = Message([], [], b"")
        for verb in (base.to_bytes, base.clone):
            with pytest.raises(NotImplementedError):
                verb()


class EditTests:
    """Edits are seen by fields that were read before."""

    def test_fields_follow(self) -> None:
        """No field answers from before the edit."""
        message = invite()
        self.read(message)
        message.set(b"via", b"SIP/2.0/TCP x;branch=new")
        message.set(b"max-forwards", b"69")
        message.set(b"route", b"<sip:new>")
        message.set(b"contact", b"<sip:new>")
        message.set(b"from", b"<sip:new>;tag=new")
        message.set(b"to", b"<sip:new>;tag=new")
        message.set(b"cseq", b"8 BYE")
        message.set(b"call-id", b"new")
        assert message.top_via.transport == "TCP" and message.top_branch == b"new"
        assert message.max_forwards == 69
        assert message.routes[0].uri_raw == message.contacts[0].uri_raw == b"sip:new"
        assert message.from_.uri_raw == message.to.uri_raw == b"sip:new"
        assert message.from_tag == message.to_tag == message.call_id == b"new"
        assert (message.cseq.number, message.cseq.method) == (8, "BYE")

    def test_hops(self) -> None:
        """Pushing and popping a Via or a Route changes the first one."""
        message = invite()
        self.read(message)
        message.prepend(b"via", b"SIP/2.0/UDP me;branch=mine")
        message.prepend(b"route", b"<sip:me;lr>")
        assert message.top_branch == message.top_via.branch == b"mine"
        assert message.routes[0].uri_raw == b"sip:me;lr"
        for branch in (b"mine", b"z9hG4bKa", b"z9hG4bKb", b"z9hG4bKc"):
            assert message.top_via.branch == message.top_branch == branch
            message.pop_first(b"via")
        assert message.pop_first(b"route") == b"<sip:me;lr>"
        assert message.routes[0].uri_raw == b"sip:p1;lr"
        with pytest.raises(ParseError):
            _ = message.top_via

    def test_removed(self) -> None:
        """A field that is taken away is missing."""
        message = invite()
        self.read(message)
        for name in (b"max-forwards", b"contact", b"route", b"call-id", b"to"):
            assert message.remove(name) == 1
        assert message.max_forwards is None and message.contacts == message.routes == []
        for field in ("call_id", "to", "to_tag"):
            with pytest.raises(ParseError):
                getattr(message, field)

    def test_added(self) -> None:
        """A field that was not there is found."""
        message = request()
        assert message.max_forwards is None and message.routes == []
        message.add(b"max-forwards", b"5")
        message.add(b"route", b"<sip:p>")
        assert message.max_forwards == 5 and len(message.routes) == 1

    def test_set_uri(self) -> None:
        """Another Request-URI, parsed when asked for."""
        message = invite()
        assert isinstance(message.uri, SipUri)
        message.set_uri(b"tel:112")
        assert message.uri.scheme == "tel" and message.first_line == b"INVITE tel:112 SIP/2.0"

    @pytest.mark.parametrize("raw", [b"sip:a b", b"sip:a\r\nTo: b", b"sip:a\nb", b"sip:a\r"])
    def test_no_other_request_line(self, raw: bytes) -> None:
        """No URI from a database can smuggle in a header, or another version."""
        message = invite()
        with pytest.raises(ValueError, match="Request-URI"):
            message.set_uri(raw)
        assert message.uri_raw == b"sip:bruno@example.com"

    @staticmethod
    def read(message: Message) -> None:
        """Have every field parsed."""
        for (
            field
        ) in "top_via cseq call_id from_ to from_tag to_tag contacts routes max_forwards".split():
            getattr(message, field)


class CloneTests:
    """Copies."""

    def test_edits_stay_apart(self) -> None:
        """What is done to a copy is not done to the original, nor the other way round."""
        message = invite()
        before = message.to_bytes()
        EditTests.read(message)
        copy = message.clone()
        copy.pop_first(b"via")
        copy.set(b"to", b"<sip:x>;tag=y")
        copy.set_uri(b"sip:x")
        copy.body = b""
        assert message.to_bytes() == before and message.to_tag is None
        assert message.top_via.branch == b"z9hG4bKa" and copy.top_via.branch == b"z9hG4bKb"
        message.remove(b"call-id")
        assert copy.call_id == b"c1@192.0.2.1"

    def test_response(self) -> None:
        """A response is copied with status and reason."""
        message = Response(183, b"Session Progress", [b"to"], [b"To: <sip:a>;tag=b"], b"body")
        assert message.to_tag == b"b"
        copy = message.clone()
        assert copy.to_bytes() == message.to_bytes()
        copy.set(b"to", b"<sip:a>;tag=c")
        assert (message.to_tag, copy.to_tag) == (b"b", b"c")

    def test_parsed_fields_are_shared(self) -> None:
        """A copy parses nothing again, which is what makes forking cheap."""
        message = invite()
        EditTests.read(message)
        uri = message.uri
        copy = message.clone()
        assert copy._uri is uri and copy._max_forwards == 70
        for (
            cache
        ) in "_top_via _cseq _call_id _from _to _from_tag _to_tag _contacts _routes".split():
            kept = getattr(message, cache)
            assert kept is not None and getattr(copy, cache) is kept, cache


class PrintTests:
    """What goes on the wire."""

    def test_request(self) -> None:
        """Lines leave as they came, spelled and folded as they were."""
        message = request(b"X:1", b"To:\r\n <sip:a>")
        wanted = b"INVITE sip:bruno@example.com SIP/2.0\r\nX:1\r\nTo:\r\n <sip:a>\r\n\r\nbody"
        assert message.to_bytes() == wanted

    def test_response(self) -> None:
        """A status line may lack its phrase, but not the blank before it."""
        assert Response(486, b"", [], []).to_bytes() == b"SIP/2.0 486 \r\n\r\n"
        assert Response(200, b"\xc3\x96K", [], []).first_line == b"SIP/2.0 200 \xc3\x96K"


def stamped(via: bytes, host: str = "198.51.100.7", port: int = 6060) -> bytes:
    """The Via line after the source was written in."""
    message = request(b"Via: " + via)
    message.stamp_source(host, port)
    after = message.top_via
    fresh = request(message.lines[0])
    assert (after.received, after.rport) == (fresh.top_via.received, fresh.top_via.rport)
    assert after.branch == fresh.top_via.branch == fresh.top_branch
    assert after.sent_by == fresh.top_via.sent_by and after.has_rport == fresh.top_via.has_rport
    return message.lines[0][len(b"Via: ") :]


class StampTests:
    """RFC 3261 section 18.2.1 and RFC 3581: where a request came from."""

    @pytest.mark.parametrize(
        ("via", "wanted"),
        [
            (b"SIP/2.0/UDP 198.51.100.7;branch=b", b"SIP/2.0/UDP 198.51.100.7;branch=b"),
            (b"SIP/2.0/UDP 198.51.100.7:1;branch=b", b"SIP/2.0/UDP 198.51.100.7:1;branch=b"),
            (b"SIP/2.0/UDP phone;branch=b", b"SIP/2.0/UDP phone;branch=b;received=198.51.100.7"),
            (b"SIP/2.0/UDP phone", b"SIP/2.0/UDP phone;received=198.51.100.7"),
            (b"SIP/2.0/UDP phone;received=", b"SIP/2.0/UDP phone;received=198.51.100.7"),
            (
                b"SIP/2.0/UDP phone;branch=b;received=",
                b"SIP/2.0/UDP phone;branch=b;received=198.51.100.7",
            ),
            (b"SIP/2.0/UDP phone;x", b"SIP/2.0/UDP phone;x;received=198.51.100.7"),
        ],
    )
    def test_received(self, via: bytes, wanted: bytes) -> None:
        """It is added when the Via names another host, and only then."""
        assert stamped(via) == wanted

    @pytest.mark.parametrize(
        "via",
        [
            b"SIP/2.0/UDP phone;branch=b;rport",
            b"SIP/2.0/UDP phone;rport;branch=b",
            b"SIP/2.0/UDP phone;branch=b;rport=1",
            b"SIP/2.0/UDP phone;branch=b;rport=;received=192.0.2.66",
            b"SIP/2.0/UDP phone;Received=192.0.2.66;RPORT;branch=b",
            b"SIP/2.0/UDP phone;received=a;rport;branch=b;received=b;rport=2",
            b"SIP/2.0/UDP phone;rport;rport;branch=b",
            b"SIP/2.0/UDP phone;RPort;branch=b",
            b"SIP/2.0/UDP phone;branch=b;rport;received=",
        ],
    )
    def test_rport(self, via: bytes) -> None:
        """What a phone left empty is filled; what somebody forged is replaced."""
        assert stamped(via) == b"SIP/2.0/UDP phone;branch=b;received=198.51.100.7;rport=6060"

    def test_rport_of_the_same_host(self) -> None:
        """Who asks for rport gets received too (RFC 3581 section 4)."""
        via = b"SIP/2.0/UDP 198.51.100.7;branch=b;rport"
        assert stamped(via).endswith(b";branch=b;received=198.51.100.7;rport=6060")

    def test_forged_received_of_the_same_host(self) -> None:
        """A received that somebody else wrote is taken out even where none is needed."""
        via = b"SIP/2.0/UDP 198.51.100.7;branch=b;received=192.0.2.66"
        assert stamped(via) == b"SIP/2.0/UDP 198.51.100.7;branch=b"

    def test_ipv6(self) -> None:
        """An IPv6 source stands without brackets (section 25.1)."""
        assert stamped(b"SIP/2.0/UDP [2001:db8::2];branch=b", "2001:db8::1").endswith(
            b";branch=b;received=2001:db8::1"
        )
        same = b"SIP/2.0/UDP [2001:DB8::1];branch=b"
        assert stamped(same, "2001:db8::1") == same

    def test_first_value_only(self) -> None:
        """Other hops on the same line keep theirs, octet by octet."""
        via = b'SIP/2.0/UDP a;n=",;received=x";branch=b ,SIP/2.0/UDP c;received=d;rport=1,\r\n e'
        message = request(b"Via: " + via)
        message.stamp_source("198.51.100.7", 6060)
        assert message.lines[0] == (
            b'Via: SIP/2.0/UDP a;n=",;received=x";branch=b;received=198.51.100.7'
            b",SIP/2.0/UDP c;received=d;rport=1,\r\n e"
        )

    def test_folded(self) -> None:
        """A folded Via stays legal."""
        message = request(b"Via: SIP/2.0/UDP a\r\n ;rport\r\n ;branch=b")
        message.stamp_source("198.51.100.7", 6060)
        via = message.top_via
        again = request(*message.lines).top_via
        for each in (via, again):
            assert (each.host, each.branch, each.received, each.rport) == (
                "a", b"b", "198.51.100.7", 6060,
            )  # fmt: skip

    def test_copies_are_not_stamped(self) -> None:
        """Stamping a copy leaves the original alone, line and field."""
        message = invite()
        via = message.top_via
        copy = message.clone()
        copy.stamp_source("198.51.100.7", 6060)
        assert message.top_via is via and via.received is None and via.rport is None
        assert message.lines[0].endswith(b";rport")

    def test_without_via(self) -> None:
        """There is nothing to stamp."""
        with pytest.raises(ParseError):
            request().stamp_source("198.51.100.7", 6060)
