"""Packed bindings: faithful, ordered, checkable, and invisible to the garbage collector."""

import gc
import random

import pytest

from sipproxy.stores.records import (
    MAX_BINDINGS,
    NOTHING,
    Binding,
    count,
    expiry_mark,
    is_sound,
    last_expiry,
    pack,
    pack_change,
    unpack,
    unpack_change,
    without_expired,
)
from sipproxy.testing.stores import make_binding


def random_binding(chance: random.Random) -> Binding:
    """Give a binding with any content the form can hold."""
    return Binding(
        contact=chance.randbytes(chance.randrange(80)),
        call_id=chance.randbytes(chance.randrange(80)),
        cseq=chance.randrange(1 << 31),
        expires=chance.uniform(0, 4e9),
        q=chance.randrange(1001),
        path=tuple(chance.randbytes(chance.randrange(50)) for _ in range(chance.randrange(4))),
        instance=chance.randbytes(chance.randrange(50)),
        reg_id=chance.randrange(1 << 31),
        params=chance.randbytes(chance.randrange(50)),
        received=chance.randbytes(chance.randrange(50)),
        user_agent=chance.randbytes(chance.randrange(50)),
        updated=chance.uniform(0, 4e9),
    )


class PackTests:
    def test_what_is_packed_comes_back(self) -> None:
        """Every field survives, whatever bytes are in it; an empty Path value too."""
        chance = random.Random(1)
        for _ in range(300):
            binding = random_binding(chance)
            assert unpack(pack([binding])) == [binding]

    def test_preferred_bindings_come_first(self) -> None:
        """Higher q first, then the newest, so that a look-up need not sort."""
        old, new, low = (
            make_binding(1, q=1000, updated=10.0),
            make_binding(2, q=1000, updated=20.0),
            make_binding(3, q=500, updated=30.0),
        )
        assert unpack(pack([low, old, new])) == [new, old, low]

    def test_no_bindings_are_nothing(self) -> None:
        """An AoR without bindings is the empty value."""
        assert pack([]) == NOTHING
        assert unpack(NOTHING) == []
        assert (count(NOTHING), last_expiry(NOTHING), is_sound(NOTHING)) == (0, 0.0, True)

    def test_count_and_expiries_are_read_from_the_packed_form(self) -> None:
        """The number of bindings and the last expiry are known without the caller unpacking."""
        packed = pack([make_binding(n, expires=100.0 * n) for n in (2, 1, 3)])
        assert (count(packed), last_expiry(packed)) == (3, 300.0)
        assert last_expiry(pack([make_binding(expires=70.5)])) == 70.5

    @pytest.mark.parametrize(
        "fields",
        [
            {"cseq": 1 << 32},
            {"cseq": -1},
            {"contact": b"x" * 65536},
            {"path": (b"x" * 65536,)},
            {"path": (b"x" * 40000, b"x" * 40000)},
            {"expires": -1.0},
            {"expires": float("nan")},
            {"q": -1},
        ],
    )
    def test_what_the_form_cannot_hold_is_refused(self, fields: dict[str, object]) -> None:
        """A ValueError, not a cut value and not an error of struct."""
        with pytest.raises(ValueError):
            pack([make_binding(**fields)])  # type: ignore[arg-type]

    def test_too_many_bindings_are_refused(self) -> None:
        """The count is one byte."""
        assert count(pack([make_binding(n) for n in range(MAX_BINDINGS)])) == MAX_BINDINGS
        with pytest.raises(ValueError, match="256 bindings"):
            pack([make_binding(n) for n in range(MAX_BINDINGS + 1)])

    def test_minus_zero_expires(self) -> None:
        """The one float whose bytes sort against its value does not become immortal."""
        assert pack([make_binding(expires=-0.0)]) < expiry_mark(1.0)

    def test_the_collector_does_not_see_a_shard(self) -> None:
        """A dictionary of packed values stays untracked, however large: the design rests on it."""
        shard = {str(number): pack([make_binding(number)]) for number in range(100)}
        assert not gc.is_tracked(shard)


class SoundnessTests:
    def test_no_truncated_value_is_sound(self) -> None:
        """What a disk gives back short is recognised."""
        packed = pack([make_binding(1, path=(b"<sip:a>", b"<sip:b>")), make_binding(2)])
        assert is_sound(packed)
        assert [end for end in range(1, len(packed)) if is_sound(packed[:end])] == []
        assert not is_sound(packed + b"x")

    def test_a_sound_value_can_be_unpacked(self) -> None:
        """Whatever bytes are changed: what passes for sound unpacks without an error."""
        chance = random.Random(2)
        sound = 0
        for _ in range(5000):
            packed = bytearray(pack([random_binding(chance) for _ in range(2)]))
            packed[chance.randrange(len(packed))] = chance.randrange(256)
            if is_sound(bytes(packed)):
                sound += 1
                assert len(unpack(bytes(packed))) == 2
        assert sound > 100

    def test_another_version_is_not_sound(self) -> None:
        """A value of a later release is left out rather than misread."""
        packed = bytearray(pack([make_binding()]))
        packed[8] = 2
        assert not is_sound(bytes(packed))


class ExpiryTests:
    def test_a_value_sorts_below_the_mark_when_something_expired(self) -> None:
        """One comparison of bytes answers the question, for times of any size."""
        chance = random.Random(3)
        for _ in range(500):
            now = chance.choice((1.0, 1e3, 1.7e9)) * chance.random()
            times = [now + chance.choice((-1e-3, 0.0, 1e-3, 50.0, -0.5)) for _ in range(3)]
            times = [max(time, 0.0) for time in times]
            packed = pack([make_binding(expires=time) for time in times])
            assert (packed < expiry_mark(now)) == any(time <= now for time in times)

    def test_expired_bindings_are_left_out(self) -> None:
        """The rest stays; a value that is wholly live is not packed again."""
        packed = pack([make_binding(1, expires=10.0), make_binding(2, expires=20.0)])
        assert without_expired(packed, 9.0) is packed
        assert unpack(without_expired(packed, 10.0)) == [make_binding(2, expires=20.0)]
        assert without_expired(packed, 20.0) == NOTHING
        assert without_expired(NOTHING, 20.0) == NOTHING


class ChangeTests:
    @pytest.mark.parametrize("aor", ["alice@example.com", "zoë@example.com", "\udcff@x", ""])
    def test_a_change_comes_back(self, aor: str) -> None:
        """Also for an AoR that was no UTF-8 on the wire."""
        packed = pack([make_binding()])
        assert unpack_change(pack_change(aor, packed)) == (aor, packed)
        assert unpack_change(pack_change(aor, NOTHING)) == (aor, NOTHING)

    def test_an_aor_that_cannot_be_kept_is_refused(self) -> None:
        """Before anything was changed."""
        with pytest.raises(ValueError):
            pack_change("x" * 65536, NOTHING)
        with pytest.raises(ValueError):
            pack_change("\ud800", NOTHING)

    @pytest.mark.parametrize("payload", [b"", b"\x01", b"\x02\x00\x00", b"\x01\x00\x05abc"])
    def test_what_is_no_change_is_refused(self, payload: bytes) -> None:
        """Start-up leaves such a record out."""
        with pytest.raises(ValueError):
            unpack_change(payload)
