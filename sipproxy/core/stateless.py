"""Forwarding without a transaction: the ACK for a 2xx (RFC 3261 sections 16.11 and 17.1.1.3)."""

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from sipproxy.core.context import RequestContext
from sipproxy.resolve.hop import Hop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipproxy.core.forward import Forwarder


def forward_stateless(context: RequestContext, forwarder: "Forwarder") -> None:
    """Send a request to its first target; when that cannot be found it is dropped."""
    target = context.targets[0]
    if target.flow is not None and not target.routes:
        forwarder.transactions.send(forwarder.copy(context, target, target.flow), target.flow)
        return
    uri = forwarder.next_uri(context, target)
    if context.own if uri is context.uri else context.generation.domains.owns(uri):
        return
    found = forwarder.locator.locate(uri)
    if isinstance(found, Deferred):
        found.addCallbacks(_send_on, lambda _: None, (context, forwarder))
    else:
        _send_on(found, context, forwarder)


def _send_on(hops: "Sequence[Hop]", context: RequestContext, forwarder: "Forwarder") -> None:
    for hop in hops:
        peer = forwarder.flows.peer_for(hop.transport, hop.host, hop.port)
        if peer is not None:
            copy = forwarder.copy(context, context.targets[0], peer)
            forwarder.transactions.send(copy, peer)
            return
