"""Telling the caller where to try (RFC 3261 section 8.3), alone or beside phones that ring here."""

from typing import Any

import pytest

from sipproxy.core.context import RequestContext
from sipproxy.core.redirect import contact_headers, is_redirected, split, status_for
from sipproxy.core.targets import Target
from sipproxy.testing.core import ALICE, CoreStand, ServerSide, StubModule, make_request


def phone(number: int, **fields: Any) -> Target:
    """Give a target."""
    return Target(b"sip:bob@192.0.2.%d" % number, "mod_to", **fields)


def redirecting(*targets: Target, **options: Any) -> CoreStand:
    """Give a stand with ServerType Redirect."""
    module = StubModule("mod_to", translate=lambda context, uri: list(targets) or None)
    return CoreStand(module, **({"redirect": True} | options))


def contacts(caller: ServerSide) -> list[bytes]:
    """Give the contacts of the answer."""
    return caller.response.values(b"contact")


class DecideTests:
    """Which targets the caller tries itself."""

    @pytest.mark.parametrize(
        ("server", "action", "redirected"),
        [
            (False, "", False),
            (True, "", True),
            (False, "redirect", True),
            (True, "proxy", False),
            (True, "redirect", True),
            (False, "proxy", False),
        ],
    )
    def test_who(self, server: bool, action: str, redirected: bool) -> None:
        """As the contact wants it, else as the server does it."""
        stand = CoreStand(redirect=server)
        context = RequestContext(make_request(), ALICE, None, stand.generation, 0.0)
        assert is_redirected(context, phone(1, action=action)) is redirected

    def test_split(self) -> None:
        """Each target is on one side, in its order."""
        stand = CoreStand(redirect=False)
        context = RequestContext(make_request(), ALICE, None, stand.generation, 0.0)
        one, two, three = phone(1), phone(2, action="redirect"), phone(3)
        assert split(context, [one, two, three]) == ([one, three], [two])


class ContactTests:
    """What the caller is told."""

    def test_headers(self) -> None:
        """Best first, with q when it is not 1 and the seconds that are left."""
        targets = [phone(1, q=500, expires=160.5), phone(2), phone(3, q=250, expires=99.0)]
        assert contact_headers(targets, 100.0) == [
            (b"contact", b"<sip:bob@192.0.2.2>"),
            (b"contact", b"<sip:bob@192.0.2.1>;q=0.5;expires=60"),
            (b"contact", b"<sip:bob@192.0.2.3>;q=0.25;expires=1"),
        ]

    def test_status(self) -> None:
        """302 for one, 300 for a choice (21.3)."""
        assert status_for([phone(1)]) == 302
        assert status_for([phone(1), phone(2)]) == 300


class ServerTests:
    """A server that redirects."""

    def test_one(self) -> None:
        """The caller gets the contact, and nothing is forwarded."""
        stand = redirecting(phone(20))
        caller = stand.receive(make_request())
        assert caller.statuses == [302] and contacts(caller) == [b"<sip:bob@192.0.2.20>"]
        assert not stand.clients and caller.response.to_tag
        assert caller.context.decided_by == "mod_to"

    def test_several(self) -> None:
        """A choice is a 300."""
        caller = redirecting(phone(20), phone(21)).receive(make_request())
        assert caller.statuses == [300] and len(contacts(caller)) == 2

    def test_nobody(self) -> None:
        """A user whom nobody knows is a 404, not a redirection to ourselves."""
        assert redirecting().receive(make_request()).statuses == [404]

    def test_foreign(self) -> None:
        """What only passes through is forwarded."""
        stand = redirecting(phone(20))
        stand.receive(make_request("INVITE", "sip:carol@192.0.2.88"))
        assert stand.targets == ["sip:carol@192.0.2.88"]

    def test_in_a_dialog(self) -> None:
        """So is what has a Route further on."""
        stand = redirecting(phone(20))
        stand.receive(make_request("BYE", "sip:bob@example.com", "Route: <sip:192.0.2.40;lr>"))
        assert len(stand.clients) == 1


class MixedTests:
    """Some contacts ring here, others are for the caller (RFC 2543's action)."""

    def mixed(self) -> tuple[CoreStand, ServerSide]:
        """Call somebody with one phone of each kind."""
        stand = redirecting(phone(20), phone(21, action="redirect"), redirect=False)
        return stand, stand.receive(make_request())

    def test_phone_answers(self) -> None:
        """The phone that rings here has the call."""
        stand, caller = self.mixed()
        assert stand.targets == ["sip:bob@192.0.2.20"]
        stand.reply(stand.clients[0], 200)
        assert caller.statuses == [200]

    def test_phone_fails(self) -> None:
        """When it does not, the caller is told of the other."""
        stand, caller = self.mixed()
        stand.reply(stand.clients[0], 486)
        assert caller.statuses == [302] and contacts(caller) == [b"<sip:bob@192.0.2.21>"]

    def test_phone_redirects(self) -> None:
        """When it redirects itself, the caller is told of both."""
        stand, caller = self.mixed()
        stand.reply(stand.clients[0], 302, (b"contact", b"<sip:bob@192.0.2.99>"))
        assert caller.statuses == [302]
        assert sorted(contacts(caller)) == [b"<sip:bob@192.0.2.21>", b"<sip:bob@192.0.2.99>"]

    def test_phone_declines(self) -> None:
        """A 6xx is the last word."""
        stand, caller = self.mixed()
        stand.reply(stand.clients[0], 603)
        assert caller.statuses == [603]
