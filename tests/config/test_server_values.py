"""Values of the server's own directives; most of it is in the golden files."""

import pytest

from sipproxy.config.server_values import (
    LOG_LEVELS,
    AccessLog,
    LevelRule,
    ListenSpec,
    custom_log_of,
    level_rule_of,
    listen_of,
    signature_of,
)
from sipproxy.log import LEVELS


class ListenTests:
    """Addresses to listen on."""

    def test_both_protocols_unless_one_is_named(self) -> None:
        """A call may come by either, so that both are the safe default."""
        assert [spec.transport for spec in listen_of(["5060"])] == ["udp", "tcp"]
        assert [spec.transport for spec in listen_of(["5060", "tcp"])] == ["tcp"]

    def test_a_protocol_named_twice_is_one(self) -> None:
        """Saying it again does no harm."""
        assert len(listen_of(["5060", "udp", "UDP"])) == 1

    def test_advertised_port_follows_the_real_one(self) -> None:
        """Whoever advertises a name alone means the same port."""
        (spec,) = listen_of(["10.0.0.5:5080", "udp", "advertise", "sip.example.com"])
        assert spec == ListenSpec("udp", "10.0.0.5", 5080, ("sip.example.com", 5080))


class LogTests:
    """Levels, formats and files."""

    def test_levels_are_those_of_the_log(self) -> None:
        """What the file may say is what the log knows."""
        assert LOG_LEVELS == LEVELS

    def test_level_rule(self) -> None:
        """One word is for all, two are for one module, under any spelling."""
        assert level_rule_of(["WARN"]) == LevelRule(None, "warn")
        assert level_rule_of(["mod_sip_enum.c", "debug"]) == LevelRule("mod_sip_enum", "debug")

    def test_custom_log(self) -> None:
        """Off is no file; a file alone has the default format."""
        assert custom_log_of(["off"]) == []
        assert custom_log_of(["logs/x"]) == [AccessLog("logs/x", "sip")]


class SignatureTests:
    """The Server header."""

    def test_off(self) -> None:
        """Off means no header."""
        assert signature_of("off") is None

    @pytest.mark.parametrize("written", ["", "  ", "a\r\nVia: b", "café"])
    def test_what_would_spoil_a_header(self, written: str) -> None:
        """Nothing goes into a header that could end its line or is no ASCII."""
        with pytest.raises(ValueError, match="printable ASCII"):
            signature_of(written)
