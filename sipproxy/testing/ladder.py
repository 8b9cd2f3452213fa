"""What went over the network as a ladder of arrows: printed for people, compared in tests.

    alice                   proxy                    bob
      │ INVITE ───────────────▶│                      │         0.000
      │◀─────────── 100 Trying │                      │         0.001
      │                        │ INVITE ─────────────▶│         0.001

An arrow that ends in ``✗`` was lost, or reached nobody; one across a column has ``┼`` there, and
``↺`` is what somebody sent to himself.  `Ladder.expect` takes such a text: the first line names
the columns, each other line is one message; its label may be cut after a word (``INVITE``,
``100``), and a time at the end counts where there is one.  How wide the columns are does not
matter.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from sipproxy.testing.network import LOST, NOWHERE, Network, Passage

#: Between two columns, in characters.
WIDTH: Final = 24

#: Seconds by which an expected time may be off.
TOLERANCE: Final = 0.02

_ARROWS: Final = "▶◀✗↺"
_TIME: Final = re.compile(r"(\d+\.\d+)\s*$")


class Step(NamedTuple):
    """One message of a ladder, with the names of those at its ends."""

    source: str
    target: str
    label: str
    lost: bool
    time: float | None

    def fits(self, seen: "Step") -> bool:
        """Say whether ``seen`` is what this expected step means."""
        words = self.label.split()
        return (
            (self.source, self.target, self.lost) == (seen.source, seen.target, seen.lost)
            and words == seen.label.split()[: len(words)]
            and (self.time is None or abs(self.time - (seen.time or 0.0)) <= TOLERANCE)
        )


class Ladder:
    """Everything that goes over a network, from now on."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._names: dict[str, str] = {}
        self._passages: list[Passage] = []
        self._began = network.clock.seconds()
        self._keeping = True
        network.watch(self._take)

    def name(self, host: str, name: str) -> None:
        """Call a host by a name; columns stand in the order in which hosts were named."""
        self._names[host] = name

    def stop(self) -> None:
        """Keep nothing from now on: for scenarios that last too long to be drawn."""
        self._keeping = False
        self.clear()

    def clear(self) -> None:
        """Forget what was, and count the time from now."""
        self._passages.clear()
        self._began = self._network.clock.seconds()

    def steps(self) -> list[Step]:
        """Give what happened, message by message, in the order of sending."""
        return [self._step(passage) for passage in self._passages]

    def labels(self, source: str = "", target: str = "") -> list[str]:
        """Give method or status of what went from and to somebody (empty: anybody), in order."""
        return [
            step.label.split()[0]
            for step in self.steps()
            if source in ("", step.source) and target in ("", step.target)
        ]

    def expect(self, text: str) -> None:
        """Compare with an expected ladder.  Raises AssertionError with the first difference."""
        expected = read(text)
        seen = self.steps()
        for number in range(max(len(expected), len(seen))):
            wanted = expected[number] if number < len(expected) else None
            came = seen[number] if number < len(seen) else None
            if wanted is None or came is None or not wanted.fits(came):
                raise AssertionError(
                    f"message {number + 1} of the ladder: expected {_said(wanted)}, "
                    f"there was {_said(came)}\n{self}"
                )

    def __str__(self) -> str:
        return draw(self.steps(), self._names.values())

    def _take(self, passage: Passage) -> None:
        if self._keeping:
            self._passages.append(passage)

    def _step(self, passage: Passage) -> Step:
        return Step(
            self._name_of(passage.source[0]),
            self._name_of(passage.target[0]),
            label_of(passage.data),
            passage.fate in (LOST, NOWHERE),
            passage.time - self._began,
        )

    def _name_of(self, host: str) -> str:
        return self._names.get(host, host)


def label_of(data: bytes) -> str:
    """Name a message by what it is: ``INVITE sip:bob@example.com``, ``180 Ringing``."""
    first = data.partition(b"\r\n")[0].decode("utf-8", "replace")
    if first.startswith("SIP/2.0 "):
        return first[8:]
    return " ".join(first.split()[:2]) or "(keep-alive)"


def draw(steps: Iterable[Step], names: Iterable[str] = (), width: int = WIDTH) -> str:
    """Draw a ladder."""
    steps = list(steps)
    columns = list(dict.fromkeys(names))
    for step in steps:
        columns += [name for name in (step.source, step.target) if name not in columns]
    used = {name for step in steps for name in (step.source, step.target)}
    columns = [name for name in columns if name in used]
    head = "".join(name[: width - 1].ljust(width) for name in columns).rstrip()
    return "\n".join([head, *(_line(step, columns, width) for step in steps)])


def _line(step: Step, columns: list[str], width: int) -> str:
    line = []
    for index in range(len(columns)):
        line.append("│" + " " * (width - 1) if index < len(columns) - 1 else "│")
    text = "  " + "".join(line)
    one, other = columns.index(step.source), columns.index(step.target)
    left, right = 3 + min(one, other) * width, 2 + max(one, other) * width
    label = step.label.split(" sip:")[0].split(" tel:")[0]
    if one == other:
        text = text[:left] + f" {label} ↺"[: width - 1].ljust(width - 1) + text[left + width - 1 :]
    else:
        room = right - left
        if one < other:
            arrow = f" {label} ".ljust(room - 1, "─")[: room - 1] + ("✗" if step.lost else "▶")
        else:
            arrow = ("✗" if step.lost else "◀") + f" {label} ".rjust(room - 1, "─")[1 - room :]
        for index in range(min(one, other) + 1, max(one, other)):
            at = 2 + index * width - left
            arrow = arrow[:at] + "┼" + arrow[at + 1 :]
        text = text[:left] + arrow + text[right:]
    when = "" if step.time is None else f"{step.time:10.3f}"
    return (text.rstrip() + when).rstrip()


def read(text: str) -> list[Step]:
    """Read a drawn ladder.  Raises ValueError for a line that is no arrow."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    if not lines:
        return []
    names = lines[0].split()
    return [_read_line(line, names) for line in lines[1:]]


def _read_line(line: str, names: list[str]) -> Step:
    inner, end, rest = line.strip().rpartition("↺" if "↺" in line else "│")
    when = _TIME.search(rest)
    inner += end.strip("│")
    parts = re.split("[│┼]", inner)[1:]
    filled = [index for index, part in enumerate(parts) if part.strip()]
    if not filled or not any(mark in line for mark in _ARROWS) or filled[-1] >= len(names):
        raise ValueError(f"this is no line of a ladder: {line}")
    first, last = filled[0], filled[-1] + 1
    arrow = "".join(parts[first:last]).strip()
    label = arrow.strip("─▶◀✗↺ ")
    time = float(when[1]) if when is not None else None
    if "↺" in arrow:
        return Step(names[first], names[first], label, False, time)
    if arrow[0] in "◀✗":
        first, last = last, first
    return Step(names[first], names[last], label, "✗" in arrow, time)


def _said(step: Step | None) -> str:
    if step is None:
        return "nothing"
    lost = " (lost)" if step.lost else ""
    when = "" if step.time is None else f" at {step.time:.3f}"
    return f"{step.source} → {step.target} {step.label}{lost}{when}"
