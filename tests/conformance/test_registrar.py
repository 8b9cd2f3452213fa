"""The registrar: RFC 3261 section 10.3, with the comparison of URIs of 19.1.4."""

import time

import pytest

from tests.conformance.agent import Agent
from tests.conformance.calls import bindings, contacts, relay, ring
from tests.conformance.conftest import MakeAgent
from tests.conformance.message import Message, ack_to, fresh
from tests.conformance.targets import Target

rows = pytest.mark.rows


def register(agent: Agent, call: str, cseq: int, *values: str, expires: str = "600") -> Message:
    """Send a REGISTER with a certain Call-ID and CSeq; gives the answer."""
    host, port = agent.server
    request = agent.request("REGISTER", f"sip:{host}:{port}", f"<{agent.aor}>")
    request.put("Call-ID", call).put("CSeq", f"{cseq} REGISTER")
    for value in values:
        request.add("Contact", value)
    if expires:
        request.add("Expires", expires)
    return agent.ask(request)


class AnswerTests:
    """What is in the answer."""

    @rows("3261-10.3-27", "3261-10.3-33", "3261-10.3-34", "3261-10.3-40", "3261-8.2-01")
    def test_lists_all(self, caller: Agent) -> None:
        """Each 200 lists all bindings with the time each has."""
        assert contacts(caller.register("<sip:a@192.0.2.1>")) == {"sip:a@192.0.2.1": 600}
        found = contacts(caller.register("<sip:b@192.0.2.2>", expires=300))
        assert set(found) == {"sip:a@192.0.2.1", "sip:b@192.0.2.2"}
        assert found["sip:b@192.0.2.2"] == 300

    @rows("3261-10.3-15")
    def test_query(self, caller: Agent) -> None:
        """Without Contact nothing is changed, and all is listed."""
        caller.register("<sip:a@192.0.2.1>")
        assert list(bindings(caller)) == ["sip:a@192.0.2.1"] == list(bindings(caller))

    @rows("3261-10.3-35")
    def test_date(self, caller: Agent) -> None:
        """The 200 says what time it is."""
        assert caller.register("<sip:a@192.0.2.1>").value("date").endswith(" GMT")

    @rows("3261-10.3-02", "3261-10.3-03")
    def test_record_route(self, caller: Agent) -> None:
        """A Record-Route is ignored, and none comes back."""
        request = caller.request("REGISTER", f"sip:{caller.server[0]}:{caller.server[1]}",
                                 f"<{caller.aor}>").add("Contact", "<sip:a@192.0.2.1>")  # fmt: skip
        answer = caller.ask(request.add("Record-Route", "<sip:192.0.2.9;lr>"))
        assert answer.status == 200 and not answer.has("record-route")

    @rows("3261-10.3-01", "3261-10.3-12")
    def test_foreign_address(self, caller: Agent, target: Target) -> None:
        """A To of another domain is answered 404, never 6xx."""
        request = caller.request("REGISTER", target.uri, "<sip:x@elsewhere.invalid>")
        assert caller.ask(request.add("Contact", "<sip:a@192.0.2.1>")).status == 404

    @rows("3261-10.3-08", "3261-20.32-01", "3261-8.2-02")
    def test_require(self, caller: Agent, target: Target) -> None:
        """A Require that is not known is answered 420, and nothing is registered."""
        request = caller.request("REGISTER", target.uri, f"<{caller.aor}>")
        request.add("Contact", "<sip:a@192.0.2.1>").add("Require", "path, conjuring")
        answer = caller.ask(request)
        assert answer.status == 420 and answer.values("unsupported") == ["conjuring"]
        assert bindings(caller) == {}

    @rows("3261-10.3-07")
    def test_other_domain(self, caller: Agent, agents: MakeAgent) -> None:
        """A REGISTER for another domain is forwarded there."""
        other = agents()
        request = caller.request("REGISTER", f"sip:{other.address}", "<sip:x@example.invalid>")
        assert relay(caller, other, request).uri == request.uri

    @rows("3261-10.3-39")
    def test_third_party(self, caller: Agent, target: Target) -> None:
        """From names who registers, To whose binding it is."""
        request = caller.request("REGISTER", target.uri, f"<{caller.aor}>")
        request.put("From", f"<{target.user('secretary')}>;tag=1")
        assert caller.ask(request.add("Contact", "<sip:a@192.0.2.1>")).status == 200
        assert list(bindings(caller)) == ["sip:a@192.0.2.1"]

    @rows("3261-20-05")
    def test_bare_contact(self, caller: Agent) -> None:
        """Without angle brackets what follows a semicolon is the field's, not the URI's."""
        answer = caller.register("sip:a@192.0.2.1;expires=120")
        assert contacts(answer) == {"sip:a@192.0.2.1": 120}


