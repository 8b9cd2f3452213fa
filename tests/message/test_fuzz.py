"""Random damage: whatever arrives, only ParseError may come out of reading it.

``FUZZ_COUNT`` and ``FUZZ_SEED`` in the environment change how many damaged messages are tried and
which; a failure prints both, with the number of the message and its octets. To see one message
again, set FUZZ_SEED to the printed seed and FUZZ_ONLY to its number.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType
from typing import Final

import pytest

from sipproxy.message.errors import ParseError
from sipproxy.message.fields import parse_contact, parse_cseq, parse_via, split_commas
from sipproxy.message.grammar import MAX_LINE
from sipproxy.message.stream import StreamFramer
from sipproxy.message.uri import SipUri, parse_uri
from sipproxy.testing.damage import damaged
from sipproxy.testing.reading import allowed, attempt, parse_and_check, probe, read_everything

VECTORS: Final = Path(__file__).parent.parent / "vectors"
SEEDS: Final = {
    path.name: path.read_bytes()
    for folder in ("torture", "wire")
    for path in sorted((VECTORS / folder).rglob("*.msg"))
}
OCTETS: Final = list(SEEDS.values())


def fuzz(seed: int, numbers: Iterator[int]) -> None:
    """Try the messages with these numbers; say how to see a failure again."""
    for number in numbers:
        data = damaged(OCTETS, seed, number)
        try:
            read_everything(data, Random(number))
        except Exception as error:
            pytest.fail(
                f"FUZZ_SEED={seed} FUZZ_ONLY={number}: {type(error).__name__}: {error}\n{data!r}"
            )


class DamageTests:
    """Damaged messages end in a ParseError or in a message, never in anything else."""

    def test_vectors_as_they_are(self) -> None:
        """The undamaged ones, through everything the damaged ones go through."""
        assert len(SEEDS) >= 61
        for name, data in SEEDS.items():
            try:
                read_everything(data, Random(0))
            except Exception as error:
                raise AssertionError(f"{name}: {error!r}") from error

    def test_every_prefix(self) -> None:
        """A message may stop after any octet."""
        for name, data in SEEDS.items():
            if len(data) > 2000:
                data = data[:2000]
            for end in range(len(data)):
                try:
                    attempt(parse_and_check, data[:end])
                except Exception as error:
                    raise AssertionError(f"{name}, first {end} octets: {error!r}") from error

    def test_damage(self) -> None:
        """A few thousand, always the same unless told otherwise."""
        seed = int(os.environ.get("FUZZ_SEED", "4475"))
        only = os.environ.get("FUZZ_ONLY")
        count = int(os.environ.get("FUZZ_COUNT", "5000"))
        fuzz(seed, iter([int(only)] if only else range(count)))

    @pytest.mark.soak
    def test_damage_for_long(self) -> None:
        """Very many, different ones each time."""
        seed = int(os.environ.get("FUZZ_SEED", str(int(time.time()))))
        fuzz(seed, iter(range(int(os.environ.get("FUZZ_COUNT", "1000000")))))


# --- time -----------------------------------------------------------------------------------------

#: CPU seconds of this process for one hostile value; the honest need is some milliseconds.
#: No measurement, a guard: what is quadratic in 64 KB takes many seconds, or for ever.
ABSURD: Final = 2.0

#: Each tempts a careless pattern or loop into looking again and again at what it has seen.
HOSTILE: Final = {
    "commas": b",",
    "quotes": b'"',
    "backslashes": b"\\",
    "quoted backslashes": b'"\\',
    "quoted commas": b'",',
    "quoted semicolons": b'";',
    "quoted parameters": b';a="b;c"',
    "open brackets": b"<",
    "close brackets": b">",
    "brackets and commas": b"<,",
    "open parentheses": b"(",
    "blanks": b" ",
    "tabs and blanks": b" \t",
    "folds": b"\r\n ",
    "folded words": b"a\r\n ",
    "escapes": b"%41",
    "percent signs": b"%",
    "semicolons": b";",
    "semicolons and blanks": b" ; ",
    "parameters": b";a=b",
    "many parameters": b"".join(b";p%d=%d" % (number, number) for number in range(5000)),
    "tags": b";tag",
    "branches": b";branch=",
    "equals": b"=",
    "question marks": b"?",
    "ampersands": b"&a=b",
    "at signs": b"@",
    "colons": b":",
    "labels": b"a.",
    "digits": b"9",
    "square brackets": b"[",
    "words": b"word ",
    "slashes": b"SIP/",
    "nulls": b"\0",
    "high octets": b"\xff",
    "euros": "€".encode(),
    "carriage returns": b"\r",
    "addresses": b"<sip:a@b>,",
    "vias": b"SIP/2.0/UDP a;branch=b,",
}
hostile_units = pytest.mark.parametrize("unit", list(HOSTILE.values()), ids=list(HOSTILE))

#: Where the hostile part begins (patterns must be well on their way when they meet it) ...
OPENINGS: Final = {
    split_commas: (b"", b'"', b"<"),
    parse_contact: (b"", b'"', b'"a" ', b"<sip:", b"<sip:a@b>", b'<sip:a@b>;x="', b"sip:a@b;"),
    parse_via: (
        b"SIP",
        b"SIP/2.0/UDP",
        b"SIP/2.0/UDP a",
        b"SIP/2.0/UDP a;b=",
        b'SIP/2.0/UDP a;b="',
    ),
    parse_uri: (b"", b"sip:", b"sip:a@b", b"sip:a@b;", b"sip:a@b?", b"tel:+1", b"tel:1;"),
    parse_cseq: (b"1",),
}
#: ... and where it ends: a pattern that fails at the very end may try everything again.
ENDINGS: Final = (b"", b"!\x01")
SIZE: Final = 64_000


def stretch(unit: bytes, size: int) -> bytes:
    """Repeat ``unit`` up to ``size`` octets."""
    return unit * (size // len(unit)) if len(unit) < size else unit[:size]


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Break off what uses more than ABSURD seconds of the processor (patterns look at signals)."""

    def too_long(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"{what}: more than {ABSURD} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, ABSURD)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def request_with(name: bytes, values: list[bytes]) -> bytes:
    """A good INVITE but for one field, which stands as often as there are values."""
    fields = {
        b"Via": b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKhostile",
        b"From": b"<sip:nora@example.com>;tag=1",
        b"To": b"<sip:tomas@example.com>",
        b"Call-ID": b"hostile@example.com",
        b"CSeq": b"1 INVITE",
        b"Max-Forwards": b"70",
        b"Content-Length": b"0",
    }
    fields.pop(name, None)
    lines = [key + b": " + text for key, text in fields.items()]
    lines += [name + b": " + value for value in values]
    return b"INVITE sip:nora@example.com SIP/2.0\r\n" + b"\r\n".join(lines) + b"\r\n\r\n"


class TimeTests:
    """64 KB of malice cost about as much as 64 KB of anything."""

    @hostile_units
    def test_parts(self, unit: bytes) -> None:
        """Straight into the parsers of fields and URIs, past all limits on messages."""
        for part, openings in OPENINGS.items():
            for opening in openings:
                for ending in ENDINGS:
                    with guarded(f"{part.__name__} of {opening!r}, {unit[:30]!r}, {ending!r}"):
                        probe(attempt(part, opening + stretch(unit, SIZE) + ending))

    @hostile_units
    def test_one_line(self, unit: bytes) -> None:
        """A value as long as a line may be, in every field that is looked into."""
        size = MAX_LINE - 300  # room for what the stamp adds
        for name in (b"Via", b"From", b"To", b"Contact", b"Call-ID", b"CSeq", b"Content-Length"):
            for opening in (b"", b'"', b"<sip:a@b>;") if name in (b"To", b"Contact") else (b"",):
                with guarded(f"{name!r}: {opening!r}, {unit[:30]!r}"):
                    data = request_with(name, [opening + stretch(unit, size) + b"!"])
                    read_everything(data, Random(1))

    @hostile_units
    def test_many_lines(self, unit: bytes) -> None:
        """As many lines of a list as fit into a message."""
        for name in (b"Via", b"Route", b"Contact", b"Content-Length"):
            for size in (8000, 250):
                with guarded(f"lines of {size} octets in {name!r}: {unit[:30]!r}"):
                    lines = [stretch(unit, size)] * (SIZE // (size + 20))
                    read_everything(request_with(name, lines), Random(1))

    @hostile_units
    def test_start_line(self, unit: bytes) -> None:
        """Methods, Request-URIs and reason phrases of 64 KB."""
        long = stretch(unit, SIZE - 100)
        for start in (long, b"INVITE " + long, b"INVITE sip:" + long + b" SIP/2.0"):
            with guarded(f"{start[:30]!r}"):
                read_everything(start + b"\r\nVia: SIP/2.0/UDP a\r\n\r\n", Random(1))
        with guarded(f"reason {unit[:30]!r}"):
            read_everything(b"SIP/2.0 200 " + long + b"\r\nVia: a\r\n\r\n", Random(1))

    def test_slow_stream(self) -> None:
        """64 KB that arrive octet by octet are not scanned from the start for each."""
        for unit in (b"\r\n", b"\r", b"\n", b"a", b"a\r\n", b": \r\n", b"Content-Length: 1\r\n"):
            with guarded(repr(unit)):
                framer = StreamFramer()
                try:
                    for octet in b"INVITE sip:a@b SIP/2.0\r\n" + stretch(unit, SIZE):
                        framer.feed(bytes([octet]))
                except ParseError as error:
                    allowed(error)

    def test_compare_uris(self) -> None:
        """Comparing two URIs of thousands of parameters is no cross product."""
        names = [f";p{number}=v%41" for number in range(6000)]
        one = parse_uri(("sip:a@b" + "".join(names)).encode())
        two = parse_uri(("sip:a@b" + "".join(reversed(names))).encode())
        with guarded("equals"):
            assert isinstance(one, SipUri) and isinstance(two, SipUri)
            assert one.equals(two)
