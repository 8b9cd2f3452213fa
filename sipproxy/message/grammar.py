"""Limits and names: how much a message may be, and what a header is called.

RFC 3261 sets no limits; ours stand here, each with its reason.
"""

from typing import Final

#: The largest UDP payload there is; a stream message may be no larger either.
MAX_MESSAGE: Final = 65_535

#: Header lines in one message: a request that went through 70 proxies has 70 Via and Record-Route.
MAX_HEADERS: Final = 256

#: Octets of one header line: certificates of identity (RFC 8224) take some 4,000.
MAX_LINE: Final = 16_384

#: The one-letter forms (RFC 3261 section 7.3.3 and the registry of header fields).
COMPACT: Final = {
    b"a": b"accept-contact",
    b"b": b"referred-by",
    b"c": b"content-type",
    b"d": b"request-disposition",
    b"e": b"content-encoding",
    b"f": b"from",
    b"i": b"call-id",
    b"j": b"reject-contact",
    b"k": b"supported",
    b"l": b"content-length",
    b"m": b"contact",
    b"n": b"identity-info",
    b"o": b"event",
    b"r": b"refer-to",
    b"s": b"subject",
    b"t": b"to",
    b"u": b"allow-events",
    b"v": b"via",
    b"x": b"session-expires",
    b"y": b"identity",
}

_SPELLINGS: Final = (
    b"Accept Accept-Contact Accept-Encoding Accept-Language Alert-Info Allow Allow-Events "
    b"Authentication-Info Authorization Call-ID Call-Info Contact Content-Disposition "
    b"Content-Encoding Content-Language Content-Length Content-Type CSeq Date Diversion Error-Info "
    b"Event Expires From History-Info Identity In-Reply-To Join Max-Breadth Max-Forwards "
    b"MIME-Version Min-Expires Min-SE Organization P-Asserted-Identity P-Preferred-Identity Path "
    b"Priority Privacy Proxy-Authenticate Proxy-Authorization Proxy-Require RAck Reason "
    b"Record-Route Refer-To Referred-By Reject-Contact Replaces Reply-To Request-Disposition "
    b"Require Retry-After Route RSeq Server Service-Route Session-Expires SIP-ETag SIP-If-Match "
    b"Subject Subscription-State Supported Timestamp To Unsupported User-Agent Via Warning "
    b"WWW-Authenticate"
).split()

#: How a canonical (lower case) name is printed.
PRETTY: Final = {name.lower(): name for name in _SPELLINGS}

#: The usual spellings of the usual names, as they stand in messages, to their canonical form.
CANONICAL: Final = {
    **{name.lower(): name.lower() for name in _SPELLINGS},
    **{name: name.lower() for name in _SPELLINGS},
    **{name.upper(): name.lower() for name in _SPELLINGS},
    **{name.title(): name.lower() for name in _SPELLINGS},
    **COMPACT,
    **{letter.upper(): name for letter, name in COMPACT.items()},
}


def canonical(raw: bytes) -> bytes:
    """Give the canonical form of a header name as it stands in a message."""
    name = CANONICAL.get(raw)
    if name is not None:
        return name
    lower = raw.strip().lower()
    return COMPACT.get(lower, lower)


def pretty(name: bytes) -> bytes:
    """Give the form in which a canonical name is printed."""
    return PRETTY.get(name) or name.title()
