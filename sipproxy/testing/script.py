"""Transaction scripts: what goes into a transaction layer and what must come out, as text.

A script is a text file; one step a line, ``#`` begins a comment. There is one layer, one remote
element at 192.0.2.1:5060 and virtual time that begins at 0.

=====================================  ===========================================================
``transport tcp``                      first line only; udp when left out
``inject_wire INVITE [options]``       a request arrives
``inject_wire 180 [options]``          a response arrives, to the request last sent with the
                                       method of ``cseq`` (the first request sent when left out)
``inject_wire error``                  the transport reports a failure for the transaction
``inject_tu send INVITE``              the user starts a client transaction
``inject_tu 180``                      the user responds
``inject_tu trying``                   the user wants 100 Trying to be sent
``inject_tu cancel``                   the user cancels
``expect_wire INVITE [options]``       exactly this is sent next
``expect_tu request INVITE``           the user is given a request; likewise ``ack``,
                                       ``response 180``, ``timed_out``, ``failed``, ``terminated``
``advance 0.5``                        so many seconds pass, every timer firing at its time
``expect_live 2``                      so many transactions are in the layer's tables
=====================================  ===========================================================

Every output must be expected: one that is left when the next thing is injected, when time passes
or when the script ends is a fault, so "nothing happens" needs no words.

Options, as ``name=value``: ``branch`` (of the topmost Via; ``none`` leaves it out, ``upper`` puts
ours in capitals), ``via`` (sent-by), ``rport=yes``, ``tag`` (To tag), ``call`` (Call-ID), ``cseq``
(method of CSeq), ``at`` (expect_wire: destination as host:port), ``in`` (the method of the
transaction meant, when it is not the first of the script), ``stray=yes`` (expect_tu: with no
transaction).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sipproxy.message.builder import make_response
from sipproxy.message.message import Message, Request, Response
from sipproxy.message.parser import parse
from sipproxy.transaction.layer import TransactionLayer
from sipproxy.transaction.machine import ClientTransaction, ServerTransaction, Transaction
from sipproxy.transaction.outputs import (
    AckReceived,
    Failed,
    Output,
    RequestReceived,
    ResponseReceived,
    Send,
    Terminated,
    TimedOut,
)
from sipproxy.transaction.peer import Peer
from sipproxy.transaction.timers import Timers

REMOTE: Final = ("192.0.2.1", 5060)
REMOTE_SENT_BY: Final = "192.0.2.1:5060"
LOCAL: Final = "198.51.100.1:5060"
NO_OPTIONS: Final[Mapping[str, str]] = {}
VERBS: Final = ("transport", "inject_wire", "inject_tu", "expect_wire", "expect_tu", "expect_live")


class ScriptFault(AssertionError):
    """A script that is wrong, or a layer that is: the text begins with file and line."""


class Step:
    """One line: a verb, its words, its options."""

    __slots__ = ("line", "verb", "words", "options")

    def __init__(self, line: int, text: str) -> None:
        parts = text.split()
        self.line: int = line
        self.verb: str = parts[0]
        self.words: list[str] = [part for part in parts[1:] if "=" not in part]
        self.options: dict[str, str] = dict(part.split("=", 1) for part in parts[1:] if "=" in part)

    def __str__(self) -> str:
        options = [f"{name}={value}" for name, value in self.options.items()]
        return " ".join([self.verb, *self.words, *options])


class Script:
    """The steps of one script and the name to blame."""

    __slots__ = ("name", "steps")

    def __init__(self, name: str, text: str) -> None:
        self.name: str = name
        self.steps: list[Step] = []
        for number, line in enumerate(text.splitlines(), 1):
            bare = line.partition("#")[0].strip()
            if bare:
                self.steps.append(Step(number, bare))


def read_script(path: Path) -> Script:
    """The script in a file."""
    return Script(path.name, path.read_text(encoding="utf-8"))


def run_script(script: Script, timers: Timers | None = None) -> TransactionLayer:
    """Play a script on a fresh layer and return the layer; raises ScriptFault."""
    run = _Run(timers or Timers())
    for step in script.steps:
        try:
            run.play(step)
        except ScriptFault as fault:
            raise ScriptFault(f"{script.name}:{step.line}: {step}: {fault}") from None
    try:
        run.nothing_left()
    except ScriptFault as fault:
        raise ScriptFault(f"{script.name}: at the end: {fault}") from None
    return run.layer


class _Run:
    """One performance of one script."""

    def __init__(self, timers: Timers) -> None:
        self.layer: TransactionLayer = TransactionLayer(timers)
        self.now: float = 0.0
        self.peer: Peer = Peer("udp", *REMOTE, sent_by=LOCAL.encode())
        self.wire: list[Send] = []
        self.user: list[Output] = []
        self.first: str = ""
        self.transactions: dict[str, Transaction] = {}
        self.received: dict[str, Request] = {}
        self.sent: dict[str, Request] = {}

    def play(self, step: Step) -> None:
        """Do what one line says."""
        if step.verb == "expect_wire":
            self._expect_wire(step)
        elif step.verb == "expect_tu":
            self._expect_tu(step)
        elif step.verb == "expect_live":
            if len(self.layer) != int(step.words[0]):
                raise ScriptFault(f"there are {len(self.layer)}")
        else:
            self.nothing_left()
            self._inject(step)
            self._collect()

    def nothing_left(self) -> None:
        """Raise ScriptFault when something came out that no line expected."""
        left = [_wire_text(send) for send in self.wire] + [_tu_text(out) for out in self.user]
        if left:
            raise ScriptFault(f"not expected at {self.now:g} s: {', '.join(left)}")

    def _inject(self, step: Step) -> None:
        if step.verb == "transport":
            connection = 0 if step.words[0] == "udp" else 1
            self.peer = Peer(step.words[0], *REMOTE, connection=connection, sent_by=LOCAL.encode())
        elif step.verb == "inject_wire":
            self._inject_wire(step)
        elif step.verb == "inject_tu":
            self._inject_tu(step)
        elif step.verb == "advance":
            self._advance(self.now + float(step.words[0]))
        else:
            raise ScriptFault(f"no such verb; there are {', '.join(VERBS)} and advance")

    def _advance(self, target: float) -> None:
        deadline = self.layer.next_deadline()
        while deadline is not None and deadline <= target:
            self.now = max(self.now, deadline)
            self.layer.advance(self.now)
            deadline = self.layer.next_deadline()
        self.now = target
        self.layer.advance(target)

    def _inject_wire(self, step: Step) -> None:
        word = step.words[0]
        if word == "error":
            self.layer.transport_failed(self._transaction(step), "connection refused", self.now)
        elif word.isdigit():
            self.layer.receive(self._response_from_wire(step), self.peer, self.now)
        else:
            request = parse(request_bytes(word, self.peer, step.options))
            self.layer.receive(request, self.peer, self.now)

    def _inject_tu(self, step: Step) -> None:
        word = step.words[0]
        if word == "send":
            self._start(step.words[1], step.options)
            return
        transaction = self._transaction(step)
        if word == "cancel" and isinstance(transaction, ClientTransaction):
            self.layer.cancel(transaction, self.now)
        elif word == "trying" and isinstance(transaction, ServerTransaction):
            self.layer.trying(transaction, self.now)
        elif word.isdigit() and isinstance(transaction, ServerTransaction):
            request = self.received[transaction.method]
            tag = step.options.get("tag", "ours").encode()
            response = make_response(request, int(word), to_tag=tag)
            self.layer.respond(transaction, response, self.now)
        else:
            raise ScriptFault("the transaction user cannot do that here")

    def _start(self, method: str, options: dict[str, str]) -> None:
        request = parse(request_bytes(method, self.peer, options, LOCAL))
        assert isinstance(request, Request)
        self.sent[method] = request.clone()
        self._remember(method, self.layer.request(request, self.peer, None, self.now))

    def _response_from_wire(self, step: Step) -> Response:
        """An answer to what we sent, bent as the options ask."""
        method = step.options.get("cseq", self.first)
        request = self.sent.get(method) or self.sent[self.first]
        tag = step.options.get("tag", "theirs").encode()
        response = make_response(request, int(step.words[0]), to_tag=tag)
        if method not in self.sent:
            response.set(b"cseq", b"1 " + method.encode())
        branch = step.options.get("branch")
        if branch is not None:
            via = response.values(b"via")[0]
            old = response.top_via.branch or b""
            new = old.upper() if branch == "upper" else branch.encode()
            response.set(b"via", via.replace(old, new))
        answer = parse(response.to_bytes())
        assert isinstance(answer, Response)
        return answer

    def _transaction(self, step: Step) -> Transaction:
        method = step.options.get("in", self.first)
        if method not in self.transactions:
            raise ScriptFault(f"there is no {method or 'transaction'} yet")
        return self.transactions[method]

    def _remember(self, method: str, transaction: Transaction) -> None:
        self.first = self.first or method
        self.transactions[method] = transaction

    def _collect(self) -> None:
        """Sort what came out; remember new transactions and sent requests by method."""
        for output in self.layer.take_outputs():
            if isinstance(output, Send):
                self.wire.append(output)
                message = parse(output.data)
                if isinstance(message, Request) and message.method != "ACK":
                    self.sent[message.method] = message
                continue
            self.user.append(output)
            if isinstance(output, RequestReceived):
                self._remember(output.request.method, output.transaction)
                self.received[output.request.method] = output.request.clone()

    def _expect_wire(self, step: Step) -> None:
        if not self.wire:
            raise ScriptFault("nothing was sent")
        send = self.wire.pop(0)
        message = parse(send.data)
        if _wire_text(send) != step.words[0]:
            raise ScriptFault(f"{_wire_text(send)} was sent")
        options = {"at": f"{send.peer.host}:{send.peer.port}", **_options_of(message)}
        for name, wanted in step.options.items():
            if options.get(name) != wanted:
                raise ScriptFault(f"it was sent with {name}={options.get(name)}")

    def _expect_tu(self, step: Step) -> None:
        if not self.user:
            raise ScriptFault("the user was told nothing")
        output = self.user.pop(0)
        wanted = " ".join(step.words) + (" stray" if step.options.get("stray") else "")
        if _tu_text(output) != wanted:
            raise ScriptFault(f"the user was told {_tu_text(output)}")
        method = step.options.get("in")
        if method is not None and _transaction_of(output) is not self.transactions.get(method):
            raise ScriptFault("the user was told so of another transaction")


def request_bytes(
    method: str, peer: Peer, options: Mapping[str, str] = NO_OPTIONS, sent_by: str = REMOTE_SENT_BY
) -> bytes:
    """A request as it would come from `peer`, with the options a script has.

    `sent_by` stands in its Via; with our own it is a request the user could send.
    """
    branch = options.get("branch", "z9hG4bK-script")
    via = f"SIP/2.0/{peer.transport.upper()} {options.get('via', sent_by)}"
    via += "" if branch == "none" else f";branch={branch}"
    via += ";rport" if options.get("rport") else ""
    to = "<sip:bob@biloxi.example.com>" + (f";tag={options['tag']}" if "tag" in options else "")
    lines = (
        f"{method} sip:bob@biloxi.example.com SIP/2.0",
        f"Via: {via}",
        "Max-Forwards: 70",
        f"To: {to}",
        "From: <sip:alice@atlanta.example.com>;tag=alice",
        f"Call-ID: {options.get('call', 'script')}",
        f"CSeq: 1 {options.get('cseq', method)}",
        "Content-Length: 0",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _options_of(message: Message) -> dict[str, str]:
    """What ``expect_wire`` can compare of a message, beside its name."""
    return {
        "branch": (message.top_via.branch or b"none").decode(),
        "tag": (message.to_tag or b"").decode(),
        "cseq": message.cseq.method,
        "call": message.call_id.decode(),
    }


def _wire_text(send: Send) -> str:
    """Method or status of what is sent."""
    message = parse(send.data)
    return message.method if isinstance(message, Request) else str(message.status)


def _tu_text(output: Output) -> str:
    """An output for the user in the words of ``expect_tu``."""
    text = type(output).__name__
    if isinstance(output, RequestReceived):
        text = f"request {output.request.method}"
    elif isinstance(output, AckReceived):
        text = "ack" if output.transaction is not None else "ack stray"
    elif isinstance(output, ResponseReceived):
        text = f"response {output.response.status}"
        text += "" if output.transaction is not None else " stray"
    elif isinstance(output, TimedOut):
        text = "timed_out"
    elif isinstance(output, (Failed, Terminated)):
        text = text.lower()
    return text


def _transaction_of(output: Output) -> Transaction | None:
    """The transaction an output speaks of."""
    if isinstance(
        output, (RequestReceived, AckReceived, ResponseReceived, TimedOut, Failed, Terminated)
    ):
        return output.transaction
    return None
