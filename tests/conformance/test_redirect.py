"""A redirect server, and a proxy that follows redirections: RFC 3261 sections 8.3 and 16.7."""

import pytest

from tests.conformance.agent import Agent
from tests.conformance.calls import ring
from tests.conformance.conftest import MakeAgent
from tests.conformance.message import ack_to, address, cancel_of, fresh, parameter, response_to
from tests.conformance.targets import Target

rows = pytest.mark.rows


class RedirectServerTests:
    """Instead of forwarding, the caller is told where to try."""

    def _moved(self, agents: MakeAgent, server: Target) -> tuple[Agent, Agent]:
        caller, callee = agents(server=server), agents(server=server)
        assert callee.register(expires=500).status == 200
        return caller, callee

    @rows("3261-8.3-04", "3261-8.3-05")
    def test_contact(self, agents: MakeAgent, redirector: Target) -> None:
        """The caller gets a 3xx with the contact; the callee gets nothing."""
        caller, callee = self._moved(agents, redirector)
        answer = caller.ask(caller.request("INVITE", callee.aor))
        assert answer.status in (300, 301, 302)
        assert [address(value) for value in answer.values("contact")] == [callee.contact]
        expires = parameter(answer.value("contact"), "expires")
        assert expires is None or 490 < int(expires) <= 500
        callee.no_request("INVITE")

    @rows("3261-21.2-01")
    def test_choice(self, agents: MakeAgent, redirector: Target) -> None:
        """Two contacts are both listed, with their q."""
        caller, user = agents(server=redirector), fresh("u")
        for q in (0.3, 0.8):
            phone = agents(user, server=redirector)
            phone.register(f"<{phone.contact}>;q={q}")
        answer = caller.ask(caller.request("INVITE", redirector.user(user)))
        found = {parameter(value, "q") for value in answer.values("contact")}
        assert 300 <= answer.status < 400 and found == {"0.3", "0.8"}

    @rows("3261-8.3-03")
    def test_strange_requests(self, agents: MakeAgent, redirector: Target) -> None:
        """Unknown methods, options and fields are redirected as all others."""
        caller, callee = self._moved(agents, redirector)
        request = caller.request("NEWFANGLED", callee.aor)
        request.add("Require", "conjuring").add("X-Strange", "yes")
        assert 300 <= caller.ask(request).status < 400

    @rows("3261-8.3-02")
    def test_never_to_itself(self, agents: MakeAgent, redirector: Target) -> None:
        """A contact that is the Request-URI is no answer to it."""
        caller = agents(server=redirector)
        callee = agents(server=redirector)
        callee.register(f"<{callee.aor}>")
        answer = caller.ask(caller.request("INVITE", callee.aor))
        assert callee.aor not in [address(value) for value in answer.values("contact")]

    @rows("3261-8.3-01")
    def test_cancel(self, agents: MakeAgent, redirector: Target) -> None:
        """A CANCEL for what was redirected is answered 200."""
        caller, callee = self._moved(agents, redirector)
        invite = caller.send(caller.request("INVITE", callee.aor))
        answer = caller.final(invite)
        assert caller.ask(cancel_of(invite)).status == 200
        caller.send(ack_to(invite, answer))

    @rows("3261-8.3-06")
    def test_malformed_expires(self, agents: MakeAgent, redirector: Target) -> None:
        """What was registered with a malformed expires is handed out with 3600, or without."""
        caller, callee = self._moved(agents, redirector)
        callee.register(f"<{callee.contact}>;expires=soon", cseq=2)
        answer = caller.ask(caller.request("INVITE", callee.aor))
        assert parameter(answer.value("contact"), "expires") in (None, "3600", "3599")


