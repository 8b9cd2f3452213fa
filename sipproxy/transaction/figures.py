"""The four figures of RFC 3261 section 17, with the Accepted states of RFC 6026, as data.

The machines do not read this: each spells its figure out in branches, which is faster. The tests
hold them against it, every state with every event, and the drawings in the documentation are
made from it. A pair without a row means: nothing happens, the state stays.

Entering Terminated always tells the user so; that is not repeated in the actions. Actions that
set a timer are spelled "set X" with the letter of `timers`.
"""

from typing import Final

from sipproxy.transaction.machine import State

# Events.
INVITE: Final = "INVITE"
REQUEST: Final = "request"
ACK: Final = "ACK"
PROVISIONAL: Final = "1xx"
SUCCESS: Final = "2xx"
FAILURE: Final = "300-699"
FINAL: Final = "200-699"
TRANSPORT_ERROR: Final = "transport error"
CANCEL: Final = "cancel"
TIMER_TRYING: Final = "200 ms of silence"

# Actions.
SEND_RESPONSE: Final = "send response"
SEND_REQUEST: Final = "send request"
SEND_ACK: Final = "send ACK"
SEND_CANCEL: Final = "send CANCEL"
SEND_TRYING: Final = "send 100"
ACK_TO_USER: Final = "ACK to user"
RESPONSE_TO_USER: Final = "response to user"
TELL_TIMED_OUT: Final = "tell user: timed out"
TELL_FAILED: Final = "tell user: failed"


def timer(letter: str) -> str:
    """The event of a timer firing."""
    return f"timer {letter}"


class Row:
    """One arrow of a figure."""

    __slots__ = ("state", "event", "next_state", "actions")

    def __init__(self, state: State, event: str, next_state: State, *actions: str) -> None:
        self.state: State = state
        self.event: str = event
        self.next_state: State = next_state
        self.actions: tuple[str, ...] = actions

    def __repr__(self) -> str:
        does = ", ".join(self.actions) or "nothing"
        return f"{self.state.value} --{self.event}--> {self.next_state.value}: {does}"


class Figure:
    """One machine: `rows` over an unreliable transport, `reliable` the rows that differ else."""

    __slots__ = ("name", "source", "states", "events", "rows", "reliable")

    def __init__(
        self,
        name: str,
        source: str,
        states: tuple[State, ...],
        events: tuple[str, ...],
        rows: tuple[Row, ...],
        reliable: tuple[Row | tuple[State, str], ...],
    ) -> None:
        """`states` begins with the first one; a pair in `reliable` takes its row away."""
        self.name: str = name
        self.source: str = source
        self.states: tuple[State, ...] = states
        self.events: tuple[str, ...] = events
        self.rows: tuple[Row, ...] = rows
        self.reliable: tuple[Row | tuple[State, str], ...] = reliable

    def arrows(self, reliable: bool) -> dict[tuple[State, str], Row]:
        """The rows for one kind of transport, by state and event."""
        arrows = {(row.state, row.event): row for row in self.rows}
        if reliable:
            for change in self.reliable:
                if isinstance(change, Row):
                    arrows[change.state, change.event] = change
                else:
                    del arrows[change]
        return arrows


_CALLING = State.CALLING
_TRYING = State.TRYING
_PROCEEDING = State.PROCEEDING
_ACCEPTED = State.ACCEPTED
_COMPLETED = State.COMPLETED
_CONFIRMED = State.CONFIRMED
_TERMINATED = State.TERMINATED

