"""The two sides of a socket fit: compared here, as Python would only notice when they meet."""

import inspect

from sipproxy.transport.connections import Connections
from sipproxy.transport.driver import Driver
from sipproxy.transport.ends import Inbox, Outlet
from sipproxy.transport.udp import UdpPort


def signatures(of: type, names: set[str]) -> dict[str, list[str]]:
    """Give the parameter names of methods."""
    return {name: list(inspect.signature(getattr(of, name)).parameters) for name in names}


def methods(of: type) -> set[str]:
    """Give the names of a protocol's methods."""
    return {name for name, what in vars(of).items() if callable(what) and name[0] != "_"}


class EndsTests:
    """Who is an Inbox, who an Outlet."""

    def test_driver_is_the_inbox(self) -> None:
        """What sockets tell, the driver takes."""
        names = methods(Inbox)
        assert "received" in names and "end_of_turn" in names
        assert signatures(Driver, names) == signatures(Inbox, names)

    def test_sockets_are_outlets(self) -> None:
        """What the driver asks, ports and connections do."""
        names = methods(Outlet)
        assert names == {"send"}
        assert signatures(UdpPort, names) == signatures(Outlet, names)
        assert signatures(Connections, names) == signatures(Outlet, names)
