"""What is remembered of answers, and for how long."""

import pytest
from twisted.internet.task import Clock

from sipproxy.resolve.cache import Cache, Entry


class _Fixture:
    clock: Clock
    cache: Cache

    @pytest.fixture(autouse=True)
    def _make(self) -> None:
        self.clock = Clock()
        self.cache = Cache(
            self.clock.seconds,
            size=3,
            shortest=5,
            longest=100,
            longest_negative=20,
            failure=4,
            stale=1000,
        )

    def known(self, key: str) -> Entry:
        """Give what is known of a key, which must be something."""
        entry = self.cache.get(key)
        assert entry is not None
        return entry


class LifetimeTests(_Fixture):
    """Times to live and their limits."""

    @pytest.mark.parametrize(("ttl", "lives"), [(50, 50), (1, 5), (0, 5), (4_000_000, 100)])
    def test_positive(self, ttl: float, lives: float) -> None:
        """An answer holds for its time to live, within the limits."""
        self.cache.put("a", ("1",), ttl)
        assert self.known("a").expires == lives

    @pytest.mark.parametrize(("ttl", "lives"), [(10, 10), (1, 5), (3600, 20)])
    def test_negative(self, ttl: float, lives: float) -> None:
        """A negative answer has a lower limit."""
        self.cache.put("a", (), ttl)
        assert self.known("a").expires == lives

    @pytest.mark.parametrize("records", [("1",), ()])
    def test_old(self, records: tuple[str, ...]) -> None:
        """Any answer stays for as long as an old one may serve: that a domain has no NAPTR is
        worth knowing too.
        """
        self.cache.put("a", records, 10)
        self.clock.advance(1009)
        assert self.known("a").records == records
        self.clock.advance(1)
        assert self.cache.get("a") is None
        assert len(self.cache) == 0

    def test_refresh_comes_before_the_end(self) -> None:
        """A positive answer is to be fetched anew near the end of its life."""
        self.cache.put("a", ("1",), 100)
        entry = self.known("a")
        assert 50 < entry.refresh < entry.expires


class FailureTests(_Fixture):
    """Nobody answered."""

    def test_without_older_answer(self) -> None:
        """A failure is believed for a short time only."""
        self.cache.put_failure("a")
        assert self.known("a").records is None
        self.clock.advance(4)
        assert self.cache.get("a") is None

    def test_older_answer_serves(self) -> None:
        """A failure does not drive out an older answer; it says when to ask again."""
        self.cache.put("a", ("1",), 10)
        self.clock.advance(20)
        self.cache.put_failure("a")
        assert self.known("a").records == ("1",)
        assert self.known("a").retry == 24

    def test_negative_answer_drives_out(self) -> None:
        """That a name is gone is an answer, and replaces the older one."""
        self.cache.put("a", ("1",), 10)
        self.cache.put("a", (), 10)
        assert self.known("a").records == ()


class BoundTests(_Fixture):
    """The memory is bounded."""

    def test_least_used_goes_first(self) -> None:
        """When it is full, what was not asked for the longest goes."""
        for key in "abc":
            self.cache.put(key, (key,), 10)
        self.known("a")
        self.cache.put("d", ("d",), 10)
        assert self.cache.get("b") is None
        assert len(self.cache) == 3
        assert self.known("a").records == ("a",)

    def test_failures_count(self) -> None:
        """Failures take places like answers do."""
        for number in range(10):
            self.cache.put_failure(number)
        assert len(self.cache) == 3

    def test_clear(self) -> None:
        """Everything can be forgotten at once."""
        self.cache.put("a", ("1",), 10)
        self.cache.clear()
        assert self.cache.get("a") is None
