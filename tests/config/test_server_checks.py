"""Checks across directives."""

import pytest

from sipproxy.testing.config import load_text


class FormatTests:
    """CustomLog and LogFormat."""

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "CustomLog logs/a common",
            "CustomLog logs/a mine\nLogFormat %h mine",
            'CustomLog logs/a "%h %m"',
            "CustomLog Off",
        ],
    )
    def test_known(self, text: str) -> None:
        """A nickname may be defined before or after its use, or be one of the two built in."""
        assert load_text(text).faults == []

    def test_unknown(self) -> None:
        """The fault is at the CustomLog line, not at the format's."""
        (fault,) = load_text("LogFormat %h mine\nCustomLog logs/a\nCustomLog logs/b mime").faults
        assert str(fault).endswith(
            ':3: CustomLog: no LogFormat has the nickname "mime"; did you mean mine?'
        )


class TimerTests:
    """T1 and T2."""

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("SIP_T1_in_ms 4001", 1),
            ("SIP_T2_in_ms 499", 1),
            ("SIP_T1_in_ms 600\nSIP_T2_in_ms 599", 2),
        ],
    )
    def test_wrong_order(self, text: str, line: int) -> None:
        """T2 below T1 makes no sense; the fault is at T2 when that was given."""
        assert [fault.line for fault in load_text(text).errors] == [line]

    def test_equal(self) -> None:
        """Equal is a constant interval."""
        assert load_text("SIP_T1_in_ms 4000").faults == []


class LevelTests:
    """LogLevel for modules."""

    def test_module_that_is_not_loaded(self) -> None:
        """It is worth a note: the module may be left out on this machine on purpose."""
        (fault,) = load_text("LogLevel mod_tset debug").faults
        assert fault.severity == "note"
        assert "did you mean mod_test?" in fault.text

    @pytest.mark.parametrize("name", ["mod_test", "transport"])
    def test_no_note(self, name: str) -> None:
        """A loaded module, or a part of the server that is no module, is fine."""
        assert load_text(f"LogLevel {name} debug").faults == []
