"""No 200 to a REGISTER leaves when the binding is not on disk."""

import pytest

from sipproxy.message.message import Response
from sipproxy.message.parser import parse
from sipproxy.transaction.layer import TransactionLayer
from sipproxy.transaction.outputs import RequestReceived, Send
from sipproxy.transaction.peer import Peer
from sipproxy.transaction.timers import Timers
from sipproxy.transport.withheld import without_promises
from tests.transport.fakes import OPTIONS, response

BOB = Peer("udp", "192.0.2.2", 5062, 0)
GRANTED = response(b"200 OK", b"7 REGISTER").replace(
    b"Content-Length", b"Contact: <sip:bob@192.0.2.2:5062>;expires=3600\r\nContent-Length"
)


def after(data: bytes) -> tuple[bytes, int]:
    """Pass one message through."""
    sends, withheld = without_promises([Send(data, BOB, None)])
    return sends[0].data, withheld


class WithheldTests:
    """What happens to each kind of message."""

    def test_granted_registration(self) -> None:
        """The 200 becomes a 503 that leads the same way back and grants nothing."""
        data, withheld = after(GRANTED)
        message = parse(data)
        assert isinstance(message, Response)
        assert (message.status, withheld) == (503, 1)
        assert message.top_via.branch == b"z9hG4bKfirst"
        assert message.to_tag == b"b1"
        assert message.cseq.number == 7
        assert message.call_id == b"c1@192.0.2.1"
        assert message.has(b"retry-after")
        assert not message.has(b"contact")

    @pytest.mark.parametrize(
        "data",
        [
            response(b"200 OK", b"1 INVITE"),
            response(b"401 Unauthorized", b"7 REGISTER"),
            response(b"200 OK", b"1 OPTIONS").replace(b"c1@", b"REGISTER@"),
            OPTIONS,
        ],
        ids=["invite", "challenge", "options", "request"],
    )
    def test_all_else(self, data: bytes) -> None:
        """Calls, challenges and requests do not depend on the disk."""
        assert after(data) == (data, 0)

    def test_order(self) -> None:
        """The queue keeps its order."""
        sends, _ = without_promises([Send(it, BOB, None) for it in (OPTIONS, GRANTED, OPTIONS)])
        assert [send.data[:11] for send in sends] == [OPTIONS[:11], b"SIP/2.0 503", OPTIONS[:11]]

    def test_retransmission_hears_the_same(self) -> None:
        """The transaction repeats the 503, not the 200 that was never sent."""
        layer = TransactionLayer(Timers())
        request = OPTIONS.replace(b"OPTIONS", b"REGISTER")
        layer.receive(parse(request), BOB, 1.0)
        (received,) = layer.take_outputs()
        assert isinstance(received, RequestReceived)
        granted = parse(GRANTED)
        assert isinstance(granted, Response)
        layer.respond(received.transaction, granted, 1.0)
        (send,) = layer.take_outputs()
        assert isinstance(send, Send)
        (changed,), _ = without_promises([send])
        layer.receive(parse(request), BOB, 1.5)
        (again,) = layer.take_outputs()
        assert isinstance(again, Send)
        assert again.data == changed.data
        assert again.data.startswith(b"SIP/2.0 503")
