"""Which hosts are ours."""

from collections.abc import Iterable
from typing import Final

from sipproxy.interfaces import IFlows
from sipproxy.message.uri import SipUri, TelUri, Uri

#: The ports a SIP URI means when it names none (RFC 3261 section 19.1.2).
_DEFAULT_PORTS: Final = frozenset((5060, 5061))


class Domains:
    """The domains of ``ProxyDomain`` and the addresses that the server listens on.

    A user of an address of ours is a user of the first domain, so that a phone which registered
    with the address and one that calls by the name mean the same.
    """

    def __init__(self, names: Iterable[str], ports: Iterable[int], flows: IFlows) -> None:
        self.names = tuple(dict.fromkeys(name.lower() for name in names))
        self._names = frozenset(self.names)
        self._ports = frozenset(ports) | _DEFAULT_PORTS
        self._flows = flows
        self.primary = self.names[0] if self.names else ""

    def is_own(self, host: str, port: int | None) -> bool:
        """Say whether a host, with the port as the URI writes it, is this server."""
        if host in self._names and (port is None or port in self._ports):
            return True
        return self._flows.is_own(host, port)

    def owns(self, uri: Uri) -> bool:
        """Say whether a URI is for this server to translate: our host, or a telephone number."""
        if isinstance(uri, SipUri):
            return self.is_own(uri.host, uri.port)
        return isinstance(uri, TelUri)

    def aor(self, uri: Uri) -> str | None:
        """Give the address of record ``user@domain`` of a URI at our hosts, None for any other.

        Parameters do not count and escaped characters are unescaped (RFC 3261 section 10.3 step 5).
        """
        if isinstance(uri, TelUri):
            return f"{uri.number}@{self.primary}"
        if not isinstance(uri, SipUri) or not uri.user:
            return None
        user = uri.unescaped_user if "%" in uri.user else uri.user
        if uri.host in self._names and (uri.port is None or uri.port in self._ports):
            return f"{user}@{uri.host}"
        if self._flows.is_own(uri.host, uri.port):
            return f"{user}@{self.primary or uri.host}"
        return None
