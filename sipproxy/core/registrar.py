"""The registrar (RFC 3261 section 10.3): REGISTER in, bindings and the answer out.

The steps follow the RFC's order.  All contacts of one request are worked into a new list first and
handed to the registry as one change, so that a request is carried out whole or not at all.
"""

from time import gmtime, strftime
from typing import Final

from sipproxy.core.context import RequestContext
from sipproxy.core.outcomes import Refusal
from sipproxy.interfaces import IFlows, IRegistry
from sipproxy.message.fields import Contact
from sipproxy.message.message import Request
from sipproxy.message.uri import OtherUri, SipUri, parse_uri
from sipproxy.stores.records import Binding

#: What a malformed expiry counts as (RFC 3261 section 10.2.1.1).
MALFORMED_EXPIRY: Final = 3600

#: Intervals from here on may not be refused as too brief (section 10.3 step 7).
_NEVER_TOO_BRIEF: Final = 3600

#: Option tags that a REGISTER may require.
SUPPORTED: Final = frozenset((b"path",))

_MAX_USER_AGENT: Final = 64

#: How a binding is reached, in front of its flow token: only by the flow (the phone stands behind
#: a NAT), by the flow while it is there (a stream), or by its Contact (then the token only says
#: what the server saw, and the sign whether that was a datagram).
FLOW_ONLY: Final = b"+"
FLOW_FIRST: Final = b"~"
BY_CONTACT: Final = b"-"
BY_CONTACT_STREAM: Final = b"="


class RegistrarLimits:
    """How long bindings live (seconds) and how many one address of record may have."""

    __slots__ = ("default", "longest", "most_contacts", "shortest")

    def __init__(self, default: int, shortest: int, longest: int, most_contacts: int) -> None:
        self.default = default
        self.shortest = shortest
        self.longest = longest
        self.most_contacts = most_contacts


class Registration:
    """What a REGISTER led to: the bindings that stand now, and the headers of its 200."""

    __slots__ = ("bindings", "headers")

    def __init__(self, bindings: list[Binding], headers: list[tuple[bytes, bytes]]) -> None:
        self.bindings = bindings
        self.headers = headers


class Registrar:
    """Carries out REGISTER requests on a registry."""

    def __init__(self, registry: IRegistry, flows: IFlows, limits: RegistrarLimits) -> None:
        self.registry = registry
        self.flows = flows
        self.limits = limits

    def register(self, context: RequestContext, now: float) -> Registration | Refusal:
        """Carry out a REGISTER for one of our domains; ``now`` in wall clock seconds.

        Raises what the registry raises when it is full, and ParseError for fields that make no
        sense.
        """
        request = context.request
        refusal = self._requires(request)
        if refusal is not None:
            return refusal
        if isinstance(request.to.uri, OtherUri):
            return Refusal(400, "the To is no address of SIP")
        aor = self._aor(context)
        if aor is None:
            return Refusal(404, "the To names no user of the domains served here")
        current = self.registry.lookup(aor)
        if b"contact" in request.names:
            wanted = self._updated(context, request, current, now)
            if isinstance(wanted, Refusal):
                return wanted
            if not context.hypothetical:
                self.registry.replace(aor, wanted)
            current = wanted
        context.because(("%d bindings of %s", len(current), aor))
        return Registration(current, _answer_headers(request, current, now))

    def _requires(self, request: Request) -> Refusal | None:
        if b"require" not in request.names:
            return None
        unknown = [tag for tag in request.values(b"require") if tag.lower() not in SUPPORTED]
        if not unknown:
            return None
        return Refusal(
            420, "Require names an unknown extension", [(b"unsupported", b", ".join(unknown))]
        )

    def _aor(self, context: RequestContext) -> str | None:
        """Find the address of record: the To, which a third party may have filled (step 5)."""
        uri = context.request.to.uri
        if not isinstance(uri, SipUri):
            return None
        return context.generation.domains.aor(uri)

    def _updated(
        self, context: RequestContext, request: Request, current: list[Binding], now: float
    ) -> list[Binding] | Refusal:
        """Work all contacts of the request into the present bindings (steps 6 and 7)."""
        contacts = request.contacts
        if request.contact_star:
            return self._remove_all(request, current)
        bindings = list(current)
        for contact in contacts:
            seconds = self._seconds(request, contact)
            if seconds and seconds < self.limits.shortest and seconds < _NEVER_TOO_BRIEF:
                shortest = b"%d" % self.limits.shortest
                return Refusal(423, "the interval is too brief", [(b"min-expires", shortest)])
            old = self._find(bindings, contact)
            if old is not None:
                if _is_stale(request, old) and any(old is binding for binding in current):
                    return Refusal(
                        500, "the CSeq is not higher than that of the binding's last change"
                    )
                bindings.remove(old)
            if seconds:
                bindings.append(
                    self._binding(context, contact, now, min(seconds, self.limits.longest))
                )
        if len(bindings) > max(self.limits.most_contacts, len(current)):
            return Refusal(403, f"more than {self.limits.most_contacts} contacts")
        return bindings

    def _remove_all(self, request: Request, current: list[Binding]) -> list[Binding] | Refusal:
        if (
            request.count(b"contact") > 1
            or len(request.values(b"contact")) > 1
            or request.expires != 0
        ):
            return Refusal(400, "Contact: * stands alone, with Expires: 0")
        if any(_is_stale(request, binding) for binding in current):
            return Refusal(500, "the CSeq is not higher than that of a binding's last change")
        return []

    def _seconds(self, request: Request, contact: Contact) -> int:
        """Give the interval asked for: the contact's, else the request's, else the default."""
        if contact.param("expires") is not None:
            return MALFORMED_EXPIRY if contact.expires is None else contact.expires
        if b"expires" in request.names:
            return MALFORMED_EXPIRY if request.expires is None else request.expires
        return self.limits.default

    def _find(self, bindings: list[Binding], contact: Contact) -> Binding | None:
        """Find the binding that a contact means, by its URI (19.1.4)."""
        for binding in bindings:
            if binding.contact == contact.uri_raw:
                return binding
        if not bindings:
            return None
        uri = contact.uri
        for binding in bindings:
            other = parse_uri(binding.contact)
            if isinstance(uri, SipUri) and isinstance(other, SipUri) and uri.equals(other):
                return binding
        return None

    def _binding(
        self, context: RequestContext, contact: Contact, now: float, seconds: int
    ) -> Binding:
        request = context.request
        uri = contact.uri
        return Binding(
            contact=contact.uri_raw,
            call_id=request.call_id,
            cseq=request.cseq.number,
            expires=now + seconds,
            q=contact.q,
            path=tuple(request.values(b"path")) if b"path" in request.names else (),
            instance=(contact.param("+sip.instance") or "").encode("utf-8", "surrogateescape"),
            reg_id=_number(contact.param("reg-id")),
            params=_kept_params(contact),
            received=self._flow(context, uri.host if isinstance(uri, SipUri) else ""),
            user_agent=(request.value(b"user-agent") or b"")[:_MAX_USER_AGENT],
            updated=now,
        )

    def _flow(self, context: RequestContext, contact_host: str) -> bytes:
        """Give the token of the flow that the request came by, and how it is to be used."""
        peer = context.peer
        token = self.flows.token_of(peer)
        if peer.reliable:
            if contact_host == peer.host:
                return FLOW_FIRST + token
            return (FLOW_ONLY if _behind_nat(context) else BY_CONTACT_STREAM) + token
        return (FLOW_ONLY if _behind_nat(context) else BY_CONTACT) + token


