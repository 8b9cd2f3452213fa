"""Which messages belong together: RFC 3261 sections 17.1.3 and 17.2.3."""

import pytest

from sipproxy.message.builder import make_response
from sipproxy.message.errors import ParseError
from sipproxy.message.message import Request, Response
from sipproxy.message.parser import parse
from sipproxy.transaction.key import (
    OLD_KEY,
    client_key,
    invite_key,
    old_ack_key,
    server_key,
    stateless_tag,
)


def request(
    method: str = "INVITE",
    via: str = "192.0.2.1:5060;branch=z9hG4bKabc",
    uri: str = "sip:bob@example.com",
    to: str = "<sip:bob@example.com>",
    from_: str = "<sip:alice@example.com>;tag=a",
    call: str = "c1",
    cseq: str = "1",
) -> Request:
    """A parsed request."""
    lines = [
        f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/UDP {via}", f"To: {to}", f"From: {from_}",
        f"Call-ID: {call}", f"CSeq: {cseq} {method}", "Content-Length: 0",
    ]  # fmt: skip
    message = parse(("\r\n".join(lines) + "\r\n\r\n").encode())
    assert isinstance(message, Request)
    return message


OLD = "192.0.2.1:5060"


class ServerKeyTests:
    """With the branch cookie: branch, sent-by, method."""

    def test_nothing_else_counts(self) -> None:
        """A retransmission is known although all else should differ."""
        other = request(uri="sip:x@y", to="<sip:t@u>;tag=1", call="c2", cseq="7")
        assert server_key(request()) == server_key(other)

    @pytest.mark.parametrize(
        "other",
        [
            request(via="192.0.2.1:5060;branch=z9hG4bKabd"),
            request(via="192.0.2.2:5060;branch=z9hG4bKabc"),
            request(via="192.0.2.1:5061;branch=z9hG4bKabc"),
            request(via="192.0.2.1;branch=z9hG4bKabc"),
            request(method="OPTIONS"),
            request(method="CANCEL"),
        ],
    )
    def test_each_of_the_three_counts(self, other: Request) -> None:
        """Another branch, sent-by or method is another transaction."""
        assert server_key(request()) != server_key(other)

    def test_ack_belongs_to_its_invite(self) -> None:
        """Section 17.2.3: the method of the request that made the transaction, or ACK."""
        assert server_key(request("ACK")) == server_key(request())

    def test_cancel_names_its_invite(self) -> None:
        """Section 9.2: as if the method were not CANCEL."""
        assert invite_key(request("CANCEL")) == server_key(request())

    def test_case_does_not_count(self) -> None:
        """Branch and host are compared without regard to case; so is the cookie itself."""
        shouting = request(via="ATLANTA.EXAMPLE.COM:5060;branch=Z9HG4BKABC")
        quiet = request(via="atlanta.example.com:5060;branch=z9hG4bKabc")
        assert server_key(shouting) == server_key(quiet)
        assert not server_key(shouting).startswith(OLD_KEY)

    def test_no_via_is_no_key(self) -> None:
        """There is nobody to answer."""
        message = request()
        message.remove(b"via")
        with pytest.raises(ParseError):
            server_key(message)


class OldServerKeyTests:
    """Without the cookie: everything section 17.2.3 lists."""

    @pytest.mark.parametrize("branch", ["", ";branch=1", ";branch=z9hG4bK", ";branch=Z9HG4BK"])
    def test_what_counts_as_no_cookie(self, branch: str) -> None:
        """No branch, one of RFC 2543, and the cookie with nothing behind it."""
        one = request(via=OLD + branch)
        assert server_key(one).startswith(OLD_KEY)
        assert server_key(one) == server_key(request(via=OLD + branch))
        assert server_key(one) != server_key(request(via=OLD + branch, call="c2"))

    @pytest.mark.parametrize(
        "other",
        [
            request(via=OLD, uri="sip:carol@example.com"),
            request(via=OLD, to="<sip:bob@example.com>;tag=t"),
            request(via=OLD, from_="<sip:alice@example.com>;tag=b"),
            request(via=OLD, call="c2"),
            request(via=OLD, cseq="2"),
            request(via="192.0.2.2:5060"),
            request(via=OLD + ";branch=1"),
            request("OPTIONS", via=OLD),
            request("ACK", via=OLD),
        ],
    )
    def test_each_part_counts(self, other: Request) -> None:
        """Request-URI, tags, Call-ID, CSeq number, Via and method."""
        assert server_key(request(via=OLD)) != server_key(other)

    def test_ack_is_known_by_the_tag_of_our_response(self) -> None:
        """The INVITE had no To tag; its ACK carries the one we gave."""
        ack = request("ACK", via=OLD, to="<sip:bob@example.com>;tag=ours")
        assert server_key(ack) == old_ack_key(request(via=OLD), b"ours")
        assert server_key(ack) != old_ack_key(request(via=OLD), b"another")

    def test_cancel_names_its_invite(self) -> None:
        """The rule for CANCEL is the same without the cookie."""
        assert invite_key(request("CANCEL", via=OLD)) == server_key(request(via=OLD))

    @pytest.mark.parametrize("name", [b"to", b"from", b"call-id", b"cseq"])
    def test_missing_fields_are_for_the_core_to_refuse(self, name: bytes) -> None:
        """A key is made all the same, so that an answer can be."""
        message = request(via=OLD)
        message.remove(name)
        assert server_key(message) == server_key(message.clone())


class ClientKeyTests:
    """Branch and CSeq method."""

    def answer(self, to: Request, status: int = 200) -> Response:
        """A parsed response."""
        message = parse(make_response(to, status).to_bytes())
        assert isinstance(message, Response)
        return message

    def test_response_finds_its_request(self) -> None:
        """Section 17.1.3."""
        assert client_key(self.answer(request())) == client_key(request())

    def test_cancel_is_another_transaction_with_the_same_branch(self) -> None:
        """The method of CSeq tells the two apart."""
        assert client_key(self.answer(request("CANCEL"))) != client_key(request())

    def test_branch_in_capitals_is_ours_still(self) -> None:
        """There are peers that change the case of what they should copy."""
        shouting = request(via="192.0.2.1:5060;branch=Z9HG4BKABC")
        assert client_key(self.answer(shouting)) == client_key(request())

    def test_no_branch_is_no_key(self) -> None:
        """We never send a Via without one."""
        assert client_key(self.answer(request(via=OLD))) is None

    def test_garbage_in_cseq_is_an_error(self) -> None:
        """A response that names no method cannot be matched."""
        response = self.answer(request())
        response.set(b"cseq", b"one INVITE")
        with pytest.raises(ParseError):
            client_key(response)


class StatelessTagTests:
    """Tags made without memory."""

    def test_same_request_same_tag(self) -> None:
        """Section 8.2.7: for any given request, always the same tag, and its ACK fits it."""
        assert stateless_tag(server_key(request())) == stateless_tag(server_key(request("ACK")))

    def test_other_request_other_tag(self) -> None:
        """Else it would say nothing."""
        other = request(via="192.0.2.1:5060;branch=z9hG4bKxyz")
        assert stateless_tag(server_key(request())) != stateless_tag(server_key(other))