class ExpiryTests:
    """How long bindings live."""

    @rows("3261-10.3-20")
    def test_parameter_first(self, caller: Agent) -> None:
        """expires of the Contact goes before the Expires field."""
        assert contacts(caller.register("<sip:a@192.0.2.1>;expires=90")) == {"sip:a@192.0.2.1": 90}

    @rows("3261-10.3-21")
    def test_field(self, caller: Agent) -> None:
        """Expires counts where the Contact says nothing."""
        assert contacts(caller.register("<sip:a@192.0.2.1>", expires=77)) == {"sip:a@192.0.2.1": 77}

    @rows("3261-10.3-22")
    def test_default(self, caller: Agent) -> None:
        """Without both, some time is given."""
        found = contacts(register(caller, fresh(), 1, "<sip:a@192.0.2.1>", expires=""))
        assert found["sip:a@192.0.2.1"] > 0

    @rows("3261-10.3-23")
    def test_shortened(self, caller: Agent) -> None:
        """A hundred years are shortened, or given; the answer says which."""
        found = contacts(caller.register("<sip:a@192.0.2.1>;expires=3000000000"))
        assert 0 < found["sip:a@192.0.2.1"] <= 3000000000

    @rows("3261-10.3-24", "3261-10.3-25", "3261-21.4.17-01")
    def test_too_brief(self, caller: Agent) -> None:
        """One second is refused by 423, which says the least that is taken; an hour never is."""
        answer = caller.register("<sip:a@192.0.2.1>;expires=1")
        if answer.status == 200:
            pytest.skip("no time is too brief for this server")
        assert answer.status == 423 and 1 < int(answer.value("min-expires")) <= 3600
        assert caller.register("<sip:a@192.0.2.1>;expires=3600").status == 200

    @rows("3261-10.3-38", "3261-20.19-01")
    @pytest.mark.parametrize("contact", ["<sip:a@192.0.2.1>;expires=soon", "<sip:a@192.0.2.1>"])
    def test_malformed(self, caller: Agent, contact: str) -> None:
        """What is no number counts as 3600, in both places."""
        found = contacts(register(caller, fresh(), 1, contact, expires="later"))
        assert found == {"sip:a@192.0.2.1": 3600}

    @rows("3261-10.3-36")
    def test_runs_out(self, caller: Agent, agents: MakeAgent) -> None:
        """A binding is gone when its time is over, for the registrar and for the proxy."""
        callee = agents()
        answer = callee.register(expires=2)
        if answer.status == 423 or contacts(answer)[callee.contact] > 3:
            pytest.skip("two seconds are too brief for this server")
        time.sleep(3.2)
        assert bindings(callee) == {}
        assert caller.ask(caller.request("MESSAGE", callee.aor)).status in (404, 480)


