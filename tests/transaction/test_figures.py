"""Every state of every machine meets every event, and does what the figures say: no more."""

import itertools

import pytest

from sipproxy.message.builder import make_response
from sipproxy.message.message import Request, Response
from sipproxy.message.parser import parse
from sipproxy.testing.script import request_bytes
from sipproxy.transaction import figures
from sipproxy.transaction.deadlines import NEVER, Lane
from sipproxy.transaction.figures import Figure, Row, timer
from sipproxy.transaction.layer import TransactionLayer
from sipproxy.transaction.machine import (
    ClientTransaction,
    ServerTransaction,
    State,
    Transaction,
)
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

CASES = [
    (figure, state, event, reliable)
    for figure in figures.FIGURES
    for reliable in (False, True)
    for state, event in itertools.product(figure.states, figure.events)
]

#: How each state is reached from the first, as events.
ROADS: dict[tuple[str, State], tuple[str, ...]] = {
    (figures.CLIENT_INVITE.name, State.CALLING): (),
    (figures.CLIENT_INVITE.name, State.PROCEEDING): (figures.PROVISIONAL,),
    (figures.CLIENT_INVITE.name, State.ACCEPTED): (figures.SUCCESS,),
    (figures.CLIENT_INVITE.name, State.COMPLETED): (figures.FAILURE,),
    (figures.CLIENT_INVITE.name, State.TERMINATED): (figures.TRANSPORT_ERROR,),
    (figures.CLIENT_NONINVITE.name, State.TRYING): (),
    (figures.CLIENT_NONINVITE.name, State.PROCEEDING): (figures.PROVISIONAL,),
    (figures.CLIENT_NONINVITE.name, State.COMPLETED): (figures.FINAL,),
    (figures.CLIENT_NONINVITE.name, State.TERMINATED): (figures.TRANSPORT_ERROR,),
    (figures.SERVER_INVITE.name, State.PROCEEDING): (figures.PROVISIONAL,),
    (figures.SERVER_INVITE.name, State.ACCEPTED): (figures.SUCCESS,),
    (figures.SERVER_INVITE.name, State.COMPLETED): (figures.FAILURE,),
    (figures.SERVER_INVITE.name, State.CONFIRMED): (figures.FAILURE, figures.ACK),
    (figures.SERVER_INVITE.name, State.TERMINATED): (figures.FAILURE, timer("H")),
    (figures.SERVER_NONINVITE.name, State.TRYING): (),
    (figures.SERVER_NONINVITE.name, State.PROCEEDING): (figures.PROVISIONAL,),
    (figures.SERVER_NONINVITE.name, State.COMPLETED): (figures.FINAL,),
    (figures.SERVER_NONINVITE.name, State.TERMINATED): (figures.FINAL, timer("J")),
}

#: States that a reliable transport passes by.
ABSENT = {
    (figures.CLIENT_INVITE.name, State.COMPLETED),
    (figures.CLIENT_NONINVITE.name, State.COMPLETED),
    (figures.SERVER_INVITE.name, State.CONFIRMED),
    (figures.SERVER_NONINVITE.name, State.COMPLETED),
}

STATUS = {
    figures.PROVISIONAL: 180,
    figures.SUCCESS: 200,
    figures.FAILURE: 486,
    figures.FINAL: 202,
}


