"""Reading a journal back at start-up, and repairing what a crash left at its end."""

import os
from collections.abc import Callable
from typing import NamedTuple

from sipproxy.stores.segments import (
    HEADER_SIZE,
    is_header,
    list_segments,
    parse_frames,
    segment_name,
)


class Recovery(NamedTuple):
    """What was found in a journal at start-up."""

    replayed: int
    """Records given to the caller."""
    unreadable: int
    """Damaged or meaningless records that were left out."""
    torn: int
    """Bytes cut off the end: what was being written when the process died."""
    notes: list[str]
    """Sentences for the error log; empty after a clean stop."""


class Found(NamedTuple):
    """How to go on writing after a recovery."""

    recovery: Recovery
    firsts: list[int]
    """The usable segments."""
    last: int
    """Number of the last record; 0 without any."""
    size: int
    """Bytes of the last segment if it can be appended to, else 0."""


def read_back(directory: str, after: int, apply: Callable[[bytes], None]) -> Found:
    """Give the records after number ``after`` to ``apply``; see `Journal.recover`."""
    return _Past(directory, after, apply).read()


class _Past:
    """One reading of a folder; holds the sums while the segments go by."""

    def __init__(self, directory: str, after: int, apply: Callable[[bytes], None]) -> None:
        self._directory = directory
        self._after = after
        self._apply = apply
        self._expected = after + 1
        self._replayed = 0
        self._unreadable = 0
        self._torn = 0
        self._notes: list[str] = []
        self._firsts: list[int] = []
        self._last = 0
        self._size = 0

    def read(self) -> Found:
        firsts = list_segments(self._directory)
        for index, first in enumerate(firsts):
            newest = index == len(firsts) - 1
            if not newest and firsts[index + 1] <= self._after + 1:
                # All of it is in the database; `Journal.release` will delete it.
                self._firsts.append(first)
                continue
            self._read_segment(first, newest)
        recovery = Recovery(self._replayed, self._unreadable, self._torn, self._notes)
        return Found(recovery, self._firsts, self._last, self._size)

    def _read_segment(self, first: int, newest: bool) -> None:
        path = os.path.join(self._directory, segment_name(first))
        with open(path, "rb") as file:
            data = file.read()
        if not is_header(data, first):
            self._set_aside(path, len(data), newest)
            return
        if first > self._expected:
            self._notes.append(f"records {self._expected} to {first - 1} are missing before {path}")
        frames = parse_frames(data[HEADER_SIZE:], first)
        self._replay(frames.payloads, first, path)
        self._firsts.append(first)
        self._last = max(self._last, first + len(frames.payloads) - 1)
        self._expected = max(self._expected, self._last + 1)
        end = HEADER_SIZE + frames.consumed
        if newest:
            self._size = end
        if end < len(data):
            self._end_early(path, end, len(data) - end, newest)

    def _replay(self, payloads: list[bytes | None], first: int, path: str) -> None:
        unreadable = 0
        for number, payload in enumerate(payloads, first):
            if number <= self._after:
                continue
            try:
                if payload is None:
                    raise ValueError("damaged")
                self._apply(payload)
                self._replayed += 1
            except ValueError:
                unreadable += 1
        if unreadable:
            self._unreadable += unreadable
            self._notes.append(f"{unreadable} damaged records left out in {path}")

    def _end_early(self, path: str, end: int, rest: int, newest: bool) -> None:
        """Deal with bytes that are no records at the end of a segment."""
        if newest:
            os.truncate(path, end)
            self._torn = rest
            self._notes.append(f"{rest} bytes of an unfinished write cut off {path} at {end}")
        else:
            self._notes.append(f"the last {rest} bytes of {path} are damaged and left out")

    def _set_aside(self, path: str, size: int, newest: bool) -> None:
        """Deal with a segment whose header is no header."""
        if newest and size < HEADER_SIZE:
            # The process died between making the file and writing its first bytes.
            os.unlink(path)
            self._torn = size
            return
        os.rename(path, path + ".damaged")
        self._notes.append(f"{path} has no readable start and was renamed to {path}.damaged")
