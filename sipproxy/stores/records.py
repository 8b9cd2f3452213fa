"""Bindings, and the one packed form in which they are held, journaled and saved.

A registry of a million bindings must neither fill the memory nor make the garbage collector
traverse millions of objects. So the bindings of one address of record (AoR) are kept as a single
``bytes`` value, which the collector never looks into, and unpacked when somebody asks (about one
microsecond a binding). The same bytes go to the journal and to the database: what is loaded at
start-up needs no translation, and there is one format to keep compatible.

The packed form, version 1, all numbers big-endian::

    value    earliest expiry (double), version (1 byte), number of bindings (1 byte), binding...
    binding  expires, updated (doubles), cseq, reg-id (4 bytes each), q and seven lengths
             (2 bytes each), then contact, call-id, instance, params, received, user agent, path
    path     (length (2 bytes), one Path value)...

Big-endian positive doubles sort like the bytes they are made of: whether anything in a value has
expired is one comparison of two ``bytes`` objects, and a sweep over a thousand AoRs takes
one or two hundred microseconds.

A *change* is what the journal carries: the AoR and its whole new value, empty when the AoR is
gone. Whole values make a replay harmless however often it is repeated.
"""

from collections.abc import Iterable
from struct import Struct
from struct import error as struct_error
from typing import Final

VERSION: Final = 1
#: The count of a value is one byte; the registrar's own limit per AoR is far below.
MAX_BINDINGS: Final = 255
#: The packed value that stands for "no bindings".
NOTHING: Final = b""

_COUNT_AT: Final = 9
_HEAD: Final = Struct(">dBB")
_FIXED: Final = Struct(">ddIIHHHHHHHH")
_LENGTH: Final = Struct(">H")
_EXPIRY: Final = Struct(">d")
_CHANGE: Final = Struct(">BH")
_CHANGE_KIND: Final = 1


class RegistryFull(Exception):
    """The registry holds as many bindings as it may; the registrar answers 503."""


class Binding:
    """One contact of an address of record, as the phone said it and as the server saw it."""

    __slots__ = (
        "contact",
        "call_id",
        "cseq",
        "expires",
        "q",
        "path",
        "instance",
        "reg_id",
        "params",
        "received",
        "user_agent",
        "updated",
    )

    def __init__(
        self,
        contact: bytes,
        call_id: bytes,
        cseq: int,
        expires: float,
        q: int = 1000,
        path: tuple[bytes, ...] = (),
        instance: bytes = b"",
        reg_id: int = 0,
        params: bytes = b"",
        received: bytes = b"",
        user_agent: bytes = b"",
        updated: float = 0.0,
    ) -> None:
        """Times are wall clock seconds; ``q`` is in thousandths; ``received`` is a flow token."""
        self.contact = contact
        self.call_id = call_id
        self.cseq = cseq
        self.expires = expires
        self.q = q
        self.path = path
        self.instance = instance
        self.reg_id = reg_id
        self.params = params
        self.received = received
        self.user_agent = user_agent
        self.updated = updated

    def as_tuple(self) -> tuple[object, ...]:
        """Give the fields in the order of the constructor."""
        return (
            self.contact,
            self.call_id,
            self.cseq,
            self.expires,
            self.q,
            self.path,
            self.instance,
            self.reg_id,
            self.params,
            self.received,
            self.user_agent,
            self.updated,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Binding):
            return NotImplemented
        return self.as_tuple() == other.as_tuple()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"<Binding {self.contact!r} q={self.q} expires={self.expires:.0f}>"


def preference(binding: Binding) -> tuple[int, float]:
    """Sort key: highest q first, then the newest (RFC 3261 16.5 leaves ties to us)."""
    return (-binding.q, -binding.updated)


def pack(bindings: Iterable[Binding]) -> bytes:
    """Pack the bindings of one AoR, preferred ones first; no bindings give `NOTHING`.

    Raises ValueError for what the form cannot hold (a field over 65,535 bytes, a number out of
    range, an expiry before 1970, more than `MAX_BINDINGS` bindings).
    """
    ordered = list(bindings)
    if not ordered:
        return NOTHING
    if len(ordered) > MAX_BINDINGS:
        raise ValueError(f"{len(ordered)} bindings for one AoR, at most {MAX_BINDINGS} can be kept")
    if len(ordered) > 1:
        ordered.sort(key=preference)
    # Adding 0.0 turns a minus zero, which would sort after everything, into zero.
    earliest = min([binding.expires for binding in ordered]) + 0.0
    if not earliest >= 0:
        raise ValueError(f"expiry {earliest!r} is not a time after 1970")
    try:
        parts = [_HEAD.pack(earliest, VERSION, len(ordered))]
        for binding in ordered:
            _pack_one(binding, parts)
    except struct_error as problem:
        raise ValueError(f"binding cannot be packed: {problem}") from None
    return b"".join(parts)