class Subject:
    """One machine in a layer of its own, and what has come out of it."""

    def __init__(self, figure: Figure, reliable: bool) -> None:
        self.figure = figure
        self.reliable = reliable
        self.now = 100.0
        self.layer = TransactionLayer(Timers())
        transport = "tcp" if reliable else "udp"
        self.peer = Peer(transport, "192.0.2.1", 5060, connection=int(reliable))
        self.method = "OPTIONS" if "non-INVITE" in figure.name else "INVITE"
        self.machine = self.begin()
        self.actions: list[str] = []

    def begin(self) -> Transaction:
        """The machine in its first state."""
        request = self.message(self.method)
        if "client" in self.figure.name:
            machine: Transaction = self.layer.request(request, self.peer, None, self.now)
        else:
            self.layer.receive(request, self.peer, self.now)
            machine = next(
                out.transaction for out in self.layer.outputs if isinstance(out, RequestReceived)
            )
        self.layer.take_outputs()
        return machine

    def message(self, method: str) -> Request:
        """A request of this transaction."""
        message = parse(request_bytes(method, self.peer))
        assert isinstance(message, Request)
        return message

    def meet(self, event: str) -> None:
        """Let an event happen a little later, and note what was done about it."""
        self.now += 0.01
        if event.startswith("timer") or event == figures.TIMER_TRYING:
            self.fire(event)
        elif event in STATUS:
            self.pass_response(STATUS[event])
        elif event == figures.TRANSPORT_ERROR:
            self.layer.transport_failed(self.machine, "unreachable", self.now)
        elif event == figures.CANCEL:
            assert isinstance(self.machine, ClientTransaction)
            self.layer.cancel(self.machine, self.now)
        elif self.machine.state is not State.TERMINATED:
            method = "ACK" if event == figures.ACK else self.method
            self.layer.receive(self.message(method), self.peer, self.now)
        outputs = self.layer.take_outputs()
        self.actions = [self.name_of(out, event) for out in outputs if self.is_ours(out)]

    def pass_response(self, status: int) -> None:
        """A response goes its way: down from the user, or up from the wire."""
        response = make_response(self.message(self.method), status, to_tag=b"x")
        if isinstance(self.machine, ServerTransaction):
            self.layer.respond(self.machine, response, self.now)
        else:
            message = parse(response.to_bytes())
            assert isinstance(message, Response)
            self.layer.receive(message, self.peer, self.now)

    def fire(self, event: str) -> None:
        """Let a timer fire when it runs; else leave a dead deadline of it in its lane."""
        row = self.figure.arrows(self.reliable).get((self.machine.state, event))
        retries = event in (figures.TIMER_TRYING, timer("A"), timer("E"), timer("G"))
        due = self.machine.retry_at if retries else self.machine.ends_at
        if row is not None:
            assert due != NEVER, f"{event} does not run"
            self.now = due
            if not retries:
                self.machine.retry_at = NEVER
        else:
            lane = self.lane_of(event)
            lane.times.appendleft(self.now)
            lane.keys.appendleft(self.machine.key)
        self.layer.advance(self.now)

    def lane_of(self, event: str) -> Lane:
        """Where a timer waits."""
        layer = self.layer
        return {
            figures.TIMER_TRYING: layer.lane_trying,
            timer("A"): layer.lane_ae,
            timer("B"): layer.lane_bf,
            timer("D"): layer.lane_d,
            timer("E"): layer.lane_ae,
            timer("F"): layer.lane_bf,
            timer("G"): layer.lane_g,
            timer("H"): layer.lane_h,
            timer("I"): layer.lane_i,
            timer("J"): layer.lane_j,
            timer("K"): layer.lane_k,
            timer("L"): layer.lane_l,
            timer("M"): layer.lane_m,
        }[event]

    def is_ours(self, output: Output) -> bool:
        """What other transactions do (a CANCEL, a stray) is not in the figure, sends excepted."""
        if isinstance(output, Send):
            return True
        return getattr(output, "transaction", None) is self.machine

    def name_of(self, output: Output, event: str) -> str:
        """An output in the words of the figures."""
        if isinstance(output, Send):
            message = parse(output.data)
            if isinstance(message, Response):
                trying = event == figures.TIMER_TRYING
                assert message.status == (100 if trying else message.status)
                return figures.SEND_TRYING if trying else figures.SEND_RESPONSE
            return {"ACK": figures.SEND_ACK, "CANCEL": figures.SEND_CANCEL}.get(
                message.method, figures.SEND_REQUEST
            )
        return {
            AckReceived: figures.ACK_TO_USER,
            ResponseReceived: figures.RESPONSE_TO_USER,
            TimedOut: figures.TELL_TIMED_OUT,
            Failed: figures.TELL_FAILED,
            Terminated: "terminated",
        }[type(output)]

    def deadline(self, letter: str) -> float:
        """When a timer set now, or set anew by its own firing, is due."""
        timers = self.layer.timers
        state = self.machine.state
        duration = {
            "A": 2 * timers.t1,
            "B": timers.timer_b,
            "D": timers.timer_d,
            "E": timers.t2 if state is State.PROCEEDING else 2 * timers.t1,
            "G": timers.t1,
            "H": timers.timer_h,
            "I": timers.timer_i,
            "J": timers.timer_j,
            "K": timers.timer_k,
            "L": timers.timer_l,
            "M": timers.timer_m,
        }[letter]
        return self.now + duration


