"""Damage to messages by seeded chance: for tests that feed a parser, or a running server, rubbish.

The same seed and number give the same octets for the same vectors, so a failure can be seen again.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

#: Octets that mean something to one grammar rule or another, and some that mean trouble.
SHARP: Final = (
    *[bytes([octet]) for octet in b"\r\n \t\0\"'<>()[]{}\\%,;:=?@&/.*+-~\x7f\x80\xff0aZ"],
    *b'%00 :: \\" sip: sips: SIP/2.0 z9hG4bK ;tag= ;branch= ;lr ;rport ;received= ;q=1e9'.split(),
    *b"99999999999999999999 -1 \xc3\x28 \xed\xa0\x80 \xe2\x82\xac \xef\xbb\xbf".split(b" "),
    *(b"\r\n", b"\r\n\r\n", b"\r\n ", b"\n\n", b"Content-Length: 3\r\n", b"l: 0\r\n"),
    *(b"v: SIP/2.0/UDP x\r\n", b"To: <sip:a@b>\r\n", b": \r\n"),
)

#: Gets the dice, the octets to damage, and all vectors (to take parts of another one).
Mutation = Callable[[Random, bytes, Sequence[bytes]], bytes]


def flip(chance: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Turn single bits round."""
    octets = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
    return bytes(octets)


def delete(chance: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Take a few octets out."""
    at = chance.randrange(len(data))
    return data[:at] + data[at + chance.choice((1, 1, 2, 5, 40)) :]


def insert(chance: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Put something sharp in, in up to four places."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(data))
        data = data[:at] + chance.choice(SHARP) * chance.choice((1, 1, 1, 2, 30)) + data[at:]
    return data


def overwrite(chance: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Write something sharp over what was there."""
    at = chance.randrange(len(data))
    sharp = chance.choice(SHARP)
    return data[:at] + sharp + data[at + len(sharp) :]


def duplicate(chance: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Say a line again somewhere else."""
    lines = data.split(b"\r\n")
    line = chance.choice(lines)
    for _ in range(chance.choice((1, 1, 2, 20))):
        lines.insert(chance.randint(0, len(lines)), line)
    return b"\r\n".join(lines)


def shuffle(chance: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Put the lines of the head in another order."""
    head, blank, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    chance.shuffle(lines)
    return b"\r\n".join(lines) + blank + body


def drop_line(chance: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Leave a line out."""
    lines = data.split(b"\r\n")
    del lines[chance.randrange(len(lines))]
    return b"\r\n".join(lines)


def truncate(chance: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Stop early."""
    return data[: chance.randrange(len(data))]


def splice(chance: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Begin as one message and go on as another."""
    other = chance.choice(seeds)
    return data[: chance.randint(0, len(data))] + other[chance.randint(0, len(other)) :]


def bare_line_ends(chance: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Use LF or CR alone, here and there or everywhere."""
    end = chance.choice((b"\n", b"\r", b"\n\r"))
    return data.replace(b"\r\n", end, chance.choice((-1, 1, 3)))


def noise(chance: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Replace a stretch by random octets, or everything."""
    if chance.random() < 0.2:
        return chance.randbytes(chance.randint(0, 600))
    at = chance.randrange(len(data))
    return data[:at] + chance.randbytes(chance.randint(1, 60)) + data[at + 20 :]


MUTATIONS: Final[tuple[Mutation, ...]] = (
    flip,
    delete,
    insert,
    insert,
    overwrite,
    overwrite,
    duplicate,
    shuffle,
    drop_line,
    truncate,
    splice,
    bare_line_ends,
    noise,
)


def damaged(seeds: Sequence[bytes], seed: int, number: int) -> bytes:
    """Message ``number`` of the run with ``seed``, made from ``seeds``.

    It does not depend on the messages before it.
    """
    chance = Random(f"{seed}/{number}")
    data = chance.choice(seeds)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        data = chance.choice(MUTATIONS)(chance, data, seeds) if data else data
    return data
