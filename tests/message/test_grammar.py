"""Names of headers, in all the ways in which they are written."""

import re

import pytest

from sipproxy.message.grammar import (
    CANONICAL,
    COMPACT,
    MAX_HEADERS,
    MAX_LINE,
    MAX_MESSAGE,
    METHODS,
    PRETTY,
    QUOTED,
    TOKEN,
    canonical,
    pretty,
)


class CanonicalTests:
    """One name for all spellings of a header."""

    @pytest.mark.parametrize(
        "raw", [b"Via", b"via", b"VIA", b"v", b"V", b"vIA", b"Via ", b"Via \t"]
    )
    def test_spellings(self, raw: bytes) -> None:
        """Case, the compact form and blanks before the colon make no difference."""
        assert canonical(raw) == b"via"

    def test_unknown(self) -> None:
        """A name nobody registered is put into lower case."""
        assert canonical(b"X-Anything") == b"x-anything"
        assert canonical(b"Q") == b"q"

    def test_every_compact_form(self) -> None:
        """Each letter stands for a name that is known in full too."""
        for letter, name in COMPACT.items():
            assert canonical(letter) == canonical(letter.upper()) == name
            assert name in PRETTY

    def test_table_is_closed(self) -> None:
        """What the table gives is what the table would give again."""
        for raw, name in CANONICAL.items():
            assert raw.lower() == name or raw.lower() in COMPACT
            assert CANONICAL[name] == name == name.lower()
            assert b":" not in raw and raw == raw.strip()


class LimitTests:
    """Limits that others rely on."""

    def test_limits(self) -> None:
        """A whole datagram, 70 hops of a Via and two Record-Route each, and four long tokens."""
        assert MAX_MESSAGE == 2**16 - 1
        assert MAX_HEADERS >= 3 * 70 + 20
        assert 4 * 4096 <= MAX_LINE < MAX_MESSAGE


class PrettyTests:
    """How a name is printed."""

    @pytest.mark.parametrize(
        ("name", "printed"),
        [
            (b"call-id", b"Call-ID"),
            (b"cseq", b"CSeq"),
            (b"www-authenticate", b"WWW-Authenticate"),
            (b"x-anything", b"X-Anything"),
        ],
    )
    def test_printed(self, name: bytes, printed: bytes) -> None:
        """As the RFCs spell it, or word by word."""
        assert pretty(name) == printed
        assert canonical(printed) == name


class PatternTests:
    """The pieces of which the patterns are made."""

    def test_token(self) -> None:
        """All characters of a token, and none of the separators."""
        token = re.compile(rb"[" + TOKEN + rb"]+")
        assert token.fullmatch(b"azAZ09-.!%*_+`'~")
        for separator in b'()<>@,;:\\"/[]?={} \t\x00\x7f\xe9':
            assert not token.fullmatch(bytes([separator]))

    @pytest.mark.parametrize("text", [b'""', b'"a"', b'"\\""', b'"\\\\"', b'"a, b; <c>\xff\x00"'])
    def test_quoted(self, text: bytes) -> None:
        """A quoted string ends at its first quote that is not escaped."""
        match = re.compile(QUOTED, re.DOTALL).match(text + b'"x"')
        assert match is not None and match.group() == text

    @pytest.mark.parametrize("text", [b'"', b'"a', b'"\\"', b'"a\\', b"a"])
    def test_not_quoted(self, text: bytes) -> None:
        """Without its end it is none."""
        assert not re.compile(QUOTED, re.DOTALL).match(text)

    def test_methods(self) -> None:
        """A method is called what it is."""
        assert all(raw.decode() == name for raw, name in METHODS.items())
