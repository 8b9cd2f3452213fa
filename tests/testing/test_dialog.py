"""One side of a dialog is built from what was sent and received, as section 12 says."""

from sipproxy.message.builder import make_response
from sipproxy.message.message import Request, Response
from sipproxy.testing.dialog import Dialog, key_of, request_of

LINES = (
    "INVITE sip:bob@example.com SIP/2.0",
    "Via: SIP/2.0/UDP 10.0.1.1;branch=z9hG4bK1",
    "Record-Route: <sip:p2;lr>, <sip:p1;lr>",
    "From: <sip:alice@example.com>;tag=a",
    "To: <sip:bob@example.com>",
    "Call-ID: c",
    "CSeq: 7 INVITE",
    "Contact: <sip:alice@10.0.1.1>",
)


def both() -> tuple[Dialog, Dialog]:
    """Give the caller's and the callee's side."""
    invite = request_of(LINES)
    routes = [(b"record-route", b"<sip:p2;lr>, <sip:p1;lr>"), (b"contact", b"<sip:bob@10.0.1.2>")]
    response: Response = make_response(invite, 200, None, b"b", routes)
    return Dialog.of_response(invite, response), Dialog.of_request(invite, "b")


class DialogTests:
    """Routes, targets, tags and numbers."""

    def test_routes(self) -> None:
        """The callee keeps the order of Record-Route, the caller turns it round."""
        caller, callee = both()
        assert caller.routes == ["<sip:p1;lr>", "<sip:p2;lr>"]
        assert callee.routes == ["<sip:p2;lr>", "<sip:p1;lr>"]

    def test_targets(self) -> None:
        """Each side knows the other's Contact, and sends to the first route before it."""
        caller, callee = both()
        assert (caller.target, callee.target) == ("sip:bob@10.0.1.2", "sip:alice@10.0.1.1")
        hop = caller.next_hop()
        assert hop is not None and hop.host == "p1"
        caller.routes.clear()
        hop = caller.next_hop()
        assert hop is not None and hop.host == "10.0.1.2"

    def test_recognised(self) -> None:
        """What one side sends is recognised by the other."""
        caller, callee = both()
        bye: Request = caller.request("BYE", "SIP/2.0/UDP x", "<sip:a@b>")
        assert key_of(bye) == callee.key
        assert bye.cseq.number == 8

    def test_ack_repeats_the_number(self) -> None:
        """An ACK has the number of its INVITE and uses up none."""
        caller, _ = both()
        assert caller.request("ACK", "SIP/2.0/UDP x", "<sip:a@b>", cseq=7).cseq.number == 7
        assert caller.cseq == 7

    def test_refresh(self) -> None:
        """A re-INVITE may bring another Contact."""
        _, callee = both()
        callee.refresh(request_of([*LINES[:-1], "Contact: <sip:alice@10.0.1.77>"]))
        assert callee.target == "sip:alice@10.0.1.77"