CLIENT_INVITE: Final = Figure(
    "INVITE client transaction",
    "RFC 3261 figure 5, RFC 6026 section 7.2; cancelling: RFC 3261 section 9.1",
    (_CALLING, _PROCEEDING, _ACCEPTED, _COMPLETED, _TERMINATED),
    (
        PROVISIONAL,
        SUCCESS,
        FAILURE,
        timer("A"),
        timer("B"),
        timer("D"),
        timer("M"),
        TRANSPORT_ERROR,
        CANCEL,
    ),
    (
        Row(_CALLING, timer("A"), _CALLING, SEND_REQUEST, "set A"),
        Row(_CALLING, timer("B"), _TERMINATED, TELL_TIMED_OUT),
        Row(_CALLING, TRANSPORT_ERROR, _TERMINATED, TELL_FAILED),
        Row(_CALLING, PROVISIONAL, _PROCEEDING, RESPONSE_TO_USER),
        Row(_CALLING, SUCCESS, _ACCEPTED, RESPONSE_TO_USER, "set M"),
        Row(_CALLING, FAILURE, _COMPLETED, SEND_ACK, RESPONSE_TO_USER, "set D"),
        Row(_PROCEEDING, PROVISIONAL, _PROCEEDING, RESPONSE_TO_USER),
        Row(_PROCEEDING, SUCCESS, _ACCEPTED, RESPONSE_TO_USER, "set M"),
        Row(_PROCEEDING, FAILURE, _COMPLETED, SEND_ACK, RESPONSE_TO_USER, "set D"),
        Row(_PROCEEDING, CANCEL, _PROCEEDING, SEND_CANCEL, "set B"),
        Row(_ACCEPTED, SUCCESS, _ACCEPTED, RESPONSE_TO_USER),
        Row(_ACCEPTED, timer("M"), _TERMINATED),
        Row(_COMPLETED, FAILURE, _COMPLETED, SEND_ACK),
        Row(_COMPLETED, TRANSPORT_ERROR, _TERMINATED, TELL_FAILED),
        Row(_COMPLETED, timer("D"), _TERMINATED),
    ),
    (
        (_CALLING, timer("A")),
        Row(_CALLING, FAILURE, _TERMINATED, SEND_ACK, RESPONSE_TO_USER),
        Row(_PROCEEDING, FAILURE, _TERMINATED, SEND_ACK, RESPONSE_TO_USER),
        (_COMPLETED, FAILURE),
        (_COMPLETED, TRANSPORT_ERROR),
        (_COMPLETED, timer("D")),
    ),
)

CLIENT_NONINVITE: Final = Figure(
    "non-INVITE client transaction",
    "RFC 3261 figure 6",
    (_TRYING, _PROCEEDING, _COMPLETED, _TERMINATED),
    (PROVISIONAL, FINAL, timer("E"), timer("F"), timer("K"), TRANSPORT_ERROR),
    (
        Row(_TRYING, timer("E"), _TRYING, SEND_REQUEST, "set E"),
        Row(_TRYING, timer("F"), _TERMINATED, TELL_TIMED_OUT),
        Row(_TRYING, TRANSPORT_ERROR, _TERMINATED, TELL_FAILED),
        Row(_TRYING, PROVISIONAL, _PROCEEDING, RESPONSE_TO_USER),
        Row(_TRYING, FINAL, _COMPLETED, RESPONSE_TO_USER, "set K"),
        Row(_PROCEEDING, timer("E"), _PROCEEDING, SEND_REQUEST, "set E"),
        Row(_PROCEEDING, timer("F"), _TERMINATED, TELL_TIMED_OUT),
        Row(_PROCEEDING, TRANSPORT_ERROR, _TERMINATED, TELL_FAILED),
        Row(_PROCEEDING, PROVISIONAL, _PROCEEDING, RESPONSE_TO_USER),
        Row(_PROCEEDING, FINAL, _COMPLETED, RESPONSE_TO_USER, "set K"),
        Row(_COMPLETED, timer("K"), _TERMINATED),
    ),
    (
        (_TRYING, timer("E")),
        Row(_TRYING, FINAL, _TERMINATED, RESPONSE_TO_USER),
        (_PROCEEDING, timer("E")),
        Row(_PROCEEDING, FINAL, _TERMINATED, RESPONSE_TO_USER),
        (_COMPLETED, timer("K")),
    ),
)

