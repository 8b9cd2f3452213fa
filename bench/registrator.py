"""Registers or asks for very many users quickly: one socket, a window of open requests."""

import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.processes import LOOPBACK

#: Few enough that the answers to all of them fit into a socket buffer of the default size.
_WINDOW: Final = 64
_RESEND_AFTER: Final = 0.5
_PATIENCE: Final = 30.0
_REQUEST: Final = (
    "REGISTER sip:{domain} SIP/2.0\r\n"
    "Via: SIP/2.0/{transport} {host}:{own};branch=z9hG4bK-{number:08x}{cseq:04x};rport\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:{user}@{domain}>;tag={number:08x}\r\n"
    "To: <sip:{user}@{domain}>\r\n"
    "Call-ID: {number:08x}-6f1e-4d0b-{own:08x}@{host}\r\n"
    "CSeq: {cseq} REGISTER\r\n"
    "{contact}"
    "User-Agent: bench-phone/1.0 (desk; loopback)\r\n"
    "Content-Length: 0\r\n\r\n"
)
_CONTACT: Final = "Contact: <sip:{user}@{contact};line={number:08x}>\r\nExpires: 3600\r\n"
_CALL_ID: Final = b"Call-ID: "


@dataclass
class Tally:
    """What came of it.  ``bound`` are the users whose 200 lists a contact."""

    accepted: int = 0
    bound: list[int] = field(default_factory=list)
    refused: int = 0
    resent: int = 0
    seconds: float = 0.0
    first_refusal: str = ""


def user_name(number: int) -> str:
    """The name of the n-th user."""
    return f"subscriber{number:07d}"


def register_many(
    target: tuple[str, int],
    count: int,
    contact: str,
    first: int = 0,
    cseq: int = 1,
    patience: float = 30.0,
    transport: str = "udp",
    on_accepted: Callable[[int], object] | None = None,
) -> Tally:
    """Register `count` users, one contact each, over UDP or over one connection.

    `on_accepted` hears how many were accepted so far; `patience` is how long nothing may come.
    """
    run = _Run(target, contact, cseq, patience, transport)
    run.on_accepted = on_accepted
    return run.work(range(first, first + count))


def ask_many(target: tuple[str, int], numbers: Sequence[int], cseq: int = 1) -> Tally:
    """Ask for the contacts of the users with these numbers (a REGISTER without Contact)."""
    return _Run(target, "", cseq, 10.0).work(numbers)


class _Run:
    def __init__(
        self,
        target: tuple[str, int],
        contact: str,
        cseq: int,
        patience: float,
        transport: str = "udp",
    ) -> None:
        self._target = target
        self._contact = contact
        self._cseq = cseq
        self._patience = patience
        self._transport = transport
        self._unread = b""
        self._own = 0
        self._open: dict[int, float] = {}
        self._tally = Tally()
        self.on_accepted: Callable[[int], object] | None = None

    def work(self, numbers: Sequence[int]) -> Tally:
        begin = time.monotonic()
        kind = socket.SOCK_DGRAM if self._transport == "udp" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as ours:
            ours.bind((LOOPBACK, 0))
            ours.connect(self._target)
            ours.setblocking(False)
            self._own = int(ours.getsockname()[1])
            self._loop(ours, numbers)
        self._tally.seconds = time.monotonic() - begin
        return self._tally

    def _loop(self, ours: socket.socket, numbers: Sequence[int]) -> None:
        heard = time.monotonic()
        at = 0
        while at < len(numbers) or self._open:
            while at < len(numbers) and len(self._open) < _WINDOW:
                self._send(ours, numbers[at])
                at += 1
            select.select([ours], [], [], _RESEND_AFTER)
            now = time.monotonic()
            if self._read(ours):
                heard = now
            elif now - heard > self._patience:
                return
            if self._transport == "udp":
                self._resend(ours, now)

    def _send(self, ours: socket.socket, number: int) -> None:
        user = user_name(number)
        contact = self._contact and _CONTACT.format(user=user, contact=self._contact, number=number)
        text = _REQUEST.format(
            transport=self._transport.upper(), domain=LOOPBACK, host=LOOPBACK, own=self._own,
            number=number, cseq=self._cseq, user=user, contact=contact,
        )  # fmt: skip
        self._open[number] = time.monotonic()
        try:
            ours.send(text.encode())
        except (BlockingIOError, ConnectionRefusedError):
            pass  # _resend tries again

    def _read(self, ours: socket.socket) -> bool:
        heard = False
        while True:
            try:
                data = ours.recv(65535)
            except (BlockingIOError, ConnectionRefusedError):
                return heard
            if not data:
                raise ConnectionError("the server has closed the connection")
            heard = True
            if self._transport == "udp":
                self._take(data)
                continue
            # None of the answers has a body.
            *whole, self._unread = (self._unread + data).split(b"\r\n\r\n")
            for message in whole:
                self._take(message)

    def _take(self, data: bytes) -> None:
        at = data.find(_CALL_ID) + len(_CALL_ID)
        number = int(data[at : at + 8], 16)
        if data[8:9] != b"1" and self._open.pop(number, None) is not None:
            self._count(number, data)

    def _count(self, number: int, data: bytes) -> None:
        tally = self._tally
        if data[8:11] != b"200":
            tally.refused += 1
            tally.first_refusal = tally.first_refusal or data.decode(errors="replace")
            return
        tally.accepted += 1
        if b"\r\nContact:" in data:
            tally.bound.append(number)
        if self.on_accepted is not None:
            self.on_accepted(tally.accepted)

    def _resend(self, ours: socket.socket, now: float) -> None:
        # The oldest stands first: what is sent again goes to the end.
        while self._open:
            number, sent = next(iter(self._open.items()))
            if now - sent < _RESEND_AFTER:
                return
            del self._open[number]
            self._tally.resent += 1
            self._send(ours, number)
