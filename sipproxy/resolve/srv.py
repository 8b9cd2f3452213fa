"""SRV records and the order in which their targets are tried (RFC 2782).

Pure: chance comes as an argument, a callable that gives numbers from 0 up to but not including 1.
"""

from collections.abc import Callable, Iterable
from typing import Final

#: The target that says: this service is decidedly not available at this domain.
NO_SERVICE: Final = ""


class Srv:
    """One SRV record.  ``target`` is in lower case, without a dot at its end; "" for the root."""

    __slots__ = ("port", "priority", "target", "weight")

    def __init__(self, priority: int, weight: int, port: int, target: str) -> None:
        self.priority = priority
        self.weight = weight
        self.port = port
        self.target = target

    def __repr__(self) -> str:
        return f"Srv({self.priority} {self.weight} {self.port} {self.target or '.'})"


def is_refusal(records: Iterable[Srv]) -> bool:
    """Say whether the records declare that there is no such service: the one target is the root."""
    return [record.target for record in records] == [NO_SERVICE]


def order(records: Iterable[Srv], draw: Callable[[], float]) -> list[Srv]:
    """Give the records in the order to try them: lowest priority first, by weight within one.

    A record is drawn with the likelihood of its weight among those still left.
    """
    by_priority: dict[int, list[Srv]] = {}
    for record in records:
        if record.target != NO_SERVICE and record.port:
            by_priority.setdefault(record.priority, []).append(record)
    ordered: list[Srv] = []
    for priority in sorted(by_priority):
        left = by_priority[priority]
        left.sort(key=_has_weight)  # those of weight 0 first, so that they have a small chance
        while len(left) > 1:
            ordered.append(left.pop(_drawn(left, draw())))
        ordered += left
    return ordered


def _has_weight(record: Srv) -> bool:
    return record.weight > 0


def _drawn(records: list[Srv], chance: float) -> int:
    """Give the index of the record that the number picks."""
    total = sum(record.weight for record in records)
    if not total:
        # RFC 2782 leaves it open.  An even spread keeps a cached answer from loading one target.
        return int(chance * len(records))
    number = int(chance * (total + 1))
    running = 0
    for index, record in enumerate(records):
        running += record.weight
        if running >= number:
            return index
    return len(records) - 1
