"""A locator for a running server, from settings."""

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from zope.interface.verify import verifyObject

from sipproxy.interfaces import ILocator
from sipproxy.message.uri import parse_uri
from sipproxy.resolve.build import build_locator
from sipproxy.resolve.dns import Dns
from sipproxy.resolve.health import TIMED_OUT
from sipproxy.resolve.hop import Hop


class BuildTests:
    """`build_locator`."""

    def make(self, hosts: Path, **settings: Any) -> Any:
        """Make a locator on a reactor that does nothing."""
        return build_locator(MemoryReactorClock(), hosts_file=str(hosts), **settings)

    def test_made(self, tmp_path: Path) -> None:
        """It locates numeric hosts and names of the hosts file without asking anybody."""
        (tmp_path / "hosts").write_text("192.0.2.1 gw\n")
        locator = self.make(tmp_path / "hosts", servers=[("192.0.2.53", 5300)])
        assert verifyObject(ILocator, locator)
        for uri in (b"sip:gw", b"sip:192.0.2.1"):
            found = locator.locate(parse_uri(uri))
            assert not isinstance(found, Deferred)
            assert list(found) == [Hop("udp", "192.0.2.1", 5060)]

    def test_settings(self, tmp_path: Path) -> None:
        """Settings reach the parts they are for."""
        locator = self.make(
            tmp_path / "hosts",
            servers=[("192.0.2.53", 5300)],
            timeout=10.0,
            cache_min=7.0,
            cache_max=70.0,
            skip_for=0.0,
        )
        assert isinstance(locator.dns, Dns)
        assert (locator.dns.cache.shortest, locator.dns.cache.longest) == (7, 70)
        assert locator.dns.servers.step == 1.0
        assert locator.dns.servers.snapshot() == [{"server": "192.0.2.53:5300", "answers": True}]
        locator.failed(Hop("udp", "192.0.2.1", 5060), TIMED_OUT)
        assert locator.health.snapshot() == []

    def test_servers_of_the_machine(self, tmp_path: Path) -> None:
        """Without servers those of resolv.conf are asked; there is always one."""
        locator = self.make(tmp_path / "hosts")
        assert locator.dns.servers.snapshot()
