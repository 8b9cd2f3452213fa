"""Who may send requests on to other hosts."""

import pytest

from sipproxy.core.phases import METHODS
from sipproxy.testing.modules import DoesNotApply, ModuleContext

FOREIGN = "sip:carol@203.0.113.80"
POLICIES = ("Registered", "Open", "None")


def kit_with(policy: str, *lines: str) -> ModuleContext:
    """Give the relay rule with a policy, and Alice registered at 192.0.2.1."""
    kit = ModuleContext("mod_sip_relay", "\n".join([f"RelayPolicy {policy}", *lines]))
    token = kit.host.flows.token_of(kit.request().peer)
    kit.bind("alice@example.com", "sip:alice@192.0.2.1:5060", received=b"-" + token)
    return kit


def verdict(
    kit: ModuleContext, method: str = "INVITE", uri: str = FOREIGN, **how: str
) -> tuple[int, str]:
    """Ask the rule; the status, 0 when it lets pass, and the reason."""
    outcome = kit.call("authorize", kit.request(method, uri, **how))  # type: ignore[arg-type]
    return outcome.status, outcome.reason


class TableTests:
    """Policy by sender, for what leaves the house."""

    @pytest.mark.parametrize("method", ["INVITE", "REGISTER", "MESSAGE", "ACK", "FROBNICATE"])
    @pytest.mark.parametrize(
        ("policy", "sender", "allowed"),
        [
            ("Registered", "registered", True),
            ("Registered", "elsewhere", False),
            ("Registered", "unknown", False),
            ("Registered", "foreign", False),
            ("Registered", "authenticated", True),
            ("Registered", "trusted", True),
            ("Open", "unknown", True),
            ("Open", "registered", True),
            ("None", "registered", False),
            ("None", "unknown", False),
            ("None", "trusted", True),
        ],
    )
    def test_foreign(self, policy: str, sender: str, allowed: bool, method: str) -> None:
        """Every method is judged alike, by who sends it."""
        kit = kit_with(policy, "TrustedPeer 198.51.100.0/24 2001:db8::/32")
        how = {
            "registered": {},
            "elsewhere": {"source": "192.0.2.2:5060"},
            "unknown": {"from_": "sip:mallory@example.com"},
            "foreign": {"from_": "sip:alice@203.0.113.9"},
            "authenticated": {"from_": "sip:mallory@example.com", "identity": "mallory"},
            "trusted": {"from_": "sip:mallory@example.com", "source": "198.51.100.7:5060"},
        }[sender]
        status, reason = verdict(kit, method, **how)
        assert status == (0 if allowed else 403)
        assert reason

    @pytest.mark.parametrize("policy", POLICIES)
    @pytest.mark.parametrize("method", ["INVITE", "REGISTER", "MESSAGE", "ACK"])
    def test_own(self, policy: str, method: str) -> None:
        """What is for our own hosts may come from anybody."""
        for uri in ("sip:bob@example.com", "sip:10.0.0.1:5060", "tel:+1201"):
            status, reason = verdict(kit_with(policy), method, uri, from_="sip:mallory@203.0.113.9")
            assert (status, reason) == (0, "for our own host")

    @pytest.mark.parametrize("policy", ["Registered", "None"])
    def test_own_uri_with_foreign_route(self, policy: str) -> None:
        """A Route to another host leaves the house, whatever the Request-URI says."""
        kit = kit_with(policy)
        context = kit.request(
            "INVITE",
            "sip:bob@example.com",
            from_="sip:mallory@example.com",
            headers=[("Route", "<sip:203.0.113.80;lr>")],
        )
        assert kit.call("authorize", context).status == 403

    @pytest.mark.parametrize("method", METHODS)
    def test_not_inside_dialogs(self, method: str) -> None:
        """Requests inside a dialog that was set up through us are not asked about."""
        kit = kit_with("None")
        name = "FROBNICATE" if method == "*" else method
        with pytest.raises(DoesNotApply):
            kit.call("authorize", kit.request(name, FOREIGN, in_dialog=True))

    def test_nobody_means_nobody(self) -> None:
        """RelayPolicy None lets nobody but a TrustedPeer relay, as its help says."""
        assert verdict(kit_with("None"), identity="alice")[0] == 403


class SenderTests:
    """How a sender is recognised."""

    def test_policy_in_any_case(self) -> None:
        """The policy may be written in any case."""
        assert verdict(kit_with("open"), from_="sip:mallory@example.com")[0] == 0

    def test_default_is_registered(self) -> None:
        """Nothing said means Registered, so that no server is an open relay by accident."""
        kit = ModuleContext("mod_sip_relay")
        assert verdict(kit)[0] == 403

    def test_phone_behind_nat(self) -> None:
        """A phone that is reached by its flow is registered where that flow comes from."""
        kit = ModuleContext("mod_sip_relay")
        peer = kit.request(source="203.0.113.5:31000").peer
        token = kit.host.flows.token_of(peer)
        kit.bind("alice@example.com", "sip:alice@192.168.1.5", received=b"+" + token)
        assert verdict(kit, source="203.0.113.5:40000")[0] == 0
        assert verdict(kit, source="203.0.113.6:31000")[0] == 403

    def test_expired_binding(self) -> None:
        """Who was registered once is a stranger now."""
        kit = kit_with("Registered")
        kit.run(3601)
        assert verdict(kit)[0] == 403

    def test_anonymous_from(self) -> None:
        """A From that is no SIP URI names nobody."""
        assert verdict(kit_with("Registered"), from_="tel:+1201")[0] == 403

    @pytest.mark.parametrize("host", ["198.51.100.0", "198.51.100.255"])
    def test_network_of_trusted_peers(self, host: str) -> None:
        """A network covers its first and last address, and not the next."""
        kit = kit_with("None", "TrustedPeer 198.51.100.0/24")
        assert verdict(kit, source=f"{host}:5060")[0] == 0
        assert verdict(kit, source="198.51.101.0:5060")[0] == 403

    def test_reason_points_at_the_line(self) -> None:
        """The trail says which line of the configuration it was."""
        kit = kit_with("None")
        outcome = kit.call("authorize", kit.request("INVITE", FOREIGN))
        assert outcome.where.endswith("sipd.conf:1")
        assert outcome.reason == "RelayPolicy none does not allow this sender"