def _pack_one(binding: Binding, parts: list[bytes]) -> None:
    path = b""
    for value in binding.path:
        path += _LENGTH.pack(len(value)) + value
    parts.append(
        _FIXED.pack(
            binding.expires,
            binding.updated,
            binding.cseq,
            binding.reg_id,
            binding.q,
            len(binding.contact),
            len(binding.call_id),
            len(binding.instance),
            len(binding.params),
            len(binding.received),
            len(binding.user_agent),
            len(path),
        )
    )
    parts.append(binding.contact)
    parts.append(binding.call_id)
    parts.append(binding.instance)
    parts.append(binding.params)
    parts.append(binding.received)
    parts.append(binding.user_agent)
    parts.append(path)


def unpack(packed: bytes) -> list[Binding]:
    """Give the bindings of a packed value in their order of preference.

    Trusts its argument: what comes from a disk goes through `is_sound` once.
    """
    if not packed:
        return []
    count = packed[_COUNT_AT]
    at = _HEAD.size
    if count == 1:
        return [_unpack_one(packed, at)[0]]
    bindings = []
    for _ in range(count):
        binding, at = _unpack_one(packed, at)
        bindings.append(binding)
    return bindings


def _unpack_one(packed: bytes, at: int) -> tuple[Binding, int]:
    expires, updated, cseq, reg_id, q, a, b, c, d, e, f, g = _FIXED.unpack_from(packed, at)
    at += _FIXED.size
    call_id = at + a
    instance = call_id + b
    params = instance + c
    received = params + d
    user_agent = received + e
    path = user_agent + f
    end = path + g
    binding = Binding(
        packed[at:call_id],
        packed[call_id:instance],
        cseq,
        expires,
        q,
        _unpack_path(packed[path:end]) if g else (),
        packed[instance:params],
        reg_id,
        packed[params:received],
        packed[received:user_agent],
        packed[user_agent:path],
        updated,
    )
    return binding, end


def _unpack_path(packed: bytes) -> tuple[bytes, ...]:
    values = []
    at = 0
    while at < len(packed):
        start = at + _LENGTH.size
        at = start + _LENGTH.unpack_from(packed, at)[0]
        values.append(packed[start:at])
    return tuple(values)


def is_sound(packed: bytes) -> bool:
    """Say whether `unpack` can be trusted with this value; the empty value is sound."""
    if not packed:
        return True
    at = _HEAD.size
    if len(packed) < at or packed[_COUNT_AT - 1] != VERSION or not packed[_COUNT_AT]:
        return False
    for _ in range(packed[_COUNT_AT]):
        if at + _FIXED.size > len(packed):
            return False
        lengths = _FIXED.unpack_from(packed, at)[5:]
        at += _FIXED.size + sum(lengths)
        if lengths[-1] and not _is_sound_path(packed[at - lengths[-1] : at]):
            return False
    return at == len(packed)


def _is_sound_path(packed: bytes) -> bool:
    at = 0
    while at + _LENGTH.size <= len(packed):
        at += _LENGTH.size + _LENGTH.unpack_from(packed, at)[0]
    return at == len(packed)


def count(packed: bytes) -> int:
    """Give the number of bindings in a packed value."""
    return packed[_COUNT_AT] if packed else 0


def expiry_mark(now: float) -> bytes:
    """Give the bytes below which a packed value sorts when one of its bindings has expired.

    A binding is live while ``expires > now``: a value that expires exactly now sorts below too.
    """
    return _EXPIRY.pack(now) + b"\xff"


def last_expiry(packed: bytes) -> float:
    """Give the time at which nothing of this value is left; 0 for the empty value."""
    if count(packed) == 1:
        return float(_EXPIRY.unpack_from(packed)[0])
    return max([binding.expires for binding in unpack(packed)], default=0.0)


def without_expired(packed: bytes, now: float) -> bytes:
    """Give the value without the bindings whose time has come; the same object when all live."""
    if packed > expiry_mark(now):
        return packed
    return pack([binding for binding in unpack(packed) if binding.expires > now])


def pack_change(aor: str, packed: bytes) -> bytes:
    """Frame an AoR and its new value for the journal.

    Raises ValueError when the AoR is longer than 65,535 bytes or is not text.
    """
    name = aor_to_bytes(aor)
    if len(name) > 0xFFFF:
        raise ValueError(f"an AoR of {len(name)} bytes cannot be kept")
    return _CHANGE.pack(_CHANGE_KIND, len(name)) + name + packed


def unpack_change(payload: bytes) -> tuple[str, bytes]:
    """Give the AoR and the value of a change.

    Raises ValueError when the payload is none: an unknown kind, or a value that is not sound.
    """
    if len(payload) < _CHANGE.size or payload[0] != _CHANGE_KIND:
        raise ValueError("not a change of bindings")
    end = _CHANGE.size + _CHANGE.unpack_from(payload)[1]
    packed = payload[end:]
    if end > len(payload) or not is_sound(packed):
        raise ValueError("a damaged change of bindings")
    return aor_from_bytes(payload[_CHANGE.size : end]), packed


def aor_to_bytes(aor: str) -> bytes:
    """Encode an AoR; bytes that were no UTF-8 on the wire come back as they were."""
    return aor.encode("utf-8", "surrogateescape")


def aor_from_bytes(name: bytes) -> str:
    """Decode what `aor_to_bytes` gave."""
    return name.decode("utf-8", "surrogateescape")
