"""One call of a `sipproxy.testing.phone.Phone`, from the INVITE to the end that both sides know.

What RFC 3261 leaves to the user agent is here: the callee repeats its 2xx until the ACK is there
(section 13.3.1.4) and hangs up without one; the caller acknowledges every 2xx again, and hangs up
on those that it did not want (section 13.2.2.4): the second phone of a fork, and an answer that
crossed its CANCEL.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from sipproxy.message.builder import make_response
from sipproxy.message.message import Request, Response
from sipproxy.testing.dialog import Dialog, Headers

if TYPE_CHECKING:
    from sipproxy.testing.phone import Phone

#: The states of a call.  The last three are ends.
CALLING: Final = "calling"
RINGING: Final = "ringing"
UP: Final = "up"
ENDED: Final = "ended"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"

_OVER: Final = (ENDED, FAILED, CANCELLED)

Step = tuple[float, int] | tuple[float, int, Headers]


class Sent:
    """A request other than a first INVITE that a phone sent, and what came back."""

    def __init__(self, request: Request, dialog: Dialog | None = None) -> None:
        self.request = request
        self.dialog = dialog
        #: Every status that came, in order; a final one that is repeated stands there again.
        self.statuses: list[int] = []
        self.response: Response | None = None
        #: Why there will be no answer: ``timed out``, or what the transport said.
        self.failure = ""

    @property
    def status(self) -> int:
        """The final status, 0 without one."""
        return self.response.status if self.response is not None else 0

    @property
    def over(self) -> bool:
        """Whether nothing is to come any more."""
        return self.response is not None or bool(self.failure)

    def header(self, name: str) -> str | None:
        """Give a header of the final response."""
        value = self.response.value(name.lower().encode()) if self.response is not None else None
        return value.decode() if value is not None else None

    def contacts(self) -> list[str]:
        """Give the Contact values of the final response, sorted, as a registrar lists them."""
        if self.response is None:
            return []
        return sorted(value.decode() for value in self.response.values(b"contact"))


class Call:
    """A call of ``phone``; ``incoming`` ones have the phone's `Phone.will` carried out."""

    def __init__(self, phone: "Phone", request: Request, incoming: bool) -> None:
        self.phone = phone
        self.request = request
        self.incoming = incoming
        self.state = CALLING
        #: Every status received (of an incoming call: sent), in order; repeated 2xx repeat.
        self.statuses: list[int] = []
        self.response: Response | None = None
        self.dialog: Dialog | None = None
        #: Why it ended without a response: ``timed out``, ``no ACK``, what the transport said.
        self.failure = ""
        #: ``us`` or ``them``, when somebody hung up.
        self.hung_up_by = ""
        self.transaction: Any = None
        #: The caller wants it no more, whatever is answered.
        self.cancelled = False
        #: To tags of answers that were not wanted.
        self.unwanted: dict[bytes, Dialog] = {}
        #: Requests received inside the dialog.
        self.received: list[Request] = []
        self.acknowledged = False
        self._answer: _Answer | None = None

    def __repr__(self) -> str:
        return f"<call of {self.phone.name} {self.state} {self.statuses}>"

    @property
    def status(self) -> int:
        """The final status, 0 without one."""
        return self.response.status if self.response is not None else 0

    @property
    def over(self) -> bool:
        """Whether this side knows that the call is over."""
        return self.state in _OVER

    # --- what the user does

    def cancel(self) -> None:
        """Give up calling; hangs up when it was answered already."""
        if self.state == UP:
            self.hang_up()
        elif not self.over:
            self.cancelled = True
            self.phone.driver.cancel(self.transaction)
            self.phone.driver.end_of_turn()

    def hang_up(self) -> Sent | None:
        """Send BYE; what comes back does not matter, the call is over.

        A callee waits for the ACK first (section 15.1.1); None while it does, and without a call.
        """
        if self.dialog is None or self.state != UP:
            return None
        if self._answer is not None:
            self.phone.later(0.1, self.hang_up)
            return None
        self._end("us")
        return self.send("BYE")

    def send(self, method: str, headers: Headers = (), body: str = "") -> Sent:
        """Send a request inside the dialog: a re-INVITE, INFO, MESSAGE, UPDATE."""
        assert self.dialog is not None, "there is no dialog yet"
        return self.phone.send_in_dialog(self.dialog, method, headers, body)

    def later(self, seconds: float, what: str) -> "Call":
        """Have ``hang_up`` or ``cancel`` done after so many seconds; gives the call."""
        self.phone.later(seconds, getattr(self, what))
        return self

    # --- the caller's side

    def answered(self, response: Response) -> None:
        """Take a response to our INVITE."""
        status = response.status
        self.statuses.append(status)
        if status < 200:
            if status > 100 and self.state == CALLING:
                self.state = RINGING
        elif status < 300:
            self._accepted(response)
        elif not self.over and self.response is None:
            self.response = response
            self.state = CANCELLED if status == 487 and self.cancelled else FAILED

    def _accepted(self, response: Response) -> None:
        dialog = Dialog.of_response(self.request, response, self.phone.strict)
        tag = response.to_tag or b""
        if self.dialog is not None and self.dialog.key == dialog.key:
            self.phone.acknowledge(self.dialog, self.request.cseq.number)  # it was lost, or late
            return
        if tag in self.unwanted:
            self.phone.acknowledge(self.unwanted[tag], self.request.cseq.number)
            return
        self.phone.acknowledge(dialog, self.request.cseq.number)
        if self.response is None and not self.over:
            self.response = response
            self.dialog = dialog
            self.phone.dialogs[dialog.key] = self
            self.state = UP
            if self.cancelled:
                self.hang_up()
            return
        self.unwanted[tag] = dialog
        self.phone.send_in_dialog(dialog, "BYE")

    def gave_up(self, why: str) -> None:
        """Hear that the INVITE got no final response."""
        if not self.over and self.response is None:
            self.failure = why
            self.state = CANCELLED if self.cancelled else FAILED

    # --- the callee's side

    def play(self, steps: Sequence[Step]) -> None:
        """Carry out what the phone will do."""
        for step in steps:
            after, status, headers = step if len(step) == 3 else (*step, ())
            if after:
                self.phone.later(after, self.respond, status, headers)
            else:
                self.respond(status, headers)

    def respond(self, status: int, headers: Headers = ()) -> None:
        """Answer with a status, if the caller still waits for one."""
        if self.over or self.response is not None:
            return
        phone = self.phone
        more = [(name.lower().encode(), value.encode()) for name, value in headers]
        tag = phone.tag_of(self)
        if 100 < status < 300:
            more += [(b"record-route", value) for value in self.request.raw_values(b"record-route")]
            more.append((b"contact", phone.contact.encode()))
        response = make_response(self.request, status, None, tag.encode(), more)
        self.statuses.append(status)
        phone.driver.respond(self.transaction, response)
        if 100 < status < 200:
            self.state = RINGING
        elif status >= 200:
            self._final(response, tag)
        phone.driver.end_of_turn()

    def _final(self, response: Response, tag: str) -> None:
        self.response = response
        if response.status >= 300:
            self.state = CANCELLED if response.status == 487 and self.cancelled else FAILED
            return
        self.state = UP
        self.dialog = Dialog.of_request(self.request, tag, self.phone.strict)
        self.phone.dialogs[self.dialog.key] = self
        self._answer = _Answer(self, self.transaction, response)

    def cancel_received(self) -> None:
        """The caller gave up."""
        if not self.over and self.response is None:
            self.cancelled = True
            self.respond(487)

    def ack_received(self) -> None:
        """The caller has our 2xx."""
        self.acknowledged = True
        if self._answer is not None:
            self._answer.stop()
            self._answer = None

    def no_ack(self) -> None:
        """Nobody acknowledged the 2xx: hang up (section 13.3.1.4)."""
        self._answer = None
        if self.state == UP:
            self.hang_up()
            self.failure = "no ACK"
            self.hung_up_by = "us"

    # --- inside the dialog

    def request_received(self, transaction: Any, request: Request) -> None:
        """Take a request inside the dialog."""
        assert self.dialog is not None
        driver = self.phone.driver
        if request.cseq.number <= self.dialog.remote_cseq:
            driver.respond(transaction, make_response(request, 500))
            return
        self.dialog.remote_cseq = request.cseq.number
        self.received.append(request)
        if request.method == "BYE":
            driver.respond(transaction, make_response(request, 200))
            if not self.over:
                self._end("them")
        elif self.over:
            driver.respond(transaction, make_response(request, 481))
        elif request.method == "INVITE":
            self.dialog.refresh(request)
            response = make_response(
                request, 200, headers=[(b"contact", self.phone.contact.encode())]
            )
            driver.respond(transaction, response)
            self._answer = _Answer(self, transaction, response)
        else:
            driver.respond(transaction, make_response(request, 200))

    def _end(self, by: str) -> None:
        self.state = ENDED
        self.hung_up_by = by
        if self._answer is not None and by == "them":
            self._answer.stop()
            self._answer = None


class _Answer:
    """A 2xx that is repeated until the ACK comes."""

    def __init__(self, call: Call, transaction: Any, response: Response) -> None:
        self._call = call
        self._transaction = transaction
        self._response = response
        timers = call.phone.layer.timers
        self._wait = timers.t1
        self._longest = timers.t2
        self._end = call.phone.clock.seconds() + 64 * timers.t1
        self._delayed = call.phone.later(self._wait, self._again)

    def stop(self) -> None:
        """The ACK is there, or nobody waits for an answer any more."""
        if self._delayed.active():
            self._delayed.cancel()

    def _again(self) -> None:
        phone = self._call.phone
        if phone.clock.seconds() >= self._end:
            self._call.no_ack()
            return
        self._wait = min(2 * self._wait, self._longest)
        self._delayed = phone.later(self._wait, self._again)
        phone.driver.respond(self._transaction, self._response)
        phone.driver.end_of_turn()
