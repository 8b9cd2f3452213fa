"""The counters' names are what status pages show."""

from sipproxy.transport.counters import Counters


class CountersTests:
    """All of them, by name."""

    def test_all_begin_at_zero(self) -> None:
        """A new process has counted nothing, and every slot is there."""
        shown = Counters().as_dict()
        assert set(shown) == set(Counters.__slots__)
        assert set(shown.values()) == {0}

    def test_shows_what_was_counted(self) -> None:
        """The page shows the current numbers."""
        counters = Counters()
        counters.received += 2
        assert counters.as_dict()["received"] == 2