class ChangeTests:
    """Refreshing and removing."""

    @rows("3261-10.3-28", "3261-10.3-31")
    def test_other_call_id(self, caller: Agent, callee: Agent) -> None:
        """Another Call-ID updates a binding, and removes it with zero, whatever its CSeq."""
        callee.register(expires=200, cseq=1)
        assert bindings(callee) == {callee.contact: 200}
        register(callee, fresh(), 1, f"<{callee.contact}>", expires="0")
        assert bindings(callee) == {}
        answer = caller.ask(caller.request("MESSAGE", callee.aor))
        assert answer.status in (404, 480)

    @rows("3261-10.3-29", "3261-10.3-30", "3261-8.2-02")
    @pytest.mark.parametrize("expires", ["300", "0"])
    def test_same_call_id(self, caller: Agent, expires: str) -> None:
        """The same Call-ID does so only with a higher CSeq; else it fails and changes nothing."""
        call = fresh()
        register(caller, call, 5, "<sip:a@192.0.2.1>")
        for cseq in (5, 4):
            old = register(caller, call, cseq, "<sip:a@192.0.2.1>", expires=expires)
            assert old.status >= 300
            assert bindings(caller)["sip:a@192.0.2.1"] > 590
        assert register(caller, call, 6, "<sip:a@192.0.2.1>", expires=expires).status == 200
        assert bindings(caller).get("sip:a@192.0.2.1", 0) == int(expires)

    @rows("3261-10.3-05", "3261-10.3-31")
    def test_all_or_nothing(self, caller: Agent) -> None:
        """When one of two contacts cannot be had, the other one is not registered either."""
        call = fresh()
        register(caller, call, 5, "<sip:a@192.0.2.1>")
        answer = register(caller, call, 5, "<sip:new@192.0.2.2>", "<sip:a@192.0.2.1>")
        assert answer.status >= 300
        assert list(bindings(caller)) == ["sip:a@192.0.2.1"]

    @rows("3261-10.3-04", "3261-10.3-06")
    def test_order(self, caller: Agent) -> None:
        """Requests sent one behind the other take effect in that order."""
        host, port = caller.server
        sent = []
        for number in range(1, 11):
            request = caller.request("REGISTER", f"sip:{host}:{port}", f"<{caller.aor}>")
            request.put("Call-ID", "order-" + caller.user).put("CSeq", f"{number} REGISTER")
            request.add("Contact", f"<sip:a@192.0.2.1>;expires={100 + number}")
            sent.append(caller.send(request))
        for request in sent:
            assert caller.final(request).status == 200
        assert bindings(caller)["sip:a@192.0.2.1"] in (109, 110)

    @rows("3261-10.3-16")
    @pytest.mark.parametrize("expires", ["600", ""])
    def test_star_without_zero(self, caller: Agent, expires: str) -> None:
        """A star without Expires: 0 is answered 400."""
        caller.register("<sip:a@192.0.2.1>")
        assert register(caller, fresh(), 1, "*", expires=expires).status == 400
        assert bindings(caller)

    @rows("3261-10.3-16")
    def test_star_with_others(self, caller: Agent) -> None:
        """A star beside another Contact is answered 400."""
        caller.register("<sip:a@192.0.2.1>")
        assert register(caller, fresh(), 1, "*", "<sip:b@192.0.2.2>", expires="0").status == 400
        assert list(bindings(caller)) == ["sip:a@192.0.2.1"]

    @rows("3261-10.3-17")
    def test_star(self, caller: Agent) -> None:
        """A star with zero removes all."""
        caller.register("<sip:a@192.0.2.1>", "<sip:b@192.0.2.2>")
        assert register(caller, fresh(), 1, "*", expires="0").status == 200
        assert bindings(caller) == {}

    @rows("3261-10.3-18", "3261-10.3-19")
    def test_star_too_old(self, caller: Agent) -> None:
        """A star under the same Call-ID with a CSeq that is not higher removes nothing."""
        call = fresh()
        register(caller, call, 5, "<sip:a@192.0.2.1>")
        assert register(caller, call, 4, "*", expires="0").status >= 300
        assert list(bindings(caller)) == ["sip:a@192.0.2.1"]
        assert register(caller, call, 6, "*", expires="0").status == 200
        assert bindings(caller) == {}