SERVER_INVITE: Final = Figure(
    "INVITE server transaction",
    "RFC 3261 figure 7, RFC 6026 section 7.1; transport errors: RFC 6026 section 8.8",
    (_PROCEEDING, _ACCEPTED, _COMPLETED, _CONFIRMED, _TERMINATED),
    (
        INVITE,
        ACK,
        PROVISIONAL,
        SUCCESS,
        FAILURE,
        TIMER_TRYING,
        timer("G"),
        timer("H"),
        timer("I"),
        timer("L"),
        TRANSPORT_ERROR,
    ),
    (
        Row(_PROCEEDING, INVITE, _PROCEEDING, SEND_RESPONSE),
        Row(_PROCEEDING, TIMER_TRYING, _PROCEEDING, SEND_TRYING),
        Row(_PROCEEDING, PROVISIONAL, _PROCEEDING, SEND_RESPONSE),
        Row(_PROCEEDING, SUCCESS, _ACCEPTED, SEND_RESPONSE, "set L"),
        Row(_PROCEEDING, FAILURE, _COMPLETED, SEND_RESPONSE, "set G", "set H"),
        Row(_PROCEEDING, TRANSPORT_ERROR, _PROCEEDING, TELL_FAILED),
        Row(_ACCEPTED, ACK, _ACCEPTED, ACK_TO_USER),
        Row(_ACCEPTED, SUCCESS, _ACCEPTED, SEND_RESPONSE),
        Row(_ACCEPTED, TRANSPORT_ERROR, _ACCEPTED, TELL_FAILED),
        Row(_ACCEPTED, timer("L"), _TERMINATED),
        Row(_COMPLETED, INVITE, _COMPLETED, SEND_RESPONSE),
        Row(_COMPLETED, ACK, _CONFIRMED, "set I"),
        Row(_COMPLETED, timer("G"), _COMPLETED, SEND_RESPONSE, "set G"),
        Row(_COMPLETED, timer("H"), _TERMINATED, TELL_TIMED_OUT),
        Row(_COMPLETED, TRANSPORT_ERROR, _COMPLETED, TELL_FAILED),
        Row(_CONFIRMED, timer("I"), _TERMINATED),
    ),
    (
        Row(_PROCEEDING, FAILURE, _COMPLETED, SEND_RESPONSE, "set H"),
        Row(_COMPLETED, ACK, _TERMINATED),
        (_COMPLETED, timer("G")),
        (_CONFIRMED, timer("I")),
    ),
)

SERVER_NONINVITE: Final = Figure(
    "non-INVITE server transaction",
    "RFC 3261 figure 8; transport errors: RFC 6026 section 8.8",
    (_TRYING, _PROCEEDING, _COMPLETED, _TERMINATED),
    (REQUEST, PROVISIONAL, FINAL, timer("J"), TRANSPORT_ERROR),
    (
        Row(_TRYING, PROVISIONAL, _PROCEEDING, SEND_RESPONSE),
        Row(_TRYING, FINAL, _COMPLETED, SEND_RESPONSE, "set J"),
        Row(_TRYING, TRANSPORT_ERROR, _TRYING, TELL_FAILED),
        Row(_PROCEEDING, REQUEST, _PROCEEDING, SEND_RESPONSE),
        Row(_PROCEEDING, PROVISIONAL, _PROCEEDING, SEND_RESPONSE),
        Row(_PROCEEDING, FINAL, _COMPLETED, SEND_RESPONSE, "set J"),
        Row(_PROCEEDING, TRANSPORT_ERROR, _PROCEEDING, TELL_FAILED),
        Row(_COMPLETED, REQUEST, _COMPLETED, SEND_RESPONSE),
        Row(_COMPLETED, TRANSPORT_ERROR, _COMPLETED, TELL_FAILED),
        Row(_COMPLETED, timer("J"), _TERMINATED),
    ),
    (
        Row(_TRYING, FINAL, _TERMINATED, SEND_RESPONSE),
        Row(_PROCEEDING, FINAL, _TERMINATED, SEND_RESPONSE),
        (_COMPLETED, REQUEST),
        (_COMPLETED, TRANSPORT_ERROR),
        (_COMPLETED, timer("J")),
    ),
)

FIGURES: Final = (CLIENT_INVITE, CLIENT_NONINVITE, SERVER_INVITE, SERVER_NONINVITE)
