"""Tortured and damaged messages against the running server, where nothing can leave the machine."""

import os
from collections.abc import Iterator

import pytest

from bench.hostile import damaged_messages, throw_datagrams, throw_on_connections, vectors
from bench.namespaces import Namespace
from bench.servers import Server
from tests.live.phone import Phone
from tests.live.server import REFERENCE, make_watched, must_be_sound, running, wait_until_empty

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="making network namespaces needs root"),
]

#: Short, so that every transaction that the rubbish began is over before the test is.
_SHORT_TIMERS = ("SIP_T1_in_ms 20", "SIP_T2_in_ms 80", "SIP_T4_in_ms 100")
_COUNT = 3000
_SEED = 20261121


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server in a namespace with nothing but a loopback; the tests are in there too."""
    with (
        Namespace("hostile") as space,
        space.entered(),
        running(make_watched(tmp_path_factory.mktemp("hostile"), _SHORT_TIMERS)) as started,
    ):
        yield started


def still_works(server: Server) -> None:
    """Register, call and hang up, as if nothing had been."""
    with (
        Phone("sane", server.address, "tcp") as caller,
        Phone("sound", server.address) as callee,
    ):
        assert callee.register().status == 200
        call = caller.invite(callee.address)
        dialog, _ = callee.answer_invite()
        call.answered()
        callee.request("ACK")
        caller.send_request("BYE", call.dialog, 2)
        callee.respond(callee.request("BYE"), 200)
        assert caller.final("BYE").status == 200
        assert callee.register(expires=0).status == 200
        assert dialog.call_id == call.dialog.call_id


class HostileTests:
    """Whatever comes in, the server goes on serving and has nothing left of it."""

    def test_there_are_vectors(self) -> None:
        """The torture folder holds a message for every section of RFC 4475 at least."""
        assert len(vectors()) >= 49

    def test_torture(self, lonely: Server) -> None:
        """Every tortured message, over UDP and over TCP; then no transaction is left."""
        throw_datagrams(lonely.address, vectors())
        throw_on_connections(lonely.address, vectors())
        still_works(lonely)
        must_be_sound(lonely)
        if not REFERENCE:  # whose tables are not ours to read
            wait_until_empty(lonely)

    def test_damage(self, lonely: Server) -> None:
        """Thousands of damaged messages, the same ones each time; then no transaction is left."""
        throw_datagrams(lonely.address, damaged_messages(_COUNT, _SEED))
        throw_on_connections(lonely.address, damaged_messages(_COUNT, _SEED + 1))
        still_works(lonely)
        must_be_sound(lonely)
        if not REFERENCE:  # whose tables are not ours to read
            wait_until_empty(lonely)
