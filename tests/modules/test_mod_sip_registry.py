"""The registrar as a module, and the way from a user to the phones."""

import pytest

from sipproxy.assembly import ConfigurationFaults
from sipproxy.core.context import RequestContext
from sipproxy.core.phases import METHODS
from sipproxy.testing.core import log_lines
from sipproxy.testing.modules import ModuleContext
from sipproxy.testing.outcome import Outcome
from sipproxy.transaction.peer import Peer

NAME = "mod_sip_registry"
AOR = "alice@example.com"


def registration(
    kit: ModuleContext, contact: str = "<sip:alice@192.0.2.1>", hypothetical: bool = False
) -> RequestContext:
    """Give a REGISTER of Alice's."""
    context = kit.request("REGISTER", "sip:example.com", to=f"sip:{AOR}", hypothetical=hypothetical)
    context.request.set(b"contact", contact.encode())
    return context


def register(kit: ModuleContext, contact: str = "<sip:alice@192.0.2.1>") -> Outcome:
    """Register Alice."""
    return kit.call("serve", registration(kit, contact))


class ConfigureTests:
    """The limits."""

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("RegistrationMinExpires 120\nRegistrationDefaultExpires 60", 2),
            ("RegistrationDefaultExpires 7200\nRegistrationMaxExpires 3600", 1),
        ],
    )
    def test_order(self, text: str, line: int) -> None:
        """The default lies between the shortest and the longest, or the fault says where not."""
        with pytest.raises(ConfigurationFaults) as caught:
            ModuleContext(NAME, text)
        (fault,) = caught.value.faults
        assert f"sipd.conf:{line}" in str(fault) and "RegistrationDefaultExpires" in str(fault)

    def test_limits_reach_the_registrar(self) -> None:
        """Each directive does what it says."""
        kit = ModuleContext(
            NAME,
            "RegistrationMinExpires 100\nRegistrationDefaultExpires 200\n"
            "RegistrationMaxExpires 300\nMaxContactsPerUser 1",
        )
        assert register(kit, "<sip:alice@192.0.2.1>;expires=99").status == 423
        assert (register(kit).header("contact") or "").endswith("expires=200")
        long = register(kit, "<sip:alice@192.0.2.1>;expires=999")
        assert (long.header("contact") or "").endswith("expires=300")
        assert register(kit, "<sip:alice@192.0.2.2>").status == 403


class ServeTests:
    """REGISTER."""

    def test_taken(self) -> None:
        """A phone registers, and its user has a binding."""
        kit = ModuleContext(NAME)
        outcome = register(kit)
        assert outcome.status == 200 and outcome.reason == f"1 bindings of {AOR}"
        assert [one.contact for one in kit.host.registry.lookup(AOR)] == [b"sip:alice@192.0.2.1"]

    def test_refused(self) -> None:
        """A refusal of the registrar is the answer, with its reason in the trail."""
        outcome = register(ModuleContext(NAME), "*")
        assert outcome.status == 400 and "stands alone" in outcome.reason

    def test_passed_on(self) -> None:
        """REGISTER for another domain, or with a Route further, is not ours."""
        kit = ModuleContext(NAME)
        foreign = kit.request("REGISTER", "sip:203.0.113.80")
        assert kit.call("serve", foreign).result is None
        route = [("Route", "<sip:203.0.113.80;lr>")]
        routed = kit.request("REGISTER", "sip:example.com", headers=route)
        assert kit.call("serve", routed).result is None

    def test_full(self) -> None:
        """A full registry is a 503 that says when to come back, and a line in the log."""
        kit = ModuleContext(NAME, "MaxBindings 1")
        register(kit)
        with log_lines() as lines:
            outcome = register(kit, "<sip:alice@192.0.2.2>")
        assert outcome.status == 503 and outcome.header("retry-after") == "60"
        assert any("registry.full" in line for line in lines())

    def test_hypothetical(self) -> None:
        """One that is only asked about leaves no binding."""
        kit = ModuleContext(NAME)
        assert kit.call("serve", registration(kit, hypothetical=True)).status == 200
        assert kit.host.registry.lookup(AOR) == []


