"""One target being tried, and what the locator hears of its hops."""

from typing import Any

import pytest

from sipproxy.core.targets import Target
from sipproxy.resolve.hop import Hop
from sipproxy.testing.core import CoreStand, ServerSide, StubModule, make_request

ONE, TWO = "192.0.2.31", "192.0.2.32"


def called(**options: Any) -> tuple[CoreStand, ServerSide]:
    """Call a gateway with two addresses."""
    target = Target(b"sip:bob@gateway.example.net", "mod_to")
    stand = CoreStand(StubModule("mod_to", translate=lambda context, uri: [target]), **options)
    stand.locator.hops["gateway.example.net"] = [Hop("udp", host, 5060) for host in (ONE, TWO)]
    return stand, stand.receive(make_request())


class HealthTests:
    """What is told of hops, so that a dead one is not tried again at once."""

    def test_works(self) -> None:
        """The first response of a hop says that it works; further ones say nothing new."""
        stand, _ = called()
        for status in (100, 180, 486):
            stand.reply(stand.clients[0], status)
        assert stand.locator.told == [(ONE, "worked", None)]

    @pytest.mark.parametrize(("how", "kind"), [("time_out", "timed out"), ("fail", "unreachable")])
    def test_failed(self, how: str, kind: str) -> None:
        """A silent or unreachable hop is told of; the next one stands for itself."""
        stand, _ = called()
        getattr(stand, how)(stand.clients[0])
        stand.reply(stand.clients[1], 200)
        assert stand.locator.told == [(ONE, kind, None), (TWO, "worked", None)]

    def test_unavailable(self) -> None:
        """A 503 is told of with its Retry-After."""
        stand, _ = called()
        stand.reply(stand.clients[0], 503, (b"retry-after", b"30 (soon)"))
        assert stand.locator.told == [(ONE, "unavailable", 30.0)]

    def test_silent_after_ringing(self) -> None:
        """A hop that said something and then fell silent is not a dead one."""
        stand, _ = called()
        stand.reply(stand.clients[0], 180)
        stand.time_out(stand.clients[0])
        assert stand.locator.told == [(ONE, "worked", None)]

    def test_flows_are_nobodys_business(self) -> None:
        """A phone's own connection is no hop that the locator found."""
        flow = CoreStand().flows.peer_for("tcp", "192.0.2.30", 40000)
        target = Target(b"sip:bob@192.0.2.30", "mod_to", flow=flow)
        stand = CoreStand(StubModule("mod_to", translate=lambda context, uri: [target]))
        stand.receive(make_request())
        stand.time_out(stand.clients[0])
        assert stand.locator.told == []


class EndTests:
    """The moments at which trying ends come too late for what is over."""

    def test_late_moments(self) -> None:
        """Timer C, the group's time and Expires do nothing to an answered call."""
        targets = [Target(b"sip:bob@192.0.2.%d" % n, "mod_to", q=n) for n in (21, 20)]
        stand = CoreStand(
            StubModule("mod_to", translate=lambda context, uri: targets), group_timer=20.0
        )
        caller = stand.receive(make_request("INVITE", "sip:bob@example.com", "Expires: 30"))
        stand.reply(stand.clients[0], 200)
        stand.advance(500)
        assert caller.statuses == [200] and not stand.clients[0].cancelled
