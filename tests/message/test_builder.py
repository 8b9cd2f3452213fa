"""Responses, ACK and CANCEL, made of the lines of other messages."""

import pytest

from sipproxy.message.builder import make_ack, make_cancel, make_response
from sipproxy.message.errors import ParseError
from sipproxy.message.message import Request, Response
from sipproxy.message.parser import check, parse

INVITE = b"""INVITE sip:bruno@198.51.100.40 SIP/2.0
Via: SIP/2.0/UDP 203.0.113.5;branch=z9hG4bKtop
v:  SIP/2.0/UDP 192.0.2.21;branch=z9hG4bKphone
Route: <sip:p1;lr>
Route: <sip:p2;lr>
Record-Route: <sip:203.0.113.5;lr>
max-forwards: 69
FROM: "Anna\r\n Ahlgren" <sip:anna@example.com>;tag=f1
t:<sip:bruno@example.com>
Call-ID: c1
CSeq:  0012 INVITE
Contact: <sip:anna@192.0.2.21>
Timestamp: 54.1
Proxy-Authorization: Digest x
Content-Type: application/sdp
Content-Length: 5

v=0
""".replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def invite(data: bytes = INVITE) -> Request:
    """The INVITE that all this is about."""
    message = parse(data)
    assert isinstance(message, Request)
    return message


def lines_of(message: Request | Response) -> list[bytes]:
    """Everything before the body, as it is printed."""
    return message.to_bytes().removesuffix(b"\r\n\r\n").split(b"\r\n")


class ResponseTests:
    """RFC 3261 section 8.2.6."""

    def test_echoed(self) -> None:
        """All Vias, From, To, Call-ID and CSeq return as they came, and nothing else does."""
        response = make_response(invite(), 404)
        assert lines_of(response) == [
            b"SIP/2.0 404 Not Found",
            b"Via: SIP/2.0/UDP 203.0.113.5;branch=z9hG4bKtop",
            b"v:  SIP/2.0/UDP 192.0.2.21;branch=z9hG4bKphone",
            b'FROM: "Anna',
            b' Ahlgren" <sip:anna@example.com>;tag=f1',
            b"t:<sip:bruno@example.com>",
            b"Call-ID: c1",
            b"CSeq:  0012 INVITE",
            b"Content-Length: 0",
        ]
        check(response)
        assert parse(response.to_bytes()).names == response.names

    def test_tag(self) -> None:
        """The To gets the tag, but only when it has none."""
        response = make_response(invite(), 200, to_tag=b"mine")
        assert (
            response.to_tag == b"mine" and b"t:<sip:bruno@example.com>;tag=mine" in response.lines
        )
        request = invite()
        request.set(b"to", b"<sip:bruno@example.com>;x=1;tag=theirs ")
        assert make_response(request, 200, to_tag=b"mine").to_tag == b"theirs"

    @pytest.mark.parametrize(
        "to", [b"sip:bruno@example.com", b"<sip:b@c>;x ", b'";tag=a" <sip:b@c>;y=">;tag=b"']
    )
    def test_tag_behind_anything(self, to: bytes) -> None:
        """Whatever the To looks like, the tag is found in it again."""
        request = invite()
        request.set(b"to", to)
        response = parse(make_response(request, 200, to_tag=b"mine").to_bytes())
        assert response.to_tag == response.to.tag == b"mine"

    def test_trying(self) -> None:
        """A 100 echoes the Timestamp and gets no tag."""
        response = make_response(invite(), 100, to_tag=b"mine")
        assert response.value(b"timestamp") == b"54.1"
        assert response.to_tag is None and response.reason == b"Trying"

    def test_reason_and_headers(self) -> None:
        """Both may be given."""
        response = make_response(
            invite(), 420, b"No Moon", headers=[(b"unsupported", b"moon"), (b"x-y", b"z")]
        )
        assert lines_of(response)[0] == b"SIP/2.0 420 No Moon"
        assert lines_of(response)[-3:] == [b"Unsupported: moon", b"X-Y: z", b"Content-Length: 0"]
        assert response.names[-3:] == [b"unsupported", b"x-y", b"content-length"]

    def test_no_line_ends(self) -> None:
        """No value can smuggle another header in."""
        with pytest.raises(ValueError, match="line end"):
            make_response(invite(), 302, headers=[(b"contact", b"<sip:a>\r\nTo: b")])

    def test_broken_request(self) -> None:
        """Even what lacks nearly everything is answered."""
        response = make_response(Request("INVITE", b"x", [b"via"], [b"Via: ?"]), 400, to_tag=b"a")
        assert lines_of(response)[1:] == [b"Via: ?", b"Content-Length: 0"]

    @pytest.mark.parametrize("to", [b'"no end <sip:b@c>;x', b"", b"a b", b"<sip:b@c>;tag=x>y"])
    def test_unreadable_to(self, to: bytes) -> None:
        """A To that nobody can read gets no tag, but the sender gets an answer."""
        request = invite()
        request.set(b"to", to)
        assert make_response(request, 400, to_tag=b"mine").value(b"to") == to

    def test_request_is_untouched(self) -> None:
        """Making a response changes nothing."""
        request = invite()
        make_response(request, 200, to_tag=b"mine", headers=[(b"x-y", b"z")])
        assert request.to_bytes() == INVITE and request.to_tag is None


