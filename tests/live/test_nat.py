"""Two phones behind one NAT router, both announcing the same private Contact.

    anna 192.168.7.2 -- her router 10.0.0.2 --+
                                              +-- 198.51.100.2 one NAT router -- server
    ben  192.168.7.2 -- his router 10.0.0.3 --+

Each home has a router of its own and both hang behind the router of their provider, so the server
sees two phones with the same Contact and the same source address; only the port tells them apart.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from bench.namespaces import Namespace
from bench.servers import Server
from tests.live.phone import Phone
from tests.live.server import make_server, running

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="making network namespaces needs root"),
]

SERVER: Final = "198.51.100.1"
DOMAIN: Final = "sip.test"
PRIVATE: Final = "192.168.7.2"


class Street:
    """The two homes, their routers and the server's network, all up."""

    def __init__(self, spaces: contextlib.ExitStack) -> None:
        names = ("server", "provider", "router-a", "router-b", "home-a", "home-b")
        made = [spaces.enter_context(Namespace(name)) for name in names]
        self.server, provider, router_a, router_b, self.anna, self.ben = made
        provider.join("198.51.100.2/24", self.server, f"{SERVER}/24")
        provider.join("10.0.0.1/32", router_a, "10.0.0.2/32")
        provider.join("10.0.0.1/32", router_b, "10.0.0.3/32")
        for router, address, home in (
            (router_a, "10.0.0.2", self.anna),
            (router_b, "10.0.0.3", self.ben),
        ):
            router.join("192.168.7.1/24", home, f"{PRIVATE}/24")
            home.route_by("192.168.7.1")
            router.masquerade("192.168.7.0/24")
            _point_to_point(provider, router, address)
        provider.masquerade("10.0.0.0/24")


def _point_to_point(provider: Namespace, router: Namespace, address: str) -> None:
    """Route over the one cable between them: provider and router share no network."""
    provider.route_to(address, router)
    router.route_to("10.0.0.1", provider)
    router.route_by("10.0.0.1")


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Street, Server]]:
    """The street, and a server that serves it at port 5060."""
    with contextlib.ExitStack() as stack:
        built = Street(stack)
        with built.server.entered():
            folder: Path = tmp_path_factory.mktemp("nat")
            server = make_server(folder, host=SERVER, port=5060, domain=DOMAIN)
            stack.enter_context(running(server))
        yield built, server


@contextlib.contextmanager
def phone_at(home: Namespace, user: str, transport: str) -> Iterator[Phone]:
    """A phone in one of the homes, with the private Contact that both of them announce."""
    parameter = "" if transport == "udp" else ";transport=tcp"
    with home.entered():
        phone = Phone(
            user, (SERVER, 5060), transport, DOMAIN,
            contact=f"sip:line1@{PRIVATE}:5062{parameter}", port=5062 if not parameter else 0,
        )  # fmt: skip
    with phone:
        yield phone


@pytest.mark.parametrize("transport", ["udp", "tcp"])
class SameContactTests:
    """What two phones do that look the same from outside."""

    def test_both_call_each_other(self, street: tuple[Street, Server], transport: str) -> None:
        """Each rings the other, changes the call and hangs up; nobody hears of a third party."""
        homes, _ = street
        anna_name, ben_name = f"anna-{transport}", f"ben-{transport}"
        with (
            phone_at(homes.anna, anna_name, transport) as anna,
            phone_at(homes.ben, ben_name, transport) as ben,
        ):
            for phone in (anna, ben):
                assert phone.register().status == 200
                assert len(phone.bindings()) == 1
            for caller, callee in ((anna, ben), (ben, anna)):
                self._whole_call(caller, callee)
            for phone in (anna, ben):
                assert phone.register(expires=0).status == 200
                assert phone.bindings() == []

    def _whole_call(self, caller: Phone, callee: Phone) -> None:
        call = caller.invite(callee.address)
        dialog, invite = callee.answer_invite()
        assert invite.value("from").startswith(f"<{caller.address}>")
        call.answered()
        callee.request("ACK")

        call.change()
        again = callee.request("INVITE")
        assert again.value("call-id") == call.dialog.call_id
        callee.respond(again, 200, dialog, "v=0\r\n")
        call.answered()
        callee.request("ACK")

        dialog.cseq = 100
        callee.send_request("BYE", dialog, dialog.cseq)
        bye = caller.request("BYE")
        caller.respond(bye, 200)
        assert callee.final("BYE").status == 200
