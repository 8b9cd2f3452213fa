"""The files of a journal: their names, their bytes, and reading them back.

A journal is a row of segments, each named after the number of its first record::

    segment  "SIPJRNL1", number of the first record (8 bytes), check sum of both (4 bytes), frame...
    frame    length of the payload (4 bytes), check sum (4 bytes), payload

Numbers are big-endian. The check sum of a frame is the CRC-32 of the payload, started with the
record's number: a record found in the wrong place, or a run of zeros that a file system left
behind after a power cut, does not pass for one.

Nothing here writes. `parse_frames` looks at bytes only, `SegmentReader` follows a journal while it
grows.
"""

import os
import re
from collections.abc import Callable
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

MAGIC: Final = b"SIPJRNL1"
#: No record is longer; a length field above it is damage.
MAX_PAYLOAD: Final = 16 * 1024 * 1024

_HEADER: Final = Struct(">8sQI")
_FRAME: Final = Struct(">II")
_NAME: Final = re.compile(r"journal-(\d{20})\Z")

HEADER_SIZE: Final = _HEADER.size
FRAME_SIZE: Final = _FRAME.size


def segment_name(first: int) -> str:
    """Give the file name of the segment that starts with record ``first``."""
    return f"journal-{first:020d}"


def list_segments(directory: str) -> list[int]:
    """Give the first numbers of the segments in a folder, ascending."""
    matches = [_NAME.match(name) for name in os.listdir(directory)]
    return sorted(int(match[1]) for match in matches if match)


def make_header(first: int) -> bytes:
    """Give the bytes that open a segment."""
    return _HEADER.pack(MAGIC, first, crc32(MAGIC + first.to_bytes(8, "big")))


def is_header(data: bytes, first: int) -> bool:
    """Say whether ``data`` opens with the header of this segment."""
    return data[:HEADER_SIZE] == make_header(first)


def make_frame(payload: bytes, number: int) -> bytes:
    """Give what stands before the payload of record ``number``."""
    return _FRAME.pack(len(payload), crc32(payload, number & 0xFFFFFFFF))


class Frames(NamedTuple):
    """What `parse_frames` found."""

    payloads: list[bytes | None]
    """The records in order; None for one whose check sum is wrong between two sound ones."""
    consumed: int
    """How many bytes the records took."""
    needed: int
    """How many bytes the record that starts at ``consumed`` takes; 0 when none can start there."""


def parse_frames(data: bytes, number: int, limit: int = 1 << 62) -> Frames:
    """Read up to ``limit`` records from ``data``, the first of them being ``number``."""
    payloads: list[bytes | None] = []
    at = 0
    needed = FRAME_SIZE
    while at + FRAME_SIZE <= len(data) and len(payloads) < limit:
        length, check = _FRAME.unpack_from(data, at)
        if not 0 < length <= MAX_PAYLOAD:
            return Frames(payloads, at, 0)
        needed = FRAME_SIZE + length
        if at + needed > len(data):
            return Frames(payloads, at, needed)
        payload = data[at + FRAME_SIZE : at + needed]
        if crc32(payload, number & 0xFFFFFFFF) == check:
            payloads.append(payload)
        elif _starts_frame(data, at + needed, number + 1):
            payloads.append(None)
        else:
            return Frames(payloads, at, 0)
        at += needed
        number += 1
        needed = FRAME_SIZE
    return Frames(payloads, at, needed)


def _starts_frame(data: bytes, at: int, number: int) -> bool:
    """Say whether a sound record ``number`` stands at ``at``: the one before it is only damaged."""
    if at + FRAME_SIZE > len(data):
        return False
    length, check = _FRAME.unpack_from(data, at)
    start = at + FRAME_SIZE
    if not 0 < length <= MAX_PAYLOAD or start + length > len(data):
        return False
    return crc32(data[start : start + length], number & 0xFFFFFFFF) == int(check)


class Extent(NamedTuple):
    """How far a journal is written: what a reader may look at."""

    segment: int
    """First number of the segment written now."""
    size: int
    """Bytes of it that hold whole, flushed records."""
    last: int
    """Number of the last flushed record; 0 before the first."""


class SegmentReader:
    """Follows a journal from a record on, also while it grows and rotates.

    Holds one open file and no records. Never looks beyond the extent, since what lies there may be
    cut off again by the writer.
    """

    def __init__(self, directory: str, extent: Callable[[], Extent], after: int) -> None:
        """Start behind record ``after``; ``extent`` tells how far the journal is written."""
        #: Number of the last record that was read.
        self.number = after
        #: Whether records are missing among those that were read.
        self.damaged = False
        self._directory = directory
        self._extent = extent
        self._segment = 0
        self._at = 0
        self._next = 0
        self._descriptor = -1

    def read(self, limit: int, chunk: int = 1 << 18) -> list[tuple[int, bytes]]:
        """Give up to ``limit`` further records with their numbers; none: all is read.

        Raises OSError. Damaged records are left out.
        """
        while self._descriptor >= 0 or self._open_next():
            # Taken before reading: the segment may grow further and only then be left.
            extent = self._extent()
            found = self._read_some(extent, limit, chunk)
            if found or self._segment == extent.segment or not self._open_next():
                return found
        return []

    def close(self) -> None:
        """Close the file; a later `read` opens it again and goes on."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._segment = 0

    def _read_some(self, extent: Extent, limit: int, chunk: int) -> list[tuple[int, bytes]]:
        """Give the next wanted records of the open segment; none at its end, or at damage."""
        while True:
            room = self._end(extent) - self._at
            wanted = min(chunk, room)
            data = os.pread(self._descriptor, wanted, self._at) if room > 0 else b""
            frames = parse_frames(data, self._next, limit)
            if not frames.payloads:
                if len(data) < wanted or wanted >= room:
                    self.damaged = self.damaged or room > 0
                    return []
                # Too short a piece for the record, or to see that only one is damaged.
                chunk = frames.needed + FRAME_SIZE if frames.needed else room
                continue
            found = [
                (number, payload)
                for number, payload in enumerate(frames.payloads, self._next)
                if payload is not None and number > self.number
            ]
            self.damaged = self.damaged or None in frames.payloads
            self._at += frames.consumed
            self._next += len(frames.payloads)
            self.number = max(self.number, self._next - 1)
            if found:
                return found

    def _end(self, extent: Extent) -> int:
        if extent.segment == self._segment:
            return extent.size
        return os.fstat(self._descriptor).st_size

    def _open_next(self) -> bool:
        """Open the segment after the one just read, or the one that holds the next record."""
        firsts = list_segments(self._directory)
        if self._segment:
            firsts = [first for first in firsts if first > self._segment][:1]
        else:
            # The newest segment that starts at or before the wanted record, else the oldest.
            firsts = [first for first in firsts if first <= self.number + 1][-1:] or firsts[:1]
        if not firsts or firsts[0] > self._extent().segment:
            return False
        name = os.path.join(self._directory, segment_name(firsts[0]))
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        self.close()
        self.damaged = self.damaged or firsts[0] > self.number + 1
        self._descriptor = descriptor
        self._segment = self._next = firsts[0]
        self._at = HEADER_SIZE
        return True
