"""CANCEL in the core: what `test_server.py` and the scenarios do not show."""

from twisted.internet.defer import Deferred

from sipproxy.core.targets import Target
from sipproxy.testing.core import CoreStand, StubModule, make_request


class CancelTests:
    """Sections 9.2 and 16.10."""

    def test_one_tag(self) -> None:
        """The 200 to the CANCEL and our own 487 come from one user agent: one To tag."""
        stand = CoreStand(StubModule("mod_slow", check=lambda context: Deferred()))
        caller = stand.receive(make_request())
        cancel = stand.cancel(caller)
        assert caller.statuses == [487] and cancel.statuses == [200]
        assert caller.response.to_tag == cancel.response.to_tag is not None

    def test_to_the_server_itself(self) -> None:
        """Without a user there is nobody to pass it on to."""
        stand = CoreStand()
        cancel = make_request("CANCEL", "sip:example.com", branch="z9hG4bKno")
        assert stand.receive(cancel).statuses == [481]
        assert not stand.clients

    def test_answer_finds_its_way_back(self) -> None:
        """What a CANCEL that was passed on is answered goes back to whoever sent it."""
        to_bob = [Target(b"sip:bob@192.0.2.20", "mod_to")]
        stand = CoreStand(StubModule("mod_to", translate=lambda context, uri: to_bob))
        caller = stand.receive(make_request("CANCEL", branch="z9hG4bKno"))
        stand.reply(stand.clients[0], 481)
        assert caller.statuses == [481]
