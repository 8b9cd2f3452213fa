"""Reason phrases."""

import pytest

from sipproxy.message.status import REASONS, reason


class ReasonTests:
    """What stands behind the number."""

    def test_registered(self) -> None:
        """The RFC's own phrases."""
        assert reason(100) == b"Trying"
        assert reason(407) == b"Proxy Authentication Required"
        assert reason(480) == b"Temporarily Unavailable"

    @pytest.mark.parametrize(
        ("status", "phrase"), [(198, b"Progress"), (299, b"Success"), (699, b"Failure")]
    )
    def test_unknown(self, status: int, phrase: bytes) -> None:
        """A code nobody registered gets the phrase of its class, never nothing."""
        assert status not in REASONS and reason(status) == phrase

    def test_nonsense(self) -> None:
        """What is no status code has no phrase, and harms nobody."""
        for status in (-100, 0, 99, 700, 999):
            assert reason(status) == b""

    def test_table(self) -> None:
        """Every phrase can stand in a status line as it is."""
        assert list(REASONS) == sorted(REASONS)
        for status, phrase in REASONS.items():
            assert 100 <= status < 700
            assert phrase.isascii() and phrase == phrase.strip() and b"\n" not in phrase
