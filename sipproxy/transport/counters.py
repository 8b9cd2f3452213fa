"""What the transports count: plain integers since the start of the process."""


class Counters:
    """One object shared by driver, sockets and connections; whoever notices adds one."""

    __slots__ = (
        "answers_withheld", "core_errors", "dropped", "icmp_errors", "keepalives", "parse_errors",
        "received", "send_errors", "sent", "tcp_accepted", "tcp_failed", "tcp_garbage", "tcp_idle",
        "tcp_opened", "tcp_refused", "tcp_slow", "unreachable",
    )  # fmt: skip

    def __init__(self) -> None:
        #: Answers 200 to REGISTER that became 503 because the binding could not be saved.
        self.answers_withheld: int = 0
        #: Exceptions that came out of the core.
        self.core_errors: int = 0
        #: Messages thrown away: a full socket, nobody to give them to, no socket to send on.
        self.dropped: int = 0
        #: ICMP errors read from the error queue, before any judgement.
        self.icmp_errors: int = 0
        #: Keep-alives: CRLFs on a stream, datagrams without a message in them.
        self.keepalives: int = 0
        #: Messages that could not be parsed.
        self.parse_errors: int = 0
        #: Whole messages taken from the network.
        self.received: int = 0
        #: Messages that the system refused to send.
        self.send_errors: int = 0
        #: Messages given to the network.
        self.sent: int = 0
        #: Stream connections that others opened to us.
        self.tcp_accepted: int = 0
        #: Stream connections that we tried to open in vain.
        self.tcp_failed: int = 0
        #: Stream connections closed since what came was not SIP.
        self.tcp_garbage: int = 0
        #: Stream connections closed since nothing happened on them.
        self.tcp_idle: int = 0
        #: Stream connections that we opened.
        self.tcp_opened: int = 0
        #: Stream connections refused, or not opened, since there were too many.
        self.tcp_refused: int = 0
        #: Stream connections dropped since the other side did not read.
        self.tcp_slow: int = 0
        #: Client transactions failed early since their address was found unreachable.
        self.unreachable: int = 0

    def as_dict(self) -> dict[str, int]:
        """Give all of them by name, for a status page."""
        return {name: getattr(self, name) for name in self.__slots__}