class AckTests:
    """RFC 3261 section 17.1.1.3."""

    def test_lines(self) -> None:
        """The INVITE's top Via, Routes and Call-ID, and the response's To."""
        response = make_response(invite(), 486, to_tag=b"mine")
        ack = make_ack(invite(), response)
        assert lines_of(ack) == [
            b"ACK sip:bruno@198.51.100.40 SIP/2.0",
            b"Via: SIP/2.0/UDP 203.0.113.5;branch=z9hG4bKtop",
            b"Route: <sip:p1;lr>",
            b"Route: <sip:p2;lr>",
            b"max-forwards: 69",
            b'FROM: "Anna',
            b' Ahlgren" <sip:anna@example.com>;tag=f1',
            b"t:<sip:bruno@example.com>;tag=mine",
            b"Call-ID: c1",
            b"CSeq: 12 ACK",
            b"Content-Length: 0",
        ]
        check(ack)
        assert ack.to_tag == b"mine" and ack.body == b""

    def test_via_list(self) -> None:
        """Only one Via goes out, though several stood on a line."""
        data = INVITE.replace(b"z9hG4bKtop\r\nv: ", b'z9hG4bKtop;x="1,2",')
        ack = make_ack(invite(data), make_response(invite(data), 486))
        assert ack.values(b"via") == [b'SIP/2.0/UDP 203.0.113.5;branch=z9hG4bKtop;x="1,2"']

    def test_without_to(self) -> None:
        """A response without To cannot be acknowledged, nor an INVITE without one."""
        response = make_response(invite(), 486)
        response.remove(b"to")
        with pytest.raises(ParseError) as caught:
            make_ack(invite(), response)
        assert caught.value.status == 400 and caught.value.message is response
        request = invite()
        request.remove(b"to")
        with pytest.raises(ParseError):
            make_ack(request, make_response(invite(), 486))


class CancelTests:
    """RFC 3261 section 9.1."""

    def test_lines(self) -> None:
        """Everything the INVITE's own, but the method; no Require, Contact or credentials."""
        request = invite()
        request.add(b"require", b"100rel")
        cancel = make_cancel(request)
        assert cancel.names == [
            b"via", b"route", b"route", b"max-forwards",
            b"from", b"to", b"call-id", b"cseq", b"content-length",
        ]  # fmt: skip
        assert lines_of(cancel)[0] == b"CANCEL sip:bruno@198.51.100.40 SIP/2.0"
        assert (cancel.cseq.number, cancel.cseq.method) == (12, "CANCEL")
        assert cancel.to_tag is None and cancel.top_branch == request.top_branch
        check(cancel)

    def test_unreadable_cseq(self) -> None:
        """Without a number there is no CANCEL."""
        request = invite()
        request.set(b"cseq", b"INVITE")
        with pytest.raises(ParseError):
            make_cancel(request)
