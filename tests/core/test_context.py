"""What is known of a request while it is under way."""

import gc
import weakref

from sipproxy.core.context import RequestContext
from sipproxy.core.decisions import PASSED, REFUSED
from sipproxy.testing.core import ALICE, CoreStand, make_request


def context_of(hypothetical: bool = False) -> RequestContext:
    """Give a fresh context."""
    stand = CoreStand()
    return RequestContext(make_request(), ALICE, None, stand.generation, 5.0, hypothetical)


class BeginTests:
    """A context that has just begun."""

    def test_facts_of_the_request(self) -> None:
        """It knows method, URI and time, and nothing that is found out later."""
        context = context_of()
        assert context.method == "INVITE"
        assert context.received_uri == b"sip:bob@example.com"
        assert context.began == context.ended == 5.0
        assert (context.status, context.identity, context.number) == (0, None, None)
        assert not (context.own or context.routed or context.in_dialog or context.cancelled)
        assert context.trail == [] and context.targets == [] and context.decided_by == ""

    def test_hypothetical(self) -> None:
        """It is real unless it is said otherwise."""
        assert not context_of().hypothetical
        assert context_of(True).hypothetical

    def test_received_uri_stays(self) -> None:
        """The Request-URI as it came is kept whatever becomes of it."""
        context = context_of()
        context.request.set_uri(b"sip:other@example.com")
        assert context.received_uri == b"sip:bob@example.com"


class NoteTests:
    """What modules keep with a request."""

    def test_under_the_module(self) -> None:
        """Each finds its own, and what it wrote is there the next time."""
        context = context_of()
        one, two = object(), object()
        context.notes[one] = "mine"
        context.notes[two] = "yours"
        assert context.notes == {one: "mine", two: "yours"}

    def test_apart(self) -> None:
        """Two requests share nothing."""
        one, two = context_of(), context_of()
        one.notes["x"] = 1
        assert two.notes == {}


class TrailTests:
    """Reasons and decisions."""

    def test_reason_belongs_to_the_next_decision(self) -> None:
        """A reason is kept with the decision after it, and with no other."""
        context = context_of()
        context.because("first", "sipd.conf:3")
        context.decide("check", "mod_a", PASSED, 0.5)
        context.decide("check", "mod_b", REFUSED)
        assert context.trail == [
            ("check", "mod_a", PASSED, "first", "sipd.conf:3", 0.5),
            ("check", "mod_b", REFUSED, "", "", 0.0),
        ]

    def test_last_reason_counts(self) -> None:
        """A module may change its mind before it returns."""
        context = context_of()
        context.because("one", "sipd.conf:1")
        context.because("two")
        context.decide("check", "mod_a", PASSED)
        assert context.trail[0][3:5] == ("two", "")


class FreeTests:
    """Contexts go with the last reference, without the collector."""

    def test_no_circle(self) -> None:
        """A refused request is freed the moment its transaction lets go."""
        stand = CoreStand()
        caller = stand.receive(make_request(max_forwards=0))

        class Marker:
            """Something that can be watched."""

        marker = Marker()
        caller.context.notes["marker"] = marker
        gone = weakref.ref(marker)
        del marker
        gc.disable()
        try:
            caller.context = None
            stand.end(caller)
            assert gone() is None
        finally:
            gc.enable()
