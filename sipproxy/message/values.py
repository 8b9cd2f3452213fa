"""How the value of a header line is cut up: folds, lists, parameters.

What stands between quotes or angle brackets is never cut. Every pattern here takes its octets once,
from left to right, so that no value, however hostile, costs more than its length.
"""

import re
from typing import Final

from sipproxy.message.grammar import QUOTED, TOKEN

_FOLD: Final = re.compile(rb"\r?\n[ \t]*+")
_QUOTED_PAIR: Final = re.compile(rb"\\(.)", re.DOTALL)

#: Up to the next comma, or to the end. A quote or a bracket that is not closed hides all the rest.
_ITEM: Final = re.compile(
    rb'[^",<]*+(?:(?:' + QUOTED + rb'|".*+\Z|<[^>]*+(?:>|\Z))[^",<]*+)*', re.DOTALL
)
#: The same up to the next semicolon; brackets mean nothing among parameters.
_PIECE: Final = re.compile(rb'[^";]*+(?:(?:' + QUOTED + rb'|".*+\Z)[^";]*+)*', re.DOTALL)

#: Parameters as nearly everybody writes them: ASCII, no blanks, nothing escaped; and one of them.
_PLAIN_PARAMS: Final = re.compile(
    rb"(?:;[" + TOKEN + rb"]++(?:=(?:[" + TOKEN + rb'\[\]:]++|"[\x20!#-\[\]-~]*+"))?)*\Z'
)
_PLAIN_PARAM: Final = re.compile(rb';([^;="]++)(=?)(?:"([^"]*+)"|([^";]*+))')


def unfold(value: bytes) -> bytes:
    """Make one line of a folded value (RFC 3261 section 7.3.1)."""
    return _FOLD.sub(b" ", value) if b"\n" in value else value


def value_of(line: bytes) -> bytes:
    """Give what a header line says behind its name, on one line and without blanks around it."""
    value = line.partition(b":")[2].strip()
    return _FOLD.sub(b" ", value) if b"\n" in value else value


def split_list(raw: bytes) -> list[bytes]:
    """Split at the commas outside quotes and angle brackets; empty elements are kept."""
    if b"," not in raw:
        return [raw.strip()]
    if b'"' not in raw and b"<" not in raw:
        return [part.strip() for part in raw.split(b",")]
    return _split(_ITEM, raw)


def end_of_first(raw: bytes) -> int:
    """Give where the first element of a list ends: at a comma, or at the end of all."""
    if b"," not in raw:
        return len(raw)
    match = _ITEM.match(raw)
    return len(raw) if match is None else match.end()


def split_commas(raw: bytes) -> list[bytes]:
    """Split at the commas outside quotes and angle brackets; empty elements are left out."""
    if b"," not in raw:
        only = raw.strip()
        return [only] if only else []
    return [part for part in split_list(raw) if part]


def split_semicolons(raw: bytes) -> list[bytes]:
    """Split at the semicolons outside quotes; empty elements are kept."""
    if b'"' not in raw:
        return [part.strip() for part in raw.split(b";")]
    return _split(_PIECE, raw)


def _split(pattern: re.Pattern[bytes], raw: bytes) -> list[bytes]:
    """Cut where ``pattern``, which matches everywhere, comes to its end."""
    parts: list[bytes] = []
    at, length = 0, len(raw)
    while at <= length:
        match = pattern.match(raw, at)
        if match is None:  # never: the patterns match the empty string
            break
        parts.append(match.group().strip())
        at = match.end() + 1
    return parts


def unquote(text: bytes) -> bytes:
    """Take the quotes off a quoted string and resolve its escapes; anything else stays as it is."""
    if len(text) < 2 or text[0] != 0x22 or text[-1] != 0x22:
        return text
    inner = text[1:-1]
    return _QUOTED_PAIR.sub(rb"\1", inner) if b"\\" in inner else inner


def split_params(raw: bytes) -> list[tuple[str, str | None]]:
    """Read ``;name=value``: names in lower case, values without quotes, None for a flag."""
    found: list[tuple[str, str | None]] = []
    if _PLAIN_PARAMS.match(raw):
        for name, equals, quoted, plain in _PLAIN_PARAM.findall(raw):
            found.append((name.decode().lower(), (quoted or plain).decode() if equals else None))
        return found
    for piece in split_semicolons(raw):
        if piece:
            name, equals, value = piece.partition(b"=")
            key = name.rstrip().decode("utf-8", "surrogateescape").lower()
            text = unquote(value.lstrip()).decode("utf-8", "surrogateescape") if equals else None
            found.append((key, text))
    return found
