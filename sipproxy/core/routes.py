"""Route pre-processing (RFC 3261 section 16.4): our own entries come off, and are read.

Both kinds of neighbour are served: a loose router names us in the topmost Route; a strict one puts
our Record-Route URI into the Request-URI and the remote target at the end of the Route.
"""

import re
from typing import Final

from sipproxy.core.context import RequestContext
from sipproxy.core.marks import DialogMarks
from sipproxy.interfaces import IFlows
from sipproxy.message.message import Request
from sipproxy.message.uri import SipUri

#: The form of the Route entries that we write ourselves; any other takes the careful way.
_PLAIN_ROUTE: Final = re.compile(rb"<sip:(?:([^@:;?<>]+)@)?([^@;?<>]+)(?:;[^?<>]*)?>\Z")

#: Host parts whose owner is remembered, so that the URI of each Route need not be parsed.
_MAX_KNOWN_HOSTS: Final = 1024


class RouteReader:
    """Takes our entries off the Route of a request and says what they mean."""

    __slots__ = ("_flows", "_known", "_known_for", "_marks")

    def __init__(self, marks: DialogMarks, flows: IFlows) -> None:
        self._marks = marks
        self._flows = flows
        self._known: dict[bytes, bool] = {}
        self._known_for: object = None

    def preprocess(self, context: RequestContext) -> None:
        """Edit the request in place and set ``uri``, ``own``, ``in_dialog``, ``flow`` and
        ``routed``.

        Raises ParseError for a Route that makes no sense.
        """
        request = context.request
        if b"route" in request.names:
            self._undo_strict_routing(context)
            self._take_own_entries(context)
        domains = context.generation.domains
        uri = request.uri
        if isinstance(uri, SipUri) and "maddr=" in uri.params:
            uri = self._without_own_maddr(context, uri)
        context.uri = uri
        context.own = domains.owns(uri)
        context.routed = b"route" in request.names or (context.in_dialog and not context.own)

    def _undo_strict_routing(self, context: RequestContext) -> None:
        uri = context.request.uri
        if not isinstance(uri, SipUri) or not uri.user or not uri.user.startswith("rr"):
            return
        if not context.generation.domains.is_own(uri.host, uri.port):
            return
        if self._read_mark(context, uri.user.encode("utf-8", "surrogateescape")):
            last = context.request.routes[-1]
            routes = context.request.values(b"route")
            context.request.remove(b"route")
            for value in routes[:-1]:
                context.request.add(b"route", value)
            context.request.set_uri(last.uri_raw)

    def _take_own_entries(self, context: RequestContext) -> None:
        """Remove the topmost entries as long as they are ours (two when the transports differ)."""
        request = context.request
        while b"route" in request.names:
            user = self._own_user(context, request)
            if user is None:
                return
            request.pop_first(b"route")
            if user and not context.in_dialog:
                self._read_mark(context, user)

    def _own_user(self, context: RequestContext, request: Request) -> bytes | None:
        """Give the user part of the topmost Route when it names this server, else None."""
        value = request.value(b"route") or b""
        plain = _PLAIN_ROUTE.match(value)
        domains = context.generation.domains
        if plain is not None:
            user, host_port = plain.groups()
            if self._known_for is not domains or len(self._known) > _MAX_KNOWN_HOSTS:
                self._known = {}
                self._known_for = domains
            own = self._known.get(host_port)
            if own is None:
                uri = request.routes[0].uri
                own = isinstance(uri, SipUri) and domains.is_own(uri.host, uri.port)
                self._known[host_port] = own
            return (user or b"") if own else None
        uri = request.routes[0].uri
        if isinstance(uri, SipUri) and domains.is_own(uri.host, uri.port):
            return (uri.user or "").encode("utf-8", "surrogateescape")
        return None

    def _read_mark(self, context: RequestContext, user: bytes) -> bool:
        request = context.request
        token = self._marks.read(
            user, request.call_id, request.from_tag or b"", request.to_tag or b""
        )
        if token is None:
            return False
        context.in_dialog = True
        if token:
            context.flow = self._flows.peer_of(token)
        return True

    def _without_own_maddr(self, context: RequestContext, uri: SipUri) -> SipUri:
        """Strip a maddr that names us (16.4): the request has arrived where it sent it."""
        maddr = uri.param("maddr")
        if maddr is None or not context.generation.domains.is_own(
            maddr.strip("[]").lower(), uri.port
        ):
            return uri
        kept = [
            part
            for part in uri.params.split(";")
            if part.partition("=")[0].lower() not in ("maddr", "transport")
        ]
        user = f"{uri.user}@" if uri.user is not None else ""
        host = f"[{uri.host}]" if ":" in uri.host else uri.host
        text = ";".join([f"{uri.scheme}:{user}{host}", *kept])
        context.request.set_uri(text.encode("utf-8", "surrogateescape"))
        fresh = context.request.uri
        return fresh if isinstance(fresh, SipUri) else uri
