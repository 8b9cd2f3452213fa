"""Messages kept as files, each with what should become of it written beside it.

A case is two files of one name: ``<name>.msg`` holds the exact octets of a datagram and
``<name>.json`` the expectation. Both are read as they are; nothing is decoded or repaired here, so
that a case may hold anything a hostile sender could send.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: A treatment a proxy may give a message: ``"forward"``, ``"drop"`` or the status it answers.
Treatment = str | int


@dataclass(frozen=True)
class TortureCase:
    """One hostile message, and how it is to be treated.

    Where an RFC leaves a choice, the tuples hold every treatment it allows, the preferred first.
    """

    name: str
    data: bytes
    #: Number of the RFC and section that describe the defect, or the rule that it breaks.
    rfc: str
    section: str
    title: str
    what: str
    #: True when parsing and checking must go well, False when one of them must refuse.
    parses: bool
    #: The statuses a refusal may carry; empty when nothing is refused or nobody can be answered.
    status: tuple[int, ...]
    #: How many messages the octets are on a stream; None when framing must fail.
    stream: int | None
    #: How many octets at the end of ``data`` lie behind the message, as a datagram.
    trailing: int
    proxy: tuple[Treatment, ...]
    #: What a registrar may answer; empty for what is not a REGISTER.
    registrar: tuple[int, ...]
    note: str

    @property
    def message(self) -> bytes:
        """The octets that are the message, without what trails it in the datagram."""
        return self.data[: len(self.data) - self.trailing]

    @property
    def forwarded(self) -> bool:
        """Whether passing the message on is among the treatments allowed."""
        return "forward" in self.proxy


def load_torture(folder: Path) -> list[TortureCase]:
    """Every case in ``folder``, by name.

    :raises ValueError: when an expectation is not of the form described in the folder's README,
        or when one of the two files of a case is missing.
    """
    messages = {path.stem for path in folder.glob("*.msg")}
    expectations = {path.stem for path in folder.glob("*.json")}
    if messages != expectations:
        lonely = ", ".join(sorted(messages ^ expectations))
        raise ValueError(f"message without expectation, or the reverse, in {folder}: {lonely}")
    return [_case(folder, name) for name in sorted(messages)]


def _case(folder: Path, name: str) -> TortureCase:
    try:
        record = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        return TortureCase(
            name=name,
            data=(folder / f"{name}.msg").read_bytes(),
            rfc=_text(record, "rfc"),
            section=_text(record, "section"),
            title=_text(record, "title"),
            what=_text(record, "what"),
            parses={"ok": True, "error": False}[_text(record, "parse")],
            status=_statuses(record, "status"),
            stream=None if record["stream"] == "error" else _number(record["stream"]),
            trailing=_number(record["trailing"]),
            proxy=_treatments(record, "proxy"),
            registrar=_statuses(record, "registrar"),
            note=_text(record, "note"),
        )
    except (KeyError, ValueError) as error:
        raise ValueError(f"{folder / name}.json: {error}") from error


def _text(record: Mapping[str, object], key: str) -> str:
    value = record[key]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key!r} must be a text, not {value!r}")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"expected a number, not {value!r}")
    return value


def _several(value: object) -> list[object]:
    """A choice is written as a list, a single value as itself, none as null."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _statuses(record: Mapping[str, object], key: str) -> tuple[int, ...]:
    return tuple([_number(value) for value in _several(record[key])])


def _treatments(record: Mapping[str, object], key: str) -> tuple[Treatment, ...]:
    found: list[Treatment] = []
    for value in _several(record[key]):
        found.append(value if value in ("forward", "drop") else _number(value))
    if not found:
        raise ValueError(f"{key!r} must name at least one treatment")
    return tuple(found)
