"""What the server says to requests it does not carry out."""

import pytest

from bench.servers import Server
from tests.live.phone import Phone

pytestmark = [pytest.mark.live, pytest.mark.parametrize("transport", ["udp", "tcp"])]


class RefusalTests:
    """Unknown users, foreign hosts, and questions to the server itself."""

    def test_unknown_user(self, server: Server, transport: str) -> None:
        """A call to a user whom nobody has registered ends with 404."""
        with Phone("caller", server.address, transport) as phone:
            call = phone.invite(f"sip:nobody-at-all@{server.host}")
            assert call.refused().status == 404

    def test_no_relay_for_strangers(self, server: Server, transport: str) -> None:
        """A stranger cannot use the server to reach other hosts."""
        with Phone("stranger", server.address, transport) as phone:
            call = phone.invite("sip:somebody@192.0.2.77")
            assert call.refused().status == 403

    def test_options(self, server: Server, transport: str) -> None:
        """OPTIONS to the server itself is answered 200."""
        with Phone("curious", server.address, transport) as phone:
            assert phone.options(f"sip:{server.host}:{server.port}").status == 200

    def test_unregistered_user_is_unknown_again(self, server: Server, transport: str) -> None:
        """A phone that has signed off is not called any more."""
        with (
            Phone(f"leaver-{transport}", server.address, transport) as callee,
            Phone("caller", server.address, transport) as caller,
        ):
            assert callee.register().status == 200
            call = caller.invite(callee.address)
            dialog = callee.dialog_of(invite := callee.request("INVITE"))
            callee.respond(invite, 603, dialog)
            assert call.refused().status == 603
            callee.request("ACK")
            assert callee.register(expires=0).status == 200
            assert caller.invite(callee.address).refused().status == 404
