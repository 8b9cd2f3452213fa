"""An address to send to, as a value."""

from sipproxy.resolve.hop import Hop


class HopTests:
    """Hops are compared by where they lead."""

    def test_equal(self) -> None:
        """Transport, host and port count; whether the transport was chosen does not."""
        hop = Hop("udp", "192.0.2.1", 5060)
        assert hop == Hop("udp", "192.0.2.1", 5060, chosen=True)
        assert hash(hop) == hash(Hop("udp", "192.0.2.1", 5060, chosen=True))
        for other in (
            Hop("tcp", "192.0.2.1", 5060),
            Hop("udp", "192.0.2.2", 5060),
            Hop("udp", "192.0.2.1", 5061),
            "192.0.2.1",
        ):
            assert hop != other

    def test_default(self) -> None:
        """A transport is only a default unless it is said otherwise."""
        assert not Hop("udp", "192.0.2.1", 5060).chosen

    def test_repr(self) -> None:
        """It shows where it leads."""
        assert repr(Hop("udp", "192.0.2.1", 5060)) == "Hop(udp 192.0.2.1:5060)"
