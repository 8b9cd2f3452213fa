"""What holds for every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

LIVE = Path(__file__).parent / "live"

# A busy machine is no failure; a failing example is printed so that it can be tried again.
settings.register_profile("sipproxy", deadline=None, print_blob=True)
settings.load_profile("sipproxy")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what stands in tests/live."""
    for item in items:
        if item.path.is_relative_to(LIVE):
            item.add_marker(pytest.mark.live)


@implementer(ILogObserver)
class Errors:
    """Keeps the errors that Twisted logs."""

    def __init__(self) -> None:
        self.events: list[LogEvent] = []

    def __call__(self, event: LogEvent) -> None:
        """Take one event."""
        if event.get("isError") or event.get("log_failure") is not None:
            self.events.append(event)


@pytest.fixture(autouse=True)
def no_error_unnoticed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test during which Twisted logged an error, such as a failure that nobody took.

    Trial's test cases see to that themselves.
    """
    if isinstance(request.instance, SynchronousTestCase):
        yield
        return
    errors = Errors()
    globalLogPublisher.addObserver(errors)
    try:
        yield
    finally:
        globalLogPublisher.removeObserver(errors)
    if errors.events:
        first = errors.events[0]
        failure = first.get("log_failure")
        said = failure.getTraceback() if failure is not None else first.get("log_format")
        pytest.fail(f"{len(errors.events)} errors were logged; the first: {said}", pytrace=False)