class TranslateTests:
    """From a user to the phones."""

    def targets(self, kit: ModuleContext, uri: str = f"sip:{AOR}") -> Outcome:
        """Translate."""
        return kit.call("translate", kit.request("INVITE", uri))

    def test_all_bindings(self) -> None:
        """Each binding is a target with its q, Path and module."""
        kit = ModuleContext(NAME)
        kit.bind(AOR, "sip:alice@192.0.2.1", "sip:alice@192.0.2.2", q=500, path=(b"<sip:p;lr>",))
        outcome = self.targets(kit)
        assert sorted(outcome.uris) == ["sip:alice@192.0.2.1", "sip:alice@192.0.2.2"]
        for target in outcome.result:
            assert (target.q, target.routes, target.source) == (500, (b"<sip:p;lr>",), NAME)
        assert outcome.reason == f"2 bindings for {AOR}"

    def test_nobody(self) -> None:
        """A user who has no binding is declined, to whoever comes next."""
        outcome = self.targets(ModuleContext(NAME))
        assert outcome.result is None and outcome.reason == f"no binding for {AOR}"

    def test_no_user(self) -> None:
        """The server itself has no phones."""
        outcome = self.targets(ModuleContext(NAME), "sip:example.com")
        assert outcome.result is None and outcome.reason == "the Request-URI names no user"

    def test_telephone_number(self) -> None:
        """A number is a user of the first domain."""
        kit = ModuleContext(NAME)
        kit.bind("+1201555@example.com", "sip:desk@192.0.2.3")
        assert self.targets(kit, "tel:+1-201-555").uris == ["sip:desk@192.0.2.3"]

    @pytest.mark.parametrize(
        ("sign", "by_flow", "udp_only"),
        [(b"+", True, False), (b"~", True, False), (b"-", False, True), (b"=", False, False)],
    )
    def test_how(self, sign: bytes, by_flow: bool, udp_only: bool) -> None:
        """By its flow, or by its Contact, as it registered."""
        kit = ModuleContext(NAME)
        token = kit.host.flows.token_of(kit.request(source="192.0.2.9:5070").peer)
        kit.bind(AOR, "sip:alice@10.1.1.1", received=sign + token)
        (target,) = self.targets(kit).result
        assert (target.flow is not None) is by_flow and target.udp_only is udp_only
        if by_flow:
            assert (target.flow.host, target.flow.port) == ("192.0.2.9", 5070)

    @pytest.mark.parametrize(("sign", "status"), [(b"+", 480), (b"~", 0)])
    def test_connection_gone(self, sign: bytes, status: int) -> None:
        """Behind a NAT a phone whose connection is gone is away; any other has its Contact."""
        kit = ModuleContext(NAME)
        peer = Peer("tcp", "192.0.2.9", 40000, 1, 99)
        kit.bind(AOR, "sip:alice@192.0.2.9", received=sign + kit.host.flows.token_of(peer))
        outcome = self.targets(kit)
        assert outcome.status == status
        if not status:
            assert outcome.result[0].flow is None
        else:
            assert "gone" in outcome.reason


class PreferenceTests:
    """UseCallerPreferences: how a contact wants to be used (RFC 2543's action)."""

    @pytest.mark.parametrize(
        ("params", "action"),
        [
            (b"", ""),
            (b";action=redirect", "redirect"),
            (b";x=1; Action = PROXY ;y", "proxy"),
            (b";action=other", ""),
            (b";reaction=proxy", ""),
        ],
    )
    def test_action(self, params: bytes, action: str) -> None:
        """It counts only when the directive is on."""
        for text, expected in (("UseCallerPreferences On", action), ("", "")):
            kit = ModuleContext(NAME, text)
            kit.bind(AOR, "sip:alice@192.0.2.1", params=params)
            (target,) = kit.call("translate", kit.request("INVITE", f"sip:{AOR}")).result
            assert target.action == expected

    def test_expiry(self) -> None:
        """A target knows when its binding ends."""
        kit = ModuleContext(NAME)
        kit.bind(AOR, "sip:alice@192.0.2.1", expires=500.0)
        (target,) = kit.call("translate", kit.request("INVITE", f"sip:{AOR}")).result
        assert target.expires == 500.0


class AppliesTests:
    """What the module is asked about."""

    @pytest.mark.parametrize("method", METHODS)
    def test_methods(self, method: str) -> None:
        """REGISTER is served outside dialogs, everything else is translated on either side."""
        module = ModuleContext(NAME).module
        assert module.applies("serve", method, False) is (method == "REGISTER")
        assert not module.applies("serve", method, True)
        for inside in (False, True):
            assert module.applies("translate", method, inside) is (method != "REGISTER")
