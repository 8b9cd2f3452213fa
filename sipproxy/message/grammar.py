"""Limits and names: how much a message may be, and what a method or a header is called.

RFC 3261 sets no limits; ours stand here, each with its reason.
"""

from typing import Final

#: The largest UDP payload there is; a message on a stream may be no larger either.
MAX_MESSAGE: Final = 65_535

#: Header lines of one message. Max-Forwards starts at 70 (RFC 3261 section 8.1.1.6), and each hop
#: may add one Via and two Record-Route (RFC 5658): 210, and the message's own.
MAX_HEADERS: Final = 256

#: Octets of one header line with its folds. The longest that are seen, signed identities (RFC 8224)
#: and credentials, take some 4,000.
MAX_LINE: Final = 16_384

#: The largest Max-Forwards (RFC 3261 section 20.22).
MAX_FORWARDS: Final = 255

#: The largest CSeq number (RFC 3261 section 8.1.1.5).
MAX_CSEQ: Final = 2**31 - 1

#: The longest interval that an Expires can ask for, in seconds (RFC 3261 section 20.19).
MAX_EXPIRES: Final = 2**32 - 1

#: The characters of a token (RFC 3261 section 25.1), for use between the brackets of a pattern.
TOKEN: Final = rb"A-Za-z0-9\-.!%*_+`'~"

#: A quoted string, written so that no octet is looked at twice.
QUOTED: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*"'

#: The methods that have a name in the registry, as they stand in messages and as we call them.
METHODS: Final[dict[bytes, str]] = {
    b"ACK": "ACK",
    b"BYE": "BYE",
    b"CANCEL": "CANCEL",
    b"INFO": "INFO",
    b"INVITE": "INVITE",
    b"MESSAGE": "MESSAGE",
    b"NOTIFY": "NOTIFY",
    b"OPTIONS": "OPTIONS",
    b"PRACK": "PRACK",
    b"PUBLISH": "PUBLISH",
    b"REFER": "REFER",
    b"REGISTER": "REGISTER",
    b"SUBSCRIBE": "SUBSCRIBE",
    b"UPDATE": "UPDATE",
}

#: The one-letter forms (RFC 3261 section 7.3.3 and the registry of header fields).
COMPACT: Final[dict[bytes, bytes]] = {
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

#: The registered header fields, and a few that are not but are seen every day.
_SPELLINGS: Final = (
    b"Accept Accept-Contact Accept-Encoding Accept-Language Accept-Resource-Priority Alert-Info "
    b"Allow Allow-Events Answer-Mode Authentication-Info Authorization Call-ID Call-Info Contact "
    b"Content-Disposition Content-Encoding Content-ID Content-Language Content-Length "
    b"Content-Type CSeq Date Diversion Error-Info Event Expires Feature-Caps Flow-Timer From "
    b"Geolocation Geolocation-Error Geolocation-Routing History-Info Identity Identity-Info "
    b"Info-Package In-Reply-To Join Max-Breadth Max-Forwards MIME-Version Min-Expires Min-SE "
    b"Organization P-Access-Network-Info P-Asserted-Identity P-Associated-URI P-Called-Party-ID "
    b"P-Charging-Vector P-Early-Media P-Preferred-Identity P-Preferred-Service "
    b"P-Visited-Network-ID Path Permission-Missing Policy-Contact Priority Priv-Answer-Mode "
    b"Privacy Proxy-Authenticate Proxy-Authorization Proxy-Require RAck Reason Record-Route "
    b"Recv-Info Refer-Sub Refer-To Referred-By Reject-Contact Remote-Party-ID Replaces Reply-To "
    b"Request-Disposition Require Resource-Priority Retry-After Route RSeq Security-Client "
    b"Security-Server Security-Verify Server Service-Route Session-Expires Session-ID SIP-ETag "
    b"SIP-If-Match Subject Subscription-State Supported Suppress-If-Match Target-Dialog "
    b"Timestamp To Trigger-Consent Unsupported User-Agent User-to-User Via Warning "
    b"WWW-Authenticate X-Real-IP"
).split()

#: How a canonical (lower case) name is printed.
PRETTY: Final[dict[bytes, bytes]] = {name.lower(): name for name in _SPELLINGS}

#: The usual spellings of the usual names, as they stand in messages, to their canonical form. To
#: put each name into lower case instead would cost more than all else that is done to a line.
CANONICAL: Final[dict[bytes, bytes]] = {
    **{name.upper(): canon for canon, name in PRETTY.items()},
    **{name.title(): canon for canon, name in PRETTY.items()},
    **{name: canon for canon, name in PRETTY.items()},
    **{canon: canon for canon in PRETTY},
    **{letter.upper(): canon for letter, canon in COMPACT.items()},
    **COMPACT,
}


def canonical(raw: bytes) -> bytes:
    """Give the canonical form of a header name as it stands in a message."""
    name = CANONICAL.get(raw)
    if name is not None:
        return name
    lower = raw.strip().lower()
    return CANONICAL.get(lower, lower)


def pretty(name: bytes) -> bytes:
    """Give the form in which a canonical name is printed."""
    return PRETTY.get(name) or name.title()
