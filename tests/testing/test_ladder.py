"""Ladders can be read by people and by tests, and what is drawn reads as what it was."""

from itertools import pairwise

import pytest

from sipproxy.testing.ladder import Step, draw, label_of, read
from sipproxy.testing.scene import Scene

NAMES = ("alice", "proxy", "bob")


class DrawTests:
    """What is drawn can be read again."""

    @pytest.mark.parametrize("lost", [False, True])
    @pytest.mark.parametrize("source", NAMES)
    @pytest.mark.parametrize("target", NAMES)
    def test_round(self, source: str, target: str, lost: bool) -> None:
        """Every arrow, across columns and to oneself, lost or not, reads as what it was."""
        step = Step(source, target, "180 Ringing", lost and source != target, 1.25)
        others = [Step(one, other, "X", False, 0.5) for one, other in pairwise(NAMES)]
        assert read(draw([*others, step])) == [*others, step]

    def test_picture(self) -> None:
        """The picture is the one of the manual."""
        steps = [
            Step("alice", "bob", "INVITE sip:bob@example.com", False, 0.0),
            Step("bob", "proxy", "100 Trying", True, 0.5),
        ]
        assert draw(steps, NAMES, 16) == (
            "alice           proxy           bob\n"
            "  │ INVITE ───────┼──────────────▶│     0.000\n"
            "  │               │✗── 100 Trying │     0.500"
        )

    def test_unused_column(self) -> None:
        """Who took no part has no column."""
        assert "bob" not in draw([Step("alice", "proxy", "ACK", False, 0.0)], NAMES)

    def test_not_a_ladder(self) -> None:
        """A line that shows nothing is a mistake in the test."""
        with pytest.raises(ValueError, match="no line of a ladder"):
            read("a   b\n  │   │")

    def test_labels(self) -> None:
        """A message is called by its method or its status."""
        assert label_of(b"SIP/2.0 180 Ringing\r\n") == "180 Ringing"
        assert label_of(b"ACK sip:a@b SIP/2.0\r\n\r\n") == "ACK sip:a@b"
        assert label_of(b"\r\n\r\n") == "(keep-alive)"


class ExpectTests:
    """A scenario is compared with the ladder that it should be."""

    def setup_method(self) -> None:
        """Let something happen."""
        self.scene = Scene()
        self.scene.phone("alice").register()
        self.scene.run(1)

    def test_fits(self) -> None:
        """A label may be short, and a time may be left out."""
        self.scene.ladder.expect("""
            alice      proxy
              │ REGISTER ─▶│
              │◀────── 200 │   0.001
        """)

    @pytest.mark.parametrize(
        "line",
        [
            "│◀────── 404 │",
            "│✗────── 200 │",
            "│ 200 ──────▶│",
            "│◀────── 200 │   0.500",
            "│◀────── 20 │",
        ],
    )
    def test_differs(self, line: str) -> None:
        """Another label, fate, direction or time is a difference, and the picture is shown."""
        with pytest.raises(AssertionError, match=r"message 2 .*200 OK at 0\.001\n.*\n.*REGISTER"):
            self.scene.ladder.expect("alice proxy\n│ REGISTER ─▶│\n" + line)

    def test_too_few_or_many(self) -> None:
        """Something more, or something less, is a difference too."""
        with pytest.raises(AssertionError, match="expected nothing"):
            self.scene.ladder.expect("alice proxy\n│ REGISTER ─▶│")
        drawn = str(self.scene.ladder)
        with pytest.raises(AssertionError, match="there was nothing"):
            self.scene.ladder.expect(drawn + "\n│ REGISTER ─▶│")
