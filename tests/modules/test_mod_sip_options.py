"""What the server answers about itself."""

import pytest

from sipproxy.core.phases import METHODS
from sipproxy.testing.modules import DoesNotApply, ModuleContext


def kit() -> ModuleContext:
    """Give the module."""
    return ModuleContext("mod_sip_options")


class OptionsTests:
    """OPTIONS (RFC 3261 section 11)."""

    @pytest.mark.parametrize("uri", ["sip:example.com", "sip:10.0.0.1:5060", "sip:10.0.0.1"])
    def test_to_the_server(self, uri: str) -> None:
        """A URI of ours without a user is the server."""
        outcome = kit().call("serve", kit().request("OPTIONS", uri))
        assert outcome.status == 200
        for name in ("Allow", "Accept", "Accept-Encoding", "Accept-Language", "Supported"):
            assert outcome.header(name)
        assert "REGISTER" in (outcome.header("Allow") or "")
        assert outcome.result.to_tag

    @pytest.mark.parametrize("uri", ["sip:bob@example.com", "sip:203.0.113.80", "tel:+1201"])
    def test_to_others(self, uri: str) -> None:
        """One for a user or another host is declined, to be forwarded."""
        assert kit().call("serve", kit().request("OPTIONS", uri)).result is None

    def test_with_a_route_to_others(self) -> None:
        """So is one that a Route leads further."""
        headers = [("Route", "<sip:203.0.113.80;lr>")]
        context = kit().request("OPTIONS", "sip:example.com", headers=headers)
        assert kit().call("serve", context).result is None

    @pytest.mark.parametrize("uri", ["sip:bob@example.com", "sip:203.0.113.80"])
    def test_last_hop(self, uri: str) -> None:
        """With Max-Forwards 0 it is answered wherever it was going (16.3 step 3)."""
        context = kit().request("OPTIONS", uri)
        context.request.set(b"max-forwards", b"0")
        assert kit().call("serve", context).status == 200

    def test_hypothetical(self) -> None:
        """One that is only asked about is answered the same."""
        context = kit().request("OPTIONS", "sip:example.com", hypothetical=True)
        assert kit().call("serve", context).status == 200


class NotifyTests:
    """NOTIFY that phones keep their NAT open with."""

    @pytest.mark.parametrize("event", ["keep-alive", "Keep-Alive", " keep-alive;id=1"])
    def test_keep_alive(self, event: str) -> None:
        """It is answered 200, to whichever user of ours it goes."""
        for uri in ("sip:example.com", "sip:alice@example.com"):
            context = kit().request("NOTIFY", uri, headers=[("Event", event)])
            assert kit().call("serve", context).status == 200

    @pytest.mark.parametrize("event", ["presence", "keep-alive-not", ""])
    def test_others(self, event: str) -> None:
        """Any other event is for somebody."""
        headers = [("Event", event)] if event else []
        context = kit().request("NOTIFY", "sip:alice@example.com", headers=headers)
        assert kit().call("serve", context).result is None

    def test_elsewhere(self) -> None:
        """A keep-alive for another host is none of ours."""
        context = kit().request("NOTIFY", "sip:203.0.113.80", headers=[("Event", "keep-alive")])
        assert kit().call("serve", context).result is None


class AppliesTests:
    """What the module is asked about."""

    @pytest.mark.parametrize("method", METHODS)
    def test_methods(self, method: str) -> None:
        """Only OPTIONS and NOTIFY outside dialogs."""
        module = kit().module
        assert module.applies("serve", method, False) is (method in ("OPTIONS", "NOTIFY"))
        assert not module.applies("serve", method, True)

    def test_inside_dialogs(self) -> None:
        """OPTIONS inside a dialog is for the other phone."""
        with pytest.raises(DoesNotApply):
            kit().call("serve", kit().request("OPTIONS", "sip:example.com", in_dialog=True))
