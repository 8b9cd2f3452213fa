"""The signed mark of a dialog: who may make one, and what it says."""

import pytest

from sipproxy.core.marks import DialogMarks

MARKS = DialogMarks(b"k" * 32)
CALL = b"c1@192.0.2.10"
ALICE_FLOW = b"fa11ce"
BOB_FLOW = b"fb0b"


class ReadTests:
    """Marks that come back."""

    def test_caller_sends(self) -> None:
        """From the caller's side the mark gives the flow to the callee."""
        mark = MARKS.make(CALL, b"a1", ALICE_FLOW, BOB_FLOW)
        assert MARKS.read(mark, CALL, b"a1", b"b1") == BOB_FLOW

    def test_callee_sends(self) -> None:
        """From the callee's side, whose tag is in From now, it gives the flow to the caller."""
        mark = MARKS.make(CALL, b"a1", ALICE_FLOW, BOB_FLOW)
        assert MARKS.read(mark, CALL, b"b1", b"a1") == ALICE_FLOW

    @pytest.mark.parametrize(("caller", "callee"), [(b"", b""), (ALICE_FLOW, b""), (b"", BOB_FLOW)])
    def test_sides_without_flow(self, caller: bytes, callee: bytes) -> None:
        """A side that is reached by its Contact has an empty flow."""
        mark = MARKS.make(CALL, b"a1", caller, callee)
        assert MARKS.read(mark, CALL, b"a1", b"b1") == callee
        assert MARKS.read(mark, CALL, b"b1", b"a1") == caller

    def test_fits_into_a_uri(self) -> None:
        """A mark holds nothing that a user part may not hold."""
        mark = MARKS.make(CALL, b"a1", ALICE_FLOW, BOB_FLOW)
        assert mark.replace(b"!", b"").isalnum() and mark.startswith(b"rr")

    def test_survives_a_restart(self) -> None:
        """The same secret reads it, as dialogs outlive the server."""
        mark = MARKS.make(CALL, b"a1", ALICE_FLOW, BOB_FLOW)
        assert DialogMarks(b"k" * 32).read(mark, CALL, b"a1", b"b1") == BOB_FLOW


class RefuseTests:
    """Marks that are not ours, or not for this dialog."""

    def refused(self, mark: bytes, call_id: bytes = CALL, one: bytes = b"a1") -> bool:
        """Say whether a mark is refused from both sides."""
        return (
            MARKS.read(mark, call_id, one, b"b1") is None
            and MARKS.read(mark, call_id, b"b1", one) is None
        )

    def test_other_secret(self) -> None:
        """Another server's marks, or forged ones."""
        assert self.refused(DialogMarks(b"x" * 32).make(CALL, b"a1", b"", b""))

    def test_other_call(self) -> None:
        """A mark of another call, carried over."""
        assert self.refused(MARKS.make(CALL, b"a1", b"", b""), call_id=b"c2@192.0.2.10")

    def test_other_party(self) -> None:
        """A mark of the call in the hands of somebody with neither tag."""
        assert self.refused(MARKS.make(CALL, b"a1", b"", b""), one=b"m1")

    def test_every_single_change(self) -> None:
        """No octet of a mark may be changed, flows included."""
        mark = MARKS.make(CALL, b"a1", ALICE_FLOW, BOB_FLOW)
        for at in range(len(mark)):
            other = b"0" if mark[at : at + 1] != b"0" else b"1"
            assert self.refused(mark[:at] + other + mark[at + 1 :]), at

    def test_every_length(self) -> None:
        """A mark that was cut off, at whatever place, is none."""
        mark = MARKS.make(CALL, b"a1", ALICE_FLOW, BOB_FLOW)
        for length in range(len(mark)):
            assert self.refused(mark[:length]), length
        assert self.refused(mark + b"!f0")

    def test_flows_cannot_be_moved(self) -> None:
        """Swapping the sides, or adding a flow to a mark without, does not fit the hash."""
        plain = MARKS.make(CALL, b"a1", b"", b"")
        both = MARKS.make(CALL, b"a1", ALICE_FLOW, BOB_FLOW)
        assert self.refused(plain + b"!" + ALICE_FLOW + b"!" + BOB_FLOW)
        assert self.refused(both[:18] + b"!" + BOB_FLOW + b"!" + ALICE_FLOW)

    def test_users_that_look_like_one(self) -> None:
        """A user whose name begins with rr is no dialog."""
        for user in (b"", b"rr", b"rrose", b"rr" + b"0" * 16, b"\xff" * 18):
            assert self.refused(user)