class RecursionTests:
    """A proxy that tries the contacts of a 3xx itself."""

    @rows("3261-16.7-08")
    def test_follows(self, agents: MakeAgent, recursor: Target) -> None:
        """The contact is rung; when it refuses, the caller hears that and no 3xx."""
        caller, callee, other = [agents(server=recursor) for _ in range(3)]
        callee.register()
        invite, came = ring(caller, callee)
        moved = response_to(came, 302, "c").add("Contact", f"<{other.contact}>")
        callee.send(moved, came.source)
        other.reply(other.get("INVITE"), 486)
        answer = caller.final(invite)
        caller.send(ack_to(invite, answer))
        assert answer.status == 486

    @rows("3261-16.7-06")
    def test_contact_that_was_tried(self, agents: MakeAgent, recursor: Target) -> None:
        """Of two contacts of a 3xx, the one that was tried is not handed to the caller."""
        caller, callee, other = [agents(server=recursor) for _ in range(3)]
        callee.register()
        invite, came = ring(caller, callee)
        moved = response_to(came, 302, "c").add("Contact", f"<{other.contact}>")
        callee.send(moved.add("Contact", "<mailto:callee@example.test>"), came.source)
        other.reply(other.get("INVITE"), 486)
        answer = caller.final(invite)
        caller.send(ack_to(invite, answer))
        assert other.contact not in [address(value) for value in answer.values("contact")]

    @rows("3261-16.5-05")
    def test_never_twice(self, agents: MakeAgent, recursor: Target) -> None:
        """A contact that was tried already is not tried again."""
        caller, callee = [agents(server=recursor) for _ in range(2)]
        callee.register()
        invite, came = ring(caller, callee)
        moved = response_to(came, 302, "c").add("Contact", f"<{callee.contact}>")
        callee.send(moved, came.source)
        callee.nothing(lambda m: m.method == "INVITE" and m.branch != came.branch, "another")
        caller.send(ack_to(invite, caller.final(invite)))


class BreadthTests:
    """Max-Breadth: RFC 5393 section 5.3."""

    def _phones(self, agents: MakeAgent, count: int) -> list[Agent]:
        user = fresh("p")
        phones = [agents(user) for _ in range(count)]
        for phone in phones:
            phone.register()
        return phones

    @rows("5393-5.3-03")
    def test_added(self, caller: Agent, callee: Agent) -> None:
        """A copy of a request without Max-Breadth has one of 60."""
        caller.send(caller.request("MESSAGE", callee.aor))
        came = callee.get("MESSAGE")
        callee.reply(came, 200)
        assert came.lines("max-breadth") == ["60"]

    @rows("5393-5.3-02", "5393-5.3-04")
    def test_shared(self, caller: Agent, agents: MakeAgent) -> None:
        """Branches share what the request has."""
        phones = self._phones(agents, 2)
        request = caller.send(caller.request("MESSAGE", phones[0].aor).add("Max-Breadth", "5"))
        came = [phone.get("MESSAGE") for phone in phones]
        for phone, one in zip(phones, came, strict=True):
            phone.reply(one, 200)
        caller.final(request)
        shares = [int(one.value("max-breadth")) for one in came]
        assert sum(shares) <= 5 and min(shares) >= 1

    @rows("5393-5.3-01", "5393-5.3-06")
    def test_one_at_a_time(self, caller: Agent, agents: MakeAgent) -> None:
        """With a Max-Breadth of 1 phones are tried one after the other."""
        phones = self._phones(agents, 2)
        invite = caller.send(caller.request("INVITE", phones[0].aor).add("Max-Breadth", "1"))
        heard = [(phone, phone.collect(0.1)) for phone in phones]
        ((first, came),) = [(phone, messages) for phone, messages in heard if messages]
        first.reply(came[0], 486)
        (second,) = [phone for phone in phones if phone is not first]
        second.reply(second.get("INVITE"), 486)
        caller.send(ack_to(invite, caller.final(invite)))

    @rows("5393-5.3-05")
    def test_none_left(self, caller: Agent, callee: Agent) -> None:
        """A Max-Breadth of 0 is answered 440."""
        answer = caller.ask(caller.request("MESSAGE", callee.aor).add("Max-Breadth", "0"))
        assert answer.status == 440
        callee.no_request("MESSAGE")