def name_of_case(value: object) -> str:
    """Readable test names."""
    if isinstance(value, Figure):
        return value.name.replace(" transaction", "").replace(" ", "-")
    if isinstance(value, State):
        return value.value
    if isinstance(value, bool):
        return "reliable" if value else "unreliable"
    return str(value).replace(" ", "-")


class FigureTests:
    """The machines against the figures."""

    @pytest.mark.parametrize(("figure", "state", "event", "reliable"), CASES, ids=name_of_case)
    def test_pair(self, figure: Figure, state: State, event: str, reliable: bool) -> None:
        """An event in a state leads where the figure says, with exactly its actions."""
        if reliable and (figure.name, state) in ABSENT:
            assert not any(s is state for s, _ in figure.arrows(True)), "no such state here"
            return
        subject = Subject(figure, reliable)
        if event != figures.TIMER_TRYING or state is not State.PROCEEDING:
            for step in ROADS[figure.name, state]:
                subject.meet(step)
        assert subject.machine.state is state
        row = figure.arrows(reliable).get((state, event), Row(state, event, state))
        before = (subject.machine.retry_at, subject.machine.ends_at)
        subject.meet(event)
        self.compare(subject, row, state, before)

    def compare(
        self, subject: Subject, row: Row, state: State, before: tuple[float, float]
    ) -> None:
        """State, actions and timers."""
        machine = subject.machine
        assert machine.state is row.next_state
        done = [action for action in row.actions if not action.startswith("set ")]
        if row.next_state is State.TERMINATED and state is not State.TERMINATED:
            done.append("terminated")
        assert subject.actions == done
        letters = [action[4:] for action in row.actions if action.startswith("set ")]
        expected = [self.again(subject, row, letter) for letter in letters]
        running = [when for when in (machine.retry_at, machine.ends_at) if when != NEVER]
        for when in expected:
            assert when in [pytest.approx(running_one) for running_one in running]
        for when in running:
            assert when in before or when in [pytest.approx(each) for each in expected]

    def again(self, subject: Subject, row: Row, letter: str) -> float:
        """Timer G doubles when it is its own firing that sets it."""
        when = subject.deadline(letter)
        if letter == "G" and row.event == timer("G"):
            when += subject.layer.timers.t1
        return when

    @pytest.mark.parametrize("figure", figures.FIGURES, ids=name_of_case)
    @pytest.mark.parametrize("reliable", [False, True], ids=name_of_case)
    def test_figure_is_whole(self, figure: Figure, reliable: bool) -> None:
        """Rows speak of listed states and events only, and each state but the first is reached."""
        arrows = figure.arrows(reliable)
        for row in arrows.values():
            assert row.state in figure.states and row.next_state in figure.states
            assert row.event in figure.events
            assert repr(row).startswith(row.state.value)
        absent = {state for name, state in ABSENT if name == figure.name and reliable}
        reached = {row.next_state for row in arrows.values()}
        assert reached | {figure.states[0]} | absent == set(figure.states)

    def test_no_way_out_of_terminated(self) -> None:
        """The last state is the last."""
        for figure in figures.FIGURES:
            assert not any(row.state is State.TERMINATED for row in figure.rows)
