"""A small telephone for the live tests: plain sockets, every read with a time limit.

It announces exactly the Contact it is told to, private or wrong, and shares no code with the
server: what the server says is read by other eyes.
"""

import itertools
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

PATIENCE: Final = 15.0
_SDP: Final = (
    "v=0\r\no=phone 1 {version} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
)
_numbers = itertools.count(1)


class Silence(AssertionError):
    """What a phone waited for did not come; the text says what came instead."""


@dataclass
class Message:
    """A SIP message as a phone reads it: names in lower case, each line a value."""

    start: str
    headers: list[tuple[str, str]]
    body: str = ""

    @classmethod
    def read(cls, text: str) -> "Message":
        """Take a message apart."""
        head, _, body = text.partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        headers = []
        for line in lines:
            name, _, value = line.partition(":")
            headers.append((name.strip().lower(), value.strip()))
        return cls(start, headers, body)

    @property
    def status(self) -> int:
        """The status of a response; 0 for a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        """The method of the request, or of the request that this is the response to."""
        return self.value("cseq").split()[1]

    @property
    def uri(self) -> str:
        """The Request-URI."""
        return self.start.split()[1]

    def value(self, name: str) -> str:
        """The first value of a header; an empty text when there is none."""
        return next((value for key, value in self.headers if key == name), "")

    def values(self, name: str) -> list[str]:
        """All values of a header whose values hold no commas but between them."""
        lines = [value for key, value in self.headers if key == name]
        return [part.strip() for line in lines for part in line.split(",")]

    def tag(self, name: str) -> str:
        """The tag of From or To."""
        return self.value(name).rpartition(";tag=")[2] if ";tag=" in self.value(name) else ""


def uri_of(value: str) -> str:
    """The URI inside the angle brackets of a header's value."""
    return value.partition("<")[2].partition(">")[0]


@dataclass
class Dialog:
    """What a phone remembers of a call: RFC 3261 section 12."""

    call_id: str
    local: str
    remote: str
    target: str
    routes: list[str] = field(default_factory=list)
    cseq: int = 1