class EqualityTests:
    """Which contacts, and which users, are the same."""

    @rows("3261-10.3-26", "3261-19.1.4-01", "3261-19.1.4-02", "3261-19.1.4-03", "3261-19.1.4-04",
          "3261-19.1.4-05", "3261-19.1.4-06", "3261-19.1.1-04")  # fmt: skip
    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            ("sip:a@host.test", "sip:A@host.test", False),
            ("sip:a@host.test", "SIP:a@HOST.test", True),
            ("sip:a@host.test;x=1;y=2", "sip:a@host.test;y=2;x=1", True),
            ("sip:a@host.test", "sip:a@host.test:5060", False),
            ("sip:a@host.test", "sip:a@host.test;transport=udp", False),
            ("sip:a@host.test", "sip:a@host.test;maddr=192.0.2.1", False),
            ("sip:a@host.test", "sip:a@host.test;odd=1", True),
            ("sip:%61@host.test", "sip:a@host.test", True),
        ],
    )
    def test_contacts(self, caller: Agent, one: str, other: str, same: bool) -> None:
        """URIs are compared by the rules for URIs."""
        caller.register(f"<{one}>")
        assert len(contacts(caller.register(f"<{other}>"))) == (1 if same else 2)

    @rows("3261-10.3-13", "3261-10.3-14", "3261-19.1.2-02", "3261-16.5-03")
    def test_users(self, caller: Agent, agents: MakeAgent, target: Target) -> None:
        """Parameters and escapes in the To make no other user, nor do they in the Request-URI."""
        callee = agents()
        plain = callee.aor
        first = callee.user[0]
        callee.aor = target.user(f"%{ord(first):02x}{callee.user[1:]}") + ";user=phone"
        assert callee.register().status == 200
        callee.aor = plain
        assert list(bindings(callee)) == [callee.contact]
        relay(caller, callee, caller.request("MESSAGE", f"{plain};user=phone"))

    @rows("3261-19.1.4-07")
    def test_headers_in_contacts(self, caller: Agent) -> None:
        """Contacts with header parts are refused, or are not equal to those without."""
        caller.register("<sip:a@host.test>")
        answer = caller.register("<sip:a@host.test?Subject=x>")
        assert answer.status == 400 or len(contacts(answer)) == 2

    @rows("3261-20.8-01")
    def test_call_ids(self, caller: Agent) -> None:
        """Call-IDs that differ in case are two; the order of CSeq does not bind them."""
        call = fresh("case")
        register(caller, call, 5, "<sip:a@192.0.2.1>")
        assert register(caller, call.upper(), 2, "<sip:a@192.0.2.1>").status == 200


class PathTests:
    """RFC 3327."""

    def _with_path(self, callee: Agent, *path: str, supported: bool = True) -> Message:
        host, port = callee.server
        request = callee.request("REGISTER", f"sip:{host}:{port}", f"<{callee.aor}>")
        request.add("Contact", "<sip:behind@192.0.2.50>")
        for value in path:
            request.add("Path", value)
        return callee.ask(request.add("Supported", "path") if supported else request)

    @rows("3327-5.3-01", "3327-5.3-02", "3327-5.4-01", "3327-5.4-02", "3261-16.6-21",
          "3261-16.6-22", "3261-16.6-27")  # fmt: skip
    def test_path(self, caller: Agent, agents: MakeAgent) -> None:
        """The Path comes back, and becomes the Route of what is sent to the binding."""
        edge = agents()
        path = [f"<sip:{edge.address};lr>", "<sip:192.0.2.51;lr>"]
        answer = self._with_path(edge, *path)
        assert answer.status == 200 and answer.values("path") == path
        invite, came = ring(caller, edge)
        assert came.values("route") == path and came.uri == "sip:behind@192.0.2.50"
        edge.reply(came, 486)
        caller.send(ack_to(invite, caller.final(invite)))

    @rows("3327-5.3-03")
    def test_without_support(self, caller: Agent) -> None:
        """A Path without path in Supported is accepted or refused with 420 and nothing else."""
        assert self._with_path(caller, "<sip:192.0.2.51;lr>", supported=False).status in (200, 420)

    @rows("3327-5.3-04")
    def test_is_supported(self, caller: Agent, target: Target) -> None:
        """OPTIONS says that path is supported."""
        assert "path" in caller.ask(caller.request("OPTIONS", target.uri)).values("supported")
