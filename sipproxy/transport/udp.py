"""One UDP socket: datagrams in, datagrams out, and the ICMP errors that come back.

Why not Twisted's own UDP port: a connected one is closed by the first ICMP error, an unconnected
one never hears of any.  This one owns its socket, drains it at each wake-up (a bounded batch, so
that timers and connections have their turn), and reads its error queue.

Nothing here ever waits, and nothing closes the socket but `stop`.
"""

import socket
from errno import ENOBUFS
from typing import Final

from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import classImplements

from sipproxy.log import get_logger
from sipproxy.transaction.machine import Transaction
from sipproxy.transaction.peer import Address, Peer
from sipproxy.transport import errqueue
from sipproxy.transport.counters import Counters
from sipproxy.transport.ends import Inbox
from sipproxy.transport.sockets import family_of, host_port
from sipproxy.transport.throttle import Throttle

log = get_logger("transport")

#: Datagrams taken at one wake-up.
BATCH: Final = 64

#: Errors taken from the error queue at one go.
ERROR_BATCH: Final = 64

#: Peers remembered by address in one of two halves; see `UdpPort._admit`.
MAX_PEERS: Final = 16384

#: What is asked for as receive buffer, in octets; the system gives what it allows.
RECEIVE_BUFFER: Final = 8 * 1024 * 1024
SEND_BUFFER: Final = 2 * 1024 * 1024

_MAX_DATAGRAM: Final = 65535

#: SO_MEMINFO of Linux: nine counters of a socket, the last one the datagrams it had no room for.
_SO_MEMINFO: Final = 55
_MEMINFO_SIZE: Final = 36


class UdpPort:
    """A bound, non-blocking UDP socket that is registered with the reactor."""

    def __init__(
        self,
        reactor: IReactorFDSet,
        sock: socket.socket,
        listener: int,
        inbox: Inbox,
        counters: Counters,
        throttle: Throttle,
    ) -> None:
        self._reactor = reactor
        self._socket = sock
        self._family = sock.family
        self._listener = listener
        self._inbox = inbox
        self._counters = counters
        self._throttle = throttle
        self._stopped = False
        self._peers: dict[Address, Peer] = {}
        self._older_peers: dict[Address, Peer] = {}
        self._recvfrom = sock.recvfrom
        self._sendto = sock.sendto

    def start(self) -> None:
        """Begin to read."""
        sock = self._socket
        sock.setblocking(False)
        for option, size in ((socket.SO_RCVBUF, RECEIVE_BUFFER), (socket.SO_SNDBUF, SEND_BUFFER)):
            try:
                sock.setsockopt(socket.SOL_SOCKET, option, size)
            except OSError:
                pass  # some systems refuse what is too large instead of giving less
        errqueue.enable(sock)
        self._reactor.addReader(self)

    def stop(self) -> None:
        """Close the socket, for good."""
        if not self._stopped:
            self._stopped = True
            self._reactor.removeReader(self)
            self._socket.close()

    def kernel_drops(self) -> int:
        """Say how many datagrams the kernel threw away since the buffer was full (Linux)."""
        try:
            data = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO_SIZE)
        except OSError:
            return 0
        return int.from_bytes(data[32:36], "little")

    # What the reactor calls.

    def fileno(self) -> int:
        """Give the socket's descriptor."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Name this port in Twisted's own log."""
        return "sip udp"

    def doRead(self) -> None:
        """Take what has come, up to a batch of it."""
        receive, deliver, peers = self._recvfrom, self._inbox.received, self._peers
        for count in range(BATCH):
            try:
                data, address = receive(_MAX_DATAGRAM)
            except BlockingIOError:
                if not count:
                    self._read_errors()  # woken, but not by a datagram
                break
            except OSError:
                # An ICMP error of something sent earlier; nothing was received by this call.
                self._read_errors()
                break
            peer = peers.get(address)
            if peer is None:
                peer = self._admit(address)
                peers = self._peers
            deliver(data, peer)
            if self._stopped:
                return
        self._inbox.end_of_turn()

    def connectionLost(self, reason: Failure) -> None:
        """Survive: poll and epoll reactors take a waiting ICMP error for a closed connection.

        They have removed the reader by then.  Only a reactor that shuts down says ConnectionLost.
        """
        if self._stopped:
            return
        if isinstance(reason.value, ConnectionLost):
            self.stop()
            return
        self._read_errors()
        if not self._stopped:
            self._reactor.addReader(self)
            self._inbox.end_of_turn()

    # Sending.

    def send(self, data: bytes, peer: Peer, transaction: Transaction | None) -> None:
        """Send one datagram.  A full socket drops it: SIP repeats what matters."""
        address = peer.address
        try:
            if address not in self._peers:
                self._admit(address)
            self._sendto(data, address)
            self._counters.sent += 1
        except BlockingIOError:
            self._counters.dropped += 1
        except (OSError, OverflowError, ValueError) as error:
            self._send_failed(error, data, peer, transaction)

    def _send_failed(
        self, error: Exception, data: bytes, peer: Peer, transaction: Transaction | None
    ) -> None:
        """Tell an old error, which only used this call to be heard, from one of this datagram."""
        if isinstance(error, OSError):
            self._read_errors()
            try:
                self._sendto(data, peer.address)
                self._counters.sent += 1
                return
            except OSError as second:
                error = second
        if isinstance(error, BlockingIOError) or getattr(error, "errno", None) == ENOBUFS:
            self._counters.dropped += 1
            return
        self._counters.send_errors += 1
        text = getattr(error, "strerror", None) or str(error)
        if self._throttle.allows("udp.send_failed"):
            place = host_port(peer.host, peer.port)
            log.warn("udp.send_failed", "cannot send a datagram", to=place, why=text)
        self._inbox.transport_failed(transaction, text)

    def _read_errors(self) -> None:
        """Empty the error queue, and clear the error that is pending on the socket itself."""
        for _ in range(ERROR_BATCH):
            entry = errqueue.read(self._socket)
            if entry is False:
                break
            self._counters.icmp_errors += 1
            if isinstance(entry, errqueue.Bounced):
                host, port = entry.address
                peer = Peer("udp", host.partition("%")[0], port, self._listener)
                self._inbox.unreachable(peer, entry.reason, entry.quoted)
        try:
            self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        except OSError:
            pass

    def _admit(self, address: Address) -> Peer:
        """Remember the peer of an address, which must be numeric: raises ValueError otherwise.

        A name given to ``sendto`` would be looked up, and block.  Peers wait in two halves: a full
        one becomes the older one, and what is still in use moves over.
        """
        peer = self._older_peers.get(address)
        if peer is None:
            host = address[0].partition("%")[0]
            if family_of(host) != self._family:
                raise ValueError("not an address that this socket can send to")
            peer = Peer("udp", host, address[1], self._listener, 0, b"", address)
        if len(self._peers) >= MAX_PEERS:
            self._older_peers = self._peers
            self._peers = {}
        self._peers[address] = peer
        return peer


# Not a decorator: the class may be compiled, and then takes none.
classImplements(UdpPort, IReadDescriptor)