class Phone:
    """One telephone on one socket.  Make it inside a namespace and it is there."""

    def __init__(
        self,
        user: str,
        server: tuple[str, int],
        transport: str = "udp",
        domain: str | None = None,
        contact: str | None = None,
        port: int = 0,
    ) -> None:
        self.user = user
        self.domain = domain or server[0]
        self.transport = transport
        self._server = server
        self._pending = b""
        self._waiting: list[Message] = []
        if transport == "udp":
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.bind(("", port))
            self._socket.connect(server)
        else:
            self._socket = socket.create_connection(server, PATIENCE)
        self._socket.settimeout(PATIENCE)
        host, own_port = self._socket.getsockname()[:2]
        self.host = host
        self.sent_by = f"{host}:{own_port}"
        parameter = "" if transport == "udp" else ";transport=tcp"
        self.contact = contact or f"sip:{user}@{self.sent_by}{parameter}"
        self.address = f"sip:{user}@{self.domain}"
        self._registration = f"reg-{next(_numbers)}-{user}-{own_port}"
        self._registrations = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    # Registration.

    def register(self, expires: int = 3600) -> Message:
        """Register this phone's Contact (0: take it back); gives the final answer."""
        contact = f"Contact: <{self.contact}>;expires={expires}"
        return self._register([contact])

    def bindings(self) -> list[str]:
        """Ask where this user is registered; gives the Contact values of the 200."""
        answer = self._register([])
        assert answer.status == 200, answer.start
        return answer.values("contact")

    def _register(self, extra: list[str]) -> Message:
        self._registrations += 1
        own = f"<{self.address}>"
        return self.ask(
            "REGISTER", f"sip:{self.domain}", f"{own};tag={self.user}-r", own,
            self._registration, self._registrations, extra,
        )  # fmt: skip

    # Calls.

    def invite(self, uri: str) -> "OutgoingCall":
        """Begin a call; the answers are still to be read."""
        call_id = f"call-{next(_numbers)}-{self.user}-{self.sent_by}"
        local = f"<{self.address}>;tag={self.user}-{next(_numbers)}"
        dialog = Dialog(call_id, local, f"<{uri}>", uri)
        return OutgoingCall(self, dialog, self.send_invite(dialog))

    def send_invite(self, dialog: Dialog, version: int = 1) -> str:
        """Send an INVITE with an offer; gives its branch."""
        extra = [f"Contact: <{self.contact}>", "Content-Type: application/sdp"]
        body = _SDP.format(version=version, host=self.host)
        return self.send_request("INVITE", dialog, dialog.cseq, extra, body)

    def answer_invite(self) -> tuple[Dialog, Message]:
        """Wait for an INVITE, ring, answer; gives the dialog and the INVITE.  No ACK is read."""
        invite = self.request("INVITE")
        dialog = self.dialog_of(invite)
        self.respond(invite, 180, dialog)
        self.respond(invite, 200, dialog, _SDP.format(version=1, host=self.host))
        return dialog, invite

    def dialog_of(self, invite: Message) -> Dialog:
        """The callee's side of the call that an INVITE begins."""
        tag = invite.tag("to")
        local = invite.value("to") + ("" if tag else f";tag={self.user}-{next(_numbers)}")
        return Dialog(
            invite.value("call-id"), local, invite.value("from"),
            uri_of(invite.value("contact")), invite.values("record-route"),
        )  # fmt: skip

    def respond(
        self, request: Message, status: int, dialog: Dialog | None = None, body: str = ""
    ) -> None:
        """Answer a request; with a dialog the To of the answer has our tag and Contact."""
        copied = [
            f"{name}: {value}"
            for name, value in request.headers
            if name in ("via", "record-route", "from", "call-id", "cseq")
        ]
        to = dialog.local if dialog else request.value("to")
        lines = [f"SIP/2.0 {status} Answer", *copied, f"To: {to}"]
        if dialog:
            lines.append(f"Contact: <{self.contact}>")
        if body:
            lines.append("Content-Type: application/sdp")
        self.send(lines, body)

    def hang_up(self, dialog: Dialog) -> Message:
        """Send BYE; gives the final answer to it."""
        dialog.cseq += 1
        self.send_request("BYE", dialog, dialog.cseq)
        return self.final("BYE")

    # What passes over the wire.

    def ask(
        self, method: str, uri: str, local: str, remote: str, call_id: str, cseq: int,
        extra: list[str] | None = None,
    ) -> Message:  # fmt: skip
        """Send a request outside a dialog and wait for its final answer."""
        dialog = Dialog(call_id, local, remote, uri)
        self.send_request(method, dialog, cseq, extra)
        return self.final(method)

    def options(self, uri: str) -> Message:
        """Ask OPTIONS of somebody; gives the final answer."""
        call_id = f"options-{next(_numbers)}-{self.sent_by}"
        return self.ask("OPTIONS", uri, f"<{self.address}>;tag=o", f"<{uri}>", call_id, 1)

    def send_request(
        self, method: str, dialog: Dialog, cseq: int,
        extra: list[str] | None = None, body: str = "", branch: str | None = None,
    ) -> str:  # fmt: skip
        """Send a request as the dialog has it; gives its branch."""
        branch = branch or f"z9hG4bK-{self.user}-{next(_numbers)}"
        transport = self.transport.upper()
        lines = [
            f"{method} {dialog.target} SIP/2.0",
            f"Via: SIP/2.0/{transport} {self.sent_by};branch={branch};rport",
            "Max-Forwards: 70",
            *[f"Route: {route}" for route in dialog.routes],
            f"From: {dialog.local}",
            f"To: {dialog.remote}",
            f"Call-ID: {dialog.call_id}",
            f"CSeq: {cseq} {method}",
            *(extra or []),
        ]
        self.send(lines, body)
        return branch

    def send(self, lines: list[str], body: str = "") -> None:
        """Send lines and a body; adds Content-Length."""
        text = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])
        self._socket.sendall(text.encode())

    def request(self, method: str) -> Message:
        """Wait for a request.  Raises Silence."""
        return self._wait(lambda message: not message.status and message.method == method, method)

    def final(self, method: str) -> Message:
        """Wait for the final answer to a request of ours.  Raises Silence."""
        return self._wait(
            lambda message: message.status >= 200 and message.method == method,
            f"a final answer to {method}",
        )

    def provisional(self, status: int) -> Message:
        """Wait for a certain provisional answer.  Raises Silence."""
        return self._wait(lambda message: message.status == status, str(status))

    def _wait(self, wanted: Callable[[Message], bool], what: str) -> Message:
        limit = time.monotonic() + PATIENCE
        for message in self._waiting:
            if wanted(message):
                self._waiting.remove(message)
                return message
        while time.monotonic() < limit:
            try:
                message = self._receive()
            except TimeoutError:
                break
            if wanted(message):
                return message
            self._waiting.append(message)
        came = ", ".join(message.start for message in self._waiting) or "nothing"
        raise Silence(f"{self.user} waited for {what}; there came: {came}")

    def _receive(self) -> Message:
        if self.transport == "udp":
            return Message.read(self._socket.recv(65535).decode())
        while True:
            self._pending = self._pending.lstrip(b"\r\n")
            head, end, rest = self._pending.partition(b"\r\n\r\n")
            if end:
                message = Message.read((head + end).decode())
                length = int(message.value("content-length") or message.value("l") or 0)
                if len(rest) >= length:
                    message.body = rest[:length].decode()
                    self._pending = rest[length:]
                    return message
            data = self._socket.recv(65535)
            if not data:
                raise Silence(f"{self.user}: the server has closed the connection")
            self._pending += data


class OutgoingCall:
    """A call that a phone has begun."""

    def __init__(self, phone: Phone, dialog: Dialog, branch: str) -> None:
        self.phone = phone
        self.dialog = dialog
        self._branch = branch
        self._established = False

    def answered(self) -> Message:
        """Wait for the 200, learn the dialog from it and acknowledge it."""
        answer = self.phone.final("INVITE")
        assert answer.status == 200, answer.start
        if not self._established:
            # A later INVITE may move the target, but never the way to it: section 12.2.
            self.dialog.routes = answer.values("record-route")[::-1]
            self._established = True
        self.dialog.remote = answer.value("to")
        self.dialog.target = uri_of(answer.value("contact"))
        self.phone.send_request("ACK", self.dialog, self.dialog.cseq)
        return answer

    def refused(self) -> Message:
        """Wait for the final refusal and acknowledge it."""
        answer = self.phone.final("INVITE")
        assert answer.status >= 300, answer.start
        ended = Dialog(
            self.dialog.call_id, self.dialog.local, answer.value("to"), self.dialog.target
        )
        self.phone.send_request("ACK", ended, self.dialog.cseq, branch=self._branch)
        return answer

    def cancel(self) -> Message:
        """Give the call up; gives the answer to the CANCEL."""
        self.phone.send_request("CANCEL", self.dialog, self.dialog.cseq, branch=self._branch)
        return self.phone.final("CANCEL")

    def change(self) -> None:
        """Send a re-INVITE, as putting on hold does; its answer is still to be read."""
        self.dialog.cseq += 1
        self._branch = self.phone.send_invite(self.dialog, version=2)
