"""What the transaction layer costs per proxied call, without parsing and printing.

One call: INVITE in, 100 out, INVITE out, 180 in and out, 200 in and out, ACK passed, BYE in
and out, 200 in and out; then every timer of its four machines. Messages are parsed beforehand,
`to_bytes` returns a constant. Run it with
``PYTHONPATH=. python bench/transaction_layer.py [calls]``.
"""

import gc
import sys
import time

from sipproxy.message.builder import make_response
from sipproxy.message.message import Request, Response
from sipproxy.message.parser import parse
from sipproxy.transaction.layer import TransactionLayer
from sipproxy.transaction.machine import ServerTransaction
from sipproxy.transaction.outputs import RequestReceived
from sipproxy.transaction.peer import Peer
from sipproxy.transaction.timers import Timers

CALLER = Peer("udp", "192.0.2.1", 5060)
CALLEE = Peer("udp", "192.0.2.2", 5060, sent_by=b"198.51.100.1:5060")
CALLS_A_SECOND = 300


class FreeRequest(Request):
    """A request that costs nothing to print or to stamp."""

    __slots__ = ()

    def to_bytes(self) -> bytes:
        """No work."""
        return b"request"

    def stamp_source(self, host: str, port: int) -> None:
        """No work."""


class FreeResponse(Response):
    """A response that costs nothing to print."""

    __slots__ = ()

    def to_bytes(self) -> bytes:
        """No work."""
        return b"response"


def request(method: str, branch: str, via: str) -> Request:
    """A parsed request whose caches are warm."""
    text = (
        f"{method} sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch={branch}\r\n"
        f"From: <sip:a@x>;tag=a\r\nTo: <sip:b@x>\r\nCall-ID: {branch}\r\nCSeq: 1 {method}\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
    message = parse(text.encode())
    assert isinstance(message, Request)
    message.__class__ = FreeRequest
    assert message.top_via.branch and message.cseq.method
    return message


def response(to: Request, status: int) -> Response:
    """A parsed response whose caches are warm."""
    message = parse(make_response(to, status, to_tag=b"b").to_bytes())
    assert isinstance(message, Response)
    message.__class__ = FreeResponse
    assert message.top_via.branch and message.cseq.method
    return message


def messages(number: int) -> tuple[Request | Response, ...]:
    """Everything one call consists of."""
    invite = request("INVITE", f"z9hG4bK-in-{number:x}", "192.0.2.1:5060")
    invite_out = request("INVITE", f"z9hG4bK-out-{number:x}", "198.51.100.1:5060")
    ack = request("ACK", f"z9hG4bK-ack-{number:x}", "192.0.2.1:5060")
    bye = request("BYE", f"z9hG4bK-bye-{number:x}", "192.0.2.1:5060")
    bye_out = request("BYE", f"z9hG4bK-byeout-{number:x}", "198.51.100.1:5060")
    return (
        invite, invite_out, response(invite, 100), response(invite_out, 180),
        response(invite, 180), response(invite_out, 200), response(invite, 200), ack, bye,
        bye_out, response(bye_out, 200), response(bye, 200),
    )  # fmt: skip


def server_of(layer: TransactionLayer) -> ServerTransaction:
    """The transaction of the request just received."""
    for output in layer.take_outputs():
        if isinstance(output, RequestReceived):
            return output.transaction
    raise AssertionError("no request")


def play(layer: TransactionLayer, call: tuple[Request | Response, ...], now: float) -> None:
    """One call, with the reactor's turns between its packets."""
    invite, invite_out, r100, in180, out180, in200, out200, ack, bye, bye_out, b200in, b200 = call
    assert isinstance(invite_out, Request) and isinstance(bye_out, Request)
    assert isinstance(r100, Response) and isinstance(out180, Response)
    assert isinstance(out200, Response) and isinstance(b200, Response)
    layer.receive(invite, CALLER, now)
    server = server_of(layer)
    layer.respond(server, r100, now)
    layer.request(invite_out, CALLEE, None, now)
    layer.take_outputs()
    layer.next_deadline()
    now += 0.01
    layer.receive(in180, CALLEE, now)
    layer.take_outputs()
    layer.respond(server, out180, now)
    layer.take_outputs()
    layer.next_deadline()
    now += 0.01
    layer.receive(in200, CALLEE, now)
    layer.take_outputs()
    layer.respond(server, out200, now)
    layer.take_outputs()
    layer.next_deadline()
    now += 0.01
    layer.receive(ack, CALLER, now)
    layer.take_outputs()
    layer.next_deadline()
    now += 0.01
    layer.receive(bye, CALLER, now)
    server = server_of(layer)
    layer.request(bye_out, CALLEE, None, now)
    layer.take_outputs()
    layer.next_deadline()
    now += 0.01
    layer.receive(b200in, CALLEE, now)
    layer.take_outputs()
    layer.respond(server, b200, now)
    layer.take_outputs()
    layer.next_deadline()


def main(calls: int) -> None:
    """Play `calls` calls at 300 a second of virtual time; print microseconds per call."""
    gc.collect()
    gc.freeze()
    layer = TransactionLayer(Timers())
    clock = time.perf_counter
    spent = waking = 0.0
    wakes = most = 0
    for start in range(0, calls, 1000):
        batch = [messages(number) for number in range(start, min(calls, start + 1000))]
        for number, call in enumerate(batch, start):
            now = 1000.0 + number / CALLS_A_SECOND
            begun = clock()
            deadline = layer.next_deadline()
            if deadline is not None and deadline <= now:
                layer.advance(now)
                layer.take_outputs()
                wakes += 1
                waking += clock() - begun
            play(layer, call, now)
            spent += clock() - begun
            most = max(most, len(layer))
    begun = clock()
    layer.advance(1e6)
    layer.take_outputs()
    rest = clock() - begun
    print(f"{(spent + rest) / calls * 1e6:.2f} us a call, of that timers "
          f"{(waking + rest) / calls * 1e6:.2f}; {wakes} wake-ups, "
          f"{most} machines at most, {len(layer)} left")  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20000)
