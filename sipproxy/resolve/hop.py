"""One address to send to, as a value."""


class Hop:
    """A transport and a numeric address.

    ``chosen`` is False when the transport was only a default, so that a large request may take TCP.
    """

    __slots__ = ("chosen", "host", "port", "transport")

    def __init__(self, transport: str, host: str, port: int, chosen: bool = False) -> None:
        self.transport = transport
        self.host = host
        self.port = port
        self.chosen = chosen

    def __repr__(self) -> str:
        return f"Hop({self.transport} {self.host}:{self.port})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Hop):
            return NotImplemented
        return (self.transport, self.host, self.port) == (other.transport, other.host, other.port)

    def __hash__(self) -> int:
        return hash((self.transport, self.host, self.port))
