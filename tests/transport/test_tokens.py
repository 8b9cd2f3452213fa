"""Flow tokens: round trips, characters, and everything that is not one."""

import re

import pytest

from sipproxy.transport.tokens import FlowName, pack, unpack

NAMES = [
    FlowName(1, "192.0.2.1", 5060),
    FlowName(0xFFFFFFFF, "2001:db8::1", 65535),
    FlowName(7, "fe80::1", 5060, scope=3),
    FlowName(7, "192.0.2.1", 40000, is_stream=True, process=9, connection=2**40),
    FlowName(7, "fe80::1", 40000, scope=3, is_stream=True, process=0xFFFFFFFF, connection=1),
]


def parts(name: FlowName) -> list[object]:
    """Give all that a name says."""
    return [getattr(name, slot) for slot in FlowName.__slots__]


class TokenTests:
    """Writing and reading."""

    @pytest.mark.parametrize("name", NAMES, ids=lambda it: f"{it.host}:{it.port}")
    def test_round_trip(self, name: FlowName) -> None:
        """What was written is read."""
        again = unpack(pack(name))
        assert again is not None
        assert parts(again) == parts(name)

    @pytest.mark.parametrize("name", NAMES, ids=lambda it: f"{it.host}:{it.port}")
    def test_fits_a_uri(self, name: FlowName) -> None:
        """It stands in a URI's user part without an escape, and is short."""
        assert re.fullmatch(rb"[A-Za-z0-9_-]{15,54}", pack(name))

    def test_no_name(self) -> None:
        """Only addresses can be written."""
        with pytest.raises(OSError):
            pack(FlowName(1, "example.com", 5060))

    @pytest.mark.parametrize(
        "token",
        [b"", b"A", b"AAAA", b"!!!!", b"\xff\xfe", b"a" * 500, pack(NAMES[0])[:-2]],
        ids=["empty", "one", "short", "marks", "binary", "long", "cut"],
    )
    def test_nonsense(self, token: bytes) -> None:
        """What strangers write is no flow, and no exception."""
        assert unpack(token) is None

    def test_every_cut_and_extension(self) -> None:
        """A damaged token of any length is refused, or at least is no other kind of thing."""
        for name in NAMES:
            token = pack(name)
            for end in range(len(token)):
                found = unpack(token[:end])
                assert found is None or found.host
            assert unpack(token + b"AAAA") is None
