"""A scene holds everything together, and lets no scenario leave something behind."""

import pytest

from sipproxy.resolve.locator import is_ipv4
from sipproxy.testing.scene import Scene


class SceneTests:
    """What a scenario relies on."""

    def test_settles(self) -> None:
        """When all timers have run, a scene is as it was before."""
        scene = Scene()
        alice, _ = scene.registered("alice", "bob")
        alice.call("bob").later(3, "hang_up")
        scene.run(4)
        assert "at the server" in scene.remains()
        scene.settle()
        assert scene.remains() == ""

    def test_something_stays(self) -> None:
        """What stays is named, with the ladder of how it came about."""
        scene = Scene()
        alice, bob = scene.registered("alice", "bob")
        bob.rings()
        alice.call("bob")
        with pytest.raises(AssertionError, match=r"left after 60 s: at the server 2 transactions"):
            scene.settle(60)

    def test_loses_what_it_is_told(self) -> None:
        """A scenario loses the one message that it is about."""
        scene = Scene()
        alice = scene.phone("alice")
        scene.lose("REGISTER")
        scene.lose("200", source="10.0.0.1")
        alice.register()
        scene.run(5)
        scene.ladder.expect("""
            alice      proxy
              │ REGISTER ─✗│   0.000
              │ REGISTER ─▶│   0.500
              │✗────── 200 │   0.501
              │ REGISTER ─▶│   1.500
              │◀────── 200 │   1.501
        """)
        assert scene.bindings("alice") == ["sip:alice@10.0.1.1:5060"]

    def test_many_phones(self) -> None:
        """However many hosts there are, each has an address of its own that is one."""
        scene = Scene()
        hosts = {scene.phone(f"p{number}").address[0] for number in range(600)}
        assert len(hosts) == 600 and all(is_ipv4(host) for host in hosts)

    def test_core_errors(self) -> None:
        """An exception of the core fails the scenario, whatever the callers saw."""
        scene = Scene()
        scene.server.driver.counters.core_errors = 1
        with pytest.raises(AssertionError, match="the core raised 1 times"):
            scene.settle()
