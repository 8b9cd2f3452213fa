"""Outputs are small: a busy server makes twenty of them a call."""

import pytest

from sipproxy.transaction import outputs

CLASSES = [
    value
    for value in vars(outputs).values()
    if isinstance(value, type) and value.__module__ == outputs.__name__
]


class OutputTests:
    """What all of them share."""

    @pytest.mark.parametrize("output", CLASSES)
    def test_no_dictionary(self, output: type) -> None:
        """A misspelt attribute fails, and an instance is its slots and nothing more."""
        assert output.__dictoffset__ == 0

    def test_union_is_complete(self) -> None:
        """A driver that treats every member of `Output` has treated them all."""
        assert set(CLASSES) == set(outputs.Output.__args__)
