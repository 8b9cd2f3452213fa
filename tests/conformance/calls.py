"""Calls between two agents, as far as several tests need them."""

from dataclasses import dataclass, field

from tests.conformance.agent import Agent
from tests.conformance.message import Message, ack_to, address, fresh, parameter


def ring(caller: Agent, callee: Agent, invite: Message | None = None) -> tuple[Message, Message]:
    """Begin a call; gives the INVITE as it was sent and as it came."""
    invite = caller.send(invite or caller.request("INVITE", callee.aor))
    return invite, callee.get("INVITE")


def refuse(caller: Agent, callee: Agent, status: int) -> Message:
    """A call that the callee refuses; gives what the caller hears."""
    invite, came = ring(caller, callee)
    callee.reply(came, status)
    answer = caller.final(invite)
    if answer.status >= 300:
        caller.send(ack_to(invite, answer))
    return answer


def relay(caller: Agent, callee: Agent, request: Message, status: int = 200) -> Message:
    """Send a request other than INVITE, have it answered; gives it as it came to the callee."""
    caller.send(request)
    came = callee.get(request.method)
    callee.reply(came, status)
    caller.final(request)
    return came


@dataclass
class Call:
    """An established call; each side can send inside it."""

    caller: Agent
    callee: Agent
    invite: Message
    came: Message
    ok: Message
    ack: Message = field(default_factory=lambda: Message(""))

    def inside(self, method: str, by_callee: bool = False, cseq: int = 2) -> Message:
        """A request inside the dialog, not sent yet."""
        if by_callee:
            agent, target = self.callee, address(self.came.value("contact"))
            routes = self.came.values("record-route")
            local = self.ok.value("to")
            remote = self.came.value("from")
        else:
            agent, target = self.caller, address(self.ok.value("contact"))
            routes = self.ok.values("record-route")[::-1]
            local = self.invite.value("from")
            remote = self.ok.value("to")
        request = agent.request(method, target)
        request.put("From", local).put("To", remote).put("Call-ID", self.invite.value("call-id"))
        request.put("CSeq", f"{cseq} {method}")
        for route in reversed(routes):
            request.first("Route", route)
        return request


def establish(caller: Agent, callee: Agent, invite: Message | None = None) -> Call:
    """A call that is answered and acknowledged."""
    invite, came = ring(caller, callee, invite)
    callee.reply(came, 200)
    ok = caller.final(invite)
    assert ok.status == 200, ok.start
    call = Call(caller, callee, invite, came, ok)
    caller.send(call.inside("ACK", cseq=1))
    call.ack = callee.get("ACK")
    return call


def contacts(answer: Message) -> dict[str, int]:
    """The bindings in the 200 to a REGISTER, each with what is left of it."""
    found = {}
    for value in answer.values("contact"):
        found[address(value)] = int(parameter(value, "expires") or -1)
    return found


def bindings(agent: Agent) -> dict[str, int]:
    """Ask the registrar for the bindings of an agent's user."""
    host, port = agent.server
    answer = agent.ask(agent.request("REGISTER", f"sip:{host}:{port}", f"<{agent.aor}>"))
    assert answer.status == 200, answer.start
    return contacts(answer)


def new_branch(request: Message) -> Message:
    """The same request as another transaction."""
    via = request.values("via")[0].partition(";branch=")[0]
    return request.put("Via", f"{via};branch=z9hG4bK{fresh('n')}")