def _behind_nat(context: RequestContext) -> bool:
    return context.request.top_via.host != context.peer.host


def _is_stale(request: Request, binding: Binding) -> bool:
    return binding.call_id == request.call_id and request.cseq.number <= binding.cseq


def _number(text: str | None) -> int:
    """Read a small number that may be missing or nonsense."""
    return (
        int(text)
        if text is not None and text.isascii() and text.isdigit() and len(text) < 10
        else 0
    )


def _kept_params(contact: Contact) -> bytes:
    """Give the contact's parameters as the phone wrote them, without q and expires."""
    if not contact.params_raw:
        return b""
    parts = [part for part in _split_params(contact.params_raw) if part]
    kept = [
        part for part in parts if part.partition(b"=")[0].strip().lower() not in (b"q", b"expires")
    ]
    return b"".join(b";" + part for part in kept)


def _split_params(raw: bytes) -> list[bytes]:
    """Split at semicolons outside quotes."""
    if b'"' not in raw:
        return raw.split(b";")
    parts: list[bytes] = []
    start = 0
    quoted = False
    for at, octet in enumerate(raw):
        if octet == 0x22 and (at == 0 or raw[at - 1] != 0x5C):
            quoted = not quoted
        elif octet == 0x3B and not quoted:
            parts.append(raw[start:at])
            start = at + 1
    parts.append(raw[start:])
    return parts


def _answer_headers(
    request: Request, bindings: list[Binding], now: float
) -> list[tuple[bytes, bytes]]:
    """Give the headers of the 200: every binding with what is left of it, and the date (step 8)."""
    headers = []
    for binding in bindings:
        left = max(int(binding.expires - now + 0.5), 1)
        value = b"<%b>%b" % (binding.contact, binding.params)
        if binding.q != 1000:
            value += b";q=" + (b"%.3f" % (binding.q / 1000)).rstrip(b"0").rstrip(b".")
        headers.append((b"contact", b"%b;expires=%d" % (value, left)))
    if b"path" in request.names:
        headers.extend((b"path", value) for value in request.values(b"path"))
    headers.append((b"date", strftime("%a, %d %b %Y %H:%M:%S GMT", gmtime(now)).encode()))
    return headers
