"""Where a message came from or goes to, as a value.

A `Peer` names a remote address together with the local end that talks to it: which listener,
and for stream transports which connection. Nothing here opens or knows a socket; the transport
room turns a peer into one.
"""

from sipproxy.message.fields import Via

DEFAULT_PORT = 5060
DEFAULT_TLS_PORT = 5061

Address = tuple[str, int] | tuple[str, int, int, int]


class Peer:
    """One remote end. Equal when transport, host, port, listener and connection are equal.

    `sent_by` is what our own Via must say when we send a request there; it takes no part in
    comparison. `address` is what ``sendto`` wants, which for IPv6 has four parts.
    """

    __slots__ = (
        "transport", "host", "port", "listener", "connection", "sent_by", "address", "reliable",
    )  # fmt: skip

    def __init__(
        self,
        transport: str,
        host: str,
        port: int,
        listener: int = 0,
        connection: int = 0,
        sent_by: bytes = b"",
        address: Address | None = None,
    ) -> None:
        self.transport: str = transport
        self.host: str = host
        self.port: int = port
        self.listener: int = listener
        self.connection: int = connection
        self.sent_by: bytes = sent_by
        self.address: Address = (host, port) if address is None else address
        self.reliable: bool = transport != "udp"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Peer):
            return NotImplemented
        return (
            self.port == other.port
            and self.host == other.host
            and self.transport == other.transport
            and self.listener == other.listener
            and self.connection == other.connection
        )

    def __hash__(self) -> int:
        return hash((self.transport, self.host, self.port, self.listener, self.connection))

    def __repr__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        connection = f"#{self.connection}" if self.connection else ""
        return f"<Peer {self.transport} {host}:{self.port}{connection} on {self.listener}>"


def reply_peer(via: Via, source: Peer) -> Peer:
    """Where the responses to a request go: RFC 3261 section 18.2.2 with RFC 3581 section 4.

    `via` is the topmost Via of the request, `source` the peer it came from. Over a reliable
    transport, with rport, and from behind a translator (the Via names another host than the
    source) that is the source itself; else the source's host at the port the Via names. A maddr
    comes first, as the RFC has it, but only as a literal address: nothing here asks the DNS.
    """
    if source.reliable:
        return source
    maddr = via.maddr
    if maddr is not None and _is_literal(maddr):
        return _moved(source, maddr.strip("[]"), via.port or DEFAULT_PORT)
    if via.has_rport or via.host != source.host:
        return source
    port = via.port or DEFAULT_PORT
    if port == source.port:
        return source
    return _moved(source, source.host, port)


def _moved(source: Peer, host: str, port: int) -> Peer:
    """The same listener, another address; a scope of an IPv6 source is kept."""
    address: Address = (host, port)
    if len(source.address) == 4:
        address = (host, port, source.address[2], source.address[3])
    return Peer(source.transport, host, port, source.listener, 0, source.sent_by, address)


def _is_literal(host: str) -> bool:
    """Whether `host` is an IPv4 or IPv6 address rather than a name."""
    return ":" in host or (host.count(".") == 3 and host.replace(".", "").isdigit())
