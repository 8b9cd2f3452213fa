"""A scripted user agent on one socket, UDP or TCP, whose every wait has an end."""

import contextlib
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tests.conformance.message import Message, ack_to, fresh, response_to

LOOPBACK: Final = "127.0.0.1"
#: Seconds for what must come, and for being sure that nothing more comes.
PATIENCE: Final = 3.0
QUIET: Final = 0.15


class Silence(AssertionError):
    """What was waited for did not come; the text says what came instead."""


@dataclass
class Agent:
    """A user agent.  ``server`` is where it sends to."""

    server: tuple[str, int]
    user: str = ""
    transport: str = "udp"
    #: Who the tests call: an address of record at the server.
    aor: str = ""
    inbox: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.user = self.user or fresh("u")
        self.aor = self.aor or f"sip:{self.user}@{self.server[0]}:{self.server[1]}"
        self._connection: socket.socket | None = None
        self._pending = b""
        if self.transport == "udp":
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.bind((LOOPBACK, 0))
        else:
            self._socket = socket.create_server((LOOPBACK, 0))
        self.port: int = self._socket.getsockname()[1]
        self.address = f"{LOOPBACK}:{self.port}"
        suffix = ";transport=tcp" if self.transport == "tcp" else ""
        self.contact = f"sip:{self.user}@{self.address}{suffix}"

    def close(self) -> None:
        """Close what is open."""
        if self._connection is not None:
            self._connection.close()
        self._socket.close()

    # Sending.

    def connect(self) -> socket.socket:
        """Open the connection to the server, unless it is open."""
        if self._connection is None:
            self._connection = socket.create_connection(self.server, PATIENCE)
        return self._connection

    def hang_up(self) -> None:
        """Close the connection to the server."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def send_raw(self, data: bytes, to: tuple[str, int] | None = None) -> None:
        """Send octets."""
        if self.transport == "udp":
            self._socket.sendto(data, to or self.server)
        else:
            self.connect().sendall(data)

    def send(self, message: Message, to: tuple[str, int] | None = None) -> Message:
        """Send a message; gives it back."""
        self.send_raw(message.write(), to)
        return message

    def request(self, method: str, uri: str, to: str | None = None) -> Message:
        """A request outside a dialog, not sent yet."""
        sent = Message(f"{method} {uri} SIP/2.0")
        via = f"SIP/2.0/{self.transport.upper()} {self.address};branch=z9hG4bK{fresh('b')}"
        sent.add("Via", via).add("Max-Forwards", "70")
        sent.add("From", f"<{self.aor}>;tag={fresh('f')}").add("To", to or f"<{uri}>")
        sent.add("Call-ID", fresh("c")).add("CSeq", f"1 {method}")
        if method not in ("CANCEL", "ACK", "REGISTER", "OPTIONS", "BYE"):
            sent.add("Contact", f"<{self.contact}>")
        return sent

    def reply(self, request: Message, status: int, tag: str = "", phrase: str = "Said") -> Message:
        """Answer a request to where it came from."""
        if not tag and status > 100:
            tag = f"{self.user}t"
        response = response_to(request, status, tag, phrase)
        if status < 300 and request.method in ("INVITE", "SUBSCRIBE"):
            response.add("Contact", f"<{self.contact}>")
        return self.send(response, request.source)

    def ask(self, request: Message) -> Message:
        """Send a request and wait for its final response; a failed INVITE is acknowledged."""
        self.send(request)
        answer = self.final(request)
        if request.method == "INVITE" and answer.status >= 300:
            self.send(ack_to(request, answer))
        return answer

    def register(self, *contacts: str, expires: int = 600, cseq: int = 1) -> Message:
        """Register at the server; without contacts this agent's own."""
        host, port = self.server
        request = self.request("REGISTER", f"sip:{host}:{port}", f"<{self.aor}>")
        for contact in contacts or (f"<{self.contact}>",):
            request.add("Contact", contact)
        request.put("CSeq", f"{cseq} REGISTER").add("Expires", str(expires))
        return self.ask(request)

    # Receiving.

    def expect(
        self, wanted: Callable[[Message], bool], what: str, within: float = PATIENCE
    ) -> Message:
        """Wait for a message; others wait in the inbox.  Raises Silence."""
        limit = time.monotonic() + within
        looked_at = 0
        while True:
            for message in self.inbox[looked_at:]:
                if wanted(message):
                    self.inbox.remove(message)
                    return message
            looked_at = len(self.inbox)
            if not self._receive(limit - time.monotonic()):
                came = "; ".join(message.start for message in self.inbox) or "nothing"
                raise Silence(f"waited {within:g} s for {what}; there came: {came}")

    def get(self, method: str, within: float = PATIENCE) -> Message:
        """Wait for a request."""
        return self.expect(lambda m: not m.status and m.method == method, method, within)

    def final(self, request: Message, within: float = PATIENCE) -> Message:
        """Wait for the final response to a request."""
        return self.response(request, lambda status: status >= 200, "a final response", within)

    def response(
        self, request: Message, wanted: Callable[[int], bool], what: str, within: float = PATIENCE
    ) -> Message:
        """Wait for a response to a request."""
        call, cseq = request.value("call-id") or request.value("i"), request.value("cseq").split()
        return self.expect(
            lambda m: wanted(m.status) and m.value("call-id") == call
            and m.value("cseq").split() == cseq and m.status > 0,
            f"{what} to {request.start}", within,
        )  # fmt: skip

    def collect(self, seconds: float) -> list[Message]:
        """Everything that has come and comes in the next seconds."""
        limit = time.monotonic() + seconds
        while (left := limit - time.monotonic()) > 0:
            self._receive(left)
        taken, self.inbox = self.inbox, []
        return taken

    def nothing(self, wanted: Callable[[Message], bool], what: str, within: float = QUIET) -> None:
        """Be sure that no such message comes."""
        found = [m.start for m in self.collect(within) if wanted(m)]
        assert not found, f"{what} was not to come: {found}"

    def no_request(self, method: str, within: float = QUIET) -> None:
        """Be sure that no such request comes."""
        self.nothing(lambda m: not m.status and m.method == method, method, within)

    def closed(self, within: float = PATIENCE) -> bool:
        """Whether the server closes our connection."""
        limit = time.monotonic() + within
        with contextlib.suppress(ConnectionError):
            while (left := limit - time.monotonic()) > 0:
                ready, _, _ = select.select([self.connect()], [], [], left)
                if ready and not self.connect().recv(65535):
                    return True
            return False
        return True

    def _receive(self, seconds: float) -> bool:
        """Take in what comes within some seconds; says whether something did."""
        sockets = [self._socket] + ([self._connection] if self._connection else [])
        ready, _, _ = select.select(sockets, [], [], max(seconds, 0))
        if not ready:
            return False
        if self.transport == "udp":
            try:
                data, source = self._socket.recvfrom(65535)
            except ConnectionRefusedError:
                return True
            self._take(data, source)
            return True
        if self._socket in ready:
            self.hang_up()
            self._connection, _ = self._socket.accept()
            return True
        self._read_stream()
        return True

    def _read_stream(self) -> None:
        assert self._connection is not None
        try:
            data = self._connection.recv(65535)
        except ConnectionError:
            data = b""
        if not data:
            self.hang_up()
            return
        self._pending += data
        while True:
            self._pending = self._pending.lstrip(b"\r\n")
            head, end, rest = self._pending.partition(b"\r\n\r\n")
            if not end:
                return
            length = int(Message.read(head + end).value("content-length") or 0)
            if len(rest) < length:
                return
            self._take(head + end + rest[:length], self.server)
            self._pending = rest[length:]

    def _take(self, data: bytes, source: tuple[str, int]) -> None:
        if data.strip(b"\r\n\0"):
            message = Message.read(data)
            message.at, message.source = time.monotonic(), source
            self.inbox.append(message)
