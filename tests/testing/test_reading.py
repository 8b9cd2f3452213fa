"""The reader of everything: it must notice what it is there to notice."""

from random import Random

import pytest

from sipproxy.message.errors import ParseError
from sipproxy.message.parser import parse
from sipproxy.testing.reading import allowed, attempt, fixed_point, properties, read_everything

GOOD = (
    b"OPTIONS sip:example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n"
    b"Max-Forwards: 70\r\n"
    b"From: <sip:alice@example.com>;tag=1\r\n"
    b"To: <sip:bob@example.com>\r\n"
    b"Call-ID: 1@192.0.2.1\r\n"
    b"CSeq: 1 OPTIONS\r\n"
    b"Content-Length: 0\r\n\r\n"
)


class AttemptTests:
    """One step at a time."""

    def test_passes_a_result(self) -> None:
        """What the step gives is given back."""
        assert attempt(len, b"abc") == 3

    def test_takes_a_refusal(self) -> None:
        """A usable refusal is nothing."""
        assert attempt(parse, b"nonsense\r\n\r\n") is None

    def test_lets_all_else_out(self) -> None:
        """Any other exception is a finding."""
        with pytest.raises(ZeroDivisionError):
            attempt(lambda: 1 / 0)

    def test_refusal_must_be_usable(self) -> None:
        """A refusal without an error status, or without words, is a finding too."""
        for error in (ParseError("odd", 200), ParseError("", 400)):
            with pytest.raises(AssertionError):
                allowed(error)


class ReadTests:
    """The whole."""

    def test_good_message(self) -> None:
        """A proper message is read without a finding."""
        read_everything(GOOD, Random(1))

    def test_any_octets(self) -> None:
        """So is rubbish: it is refused."""
        read_everything(bytes(range(256)), Random(1))

    def test_finds_a_message_that_changes_in_print(self) -> None:
        """What is printed must read as the same message."""
        message = parse(GOOD)
        fixed_point(message)
        message.lines[0] += b"\r\nSubject: smuggled"
        with pytest.raises(AssertionError):
            fixed_point(message)

    def test_knows_every_property(self) -> None:
        """Lazy fields are found by looking, so that a new one is read as well."""
        assert {"top_via", "cseq", "from_tag"} <= set(properties(type(parse(GOOD))))
