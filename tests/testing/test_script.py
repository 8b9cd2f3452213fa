"""The interpreter of transaction scripts: a wrong layer or a wrong script is found and named."""

from pathlib import Path

import pytest

from sipproxy.message.message import Request
from sipproxy.message.parser import parse
from sipproxy.testing.script import Script, ScriptFault, read_script, request_bytes, run_script
from sipproxy.transaction.peer import Peer
from sipproxy.transaction.timers import Timers


def fault_of(text: str) -> str:
    """What is said about a faulty script."""
    with pytest.raises(ScriptFault) as caught:
        run_script(Script("case.txt", text))
    return str(caught.value)


class ReadTests:
    """From text to steps."""

    def test_comments_and_empty_lines_are_skipped(self) -> None:
        """Line numbers stay those of the file."""
        script = Script("x", "# first\n\nadvance 1   # later\n")
        assert [(step.line, str(step)) for step in script.steps] == [(3, "advance 1")]

    def test_options_are_apart_from_words(self) -> None:
        """In whatever order they stand."""
        step = Script("x", "inject_wire branch=none INVITE rport=yes").steps[0]
        assert step.words == ["INVITE"]
        assert step.options == {"branch": "none", "rport": "yes"}

    def test_file_gives_the_name(self, tmp_path: Path) -> None:
        """So that a fault can say where it is."""
        path = tmp_path / "story.txt"
        path.write_text("advance 1\n", encoding="utf-8")
        assert read_script(path).name == "story.txt"


class RunTests:
    """What a script that fits its layer leaves."""

    def test_layer_is_given_back(self) -> None:
        """For questions that the words cannot ask."""
        layer = run_script(Script("x", "inject_wire OPTIONS\nexpect_tu request OPTIONS"))
        assert layer.counters.requests == 1

    def test_timers_can_be_others(self) -> None:
        """A T1 of one second repeats after one second."""
        text = "inject_tu send OPTIONS\nexpect_wire OPTIONS\nadvance 1\nexpect_wire OPTIONS"
        run_script(Script("x", text), Timers(t1=1.0))


class FaultTests:
    """Each fault says file, line, step and what happened instead."""

    def test_wrong_message(self) -> None:
        """Another one was sent."""
        text = "inject_tu send OPTIONS\nexpect_wire INVITE"
        assert fault_of(text) == "case.txt:2: expect_wire INVITE: OPTIONS was sent"

    def test_nothing_sent(self) -> None:
        """None was."""
        assert "nothing was sent" in fault_of("expect_wire INVITE")

    def test_wrong_option(self) -> None:
        """The right one with the wrong branch."""
        text = "inject_tu send OPTIONS branch=z9hG4bK-a\nexpect_wire OPTIONS branch=z9hG4bK-b"
        assert "it was sent with branch=z9hG4bK-a" in fault_of(text)

    def test_wrong_news(self) -> None:
        """The user heard something else, or nothing, or of something else."""
        begin = "inject_wire OPTIONS\n"
        assert "told request OPTIONS" in fault_of(begin + "expect_tu request INVITE")
        assert "told nothing" in fault_of("expect_tu terminated")
        assert "another transaction" in fault_of(begin + "expect_tu request OPTIONS in=INVITE")

    @pytest.mark.parametrize("later", ["", "advance 1", "inject_wire OPTIONS"])
    def test_unexpected_output(self, later: str) -> None:
        """What no line expects is found when something else happens, and at the end."""
        text = f"inject_tu send OPTIONS\n{later}"
        assert "not expected at 0 s: OPTIONS" in fault_of(text)

    def test_wrong_number_alive(self) -> None:
        """Tables can be counted."""
        assert "there are 0" in fault_of("expect_live 1")

    def test_wrong_script(self) -> None:
        """A verb that is none, a transaction that is not there, an impossible wish."""
        assert "no such verb" in fault_of("inject_air INVITE")
        assert "there is no transaction yet" in fault_of("inject_wire error")
        text = "inject_tu send OPTIONS\nexpect_wire OPTIONS\ninject_tu 200"
        assert "cannot do that" in fault_of(text)


class RequestBytesTests:
    """Requests for tests of other rooms."""

    def test_options(self) -> None:
        """Each option is where it belongs."""
        peer = Peer("tcp", "192.0.2.1", 5060, connection=1)
        options = {"branch": "z9hG4bK-a", "tag": "t", "call": "c", "via": "a.example.com"}
        message = parse(request_bytes("BYE", peer, options))
        assert isinstance(message, Request)
        assert message.method == "BYE" and message.cseq.method == "BYE"
        via = message.top_via
        assert (via.transport, via.host, via.branch) == ("TCP", "a.example.com", b"z9hG4bK-a")
        assert (message.to_tag, message.call_id) == (b"t", b"c")
