"""The torture messages of RFC 4475 and RFC 5118: which are taken, which refused, how they print.

Whether those that are taken are also understood is asked in test_torture_meaning.py.

What a proxy or a registrar then does with those that parse is tested where those live, with the
same files.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from sipproxy.message.builder import make_response
from sipproxy.message.errors import ParseError
from sipproxy.message.message import Message, Request, Response
from sipproxy.message.parser import check, parse
from sipproxy.message.stream import StreamFramer
from sipproxy.testing.vectors import TortureCase, load_torture

FOLDER: Final = Path(__file__).parent.parent / "vectors" / "torture"
CASES: Final = {case.name: case for case in load_torture(FOLDER)}

#: Chapter 3 of RFC 4475 as the number of messages in each of its sections.
RFC_4475: Final = {"3.1.1": 13, "3.1.2": 19, "3.2": 1, "3.3": 15, "3.4": 1}

#: Chapter 4 of RFC 5118: two of its ten sections show a message in two forms.
RFC_5118: Final = {f"4.{number}": 1 for number in range(1, 11)} | {"4.5": 2, "4.10": 2}


def cases(chosen: Callable[[TortureCase], object]) -> pytest.MarkDecorator:
    """Run a test on each of the cases chosen."""
    found = [case for case in CASES.values() if chosen(case)]
    return pytest.mark.parametrize("case", found, ids=[case.name for case in found])


every_case = cases(lambda case: True)
good_cases = cases(lambda case: case.parses)
refused_requests = cases(lambda case: case.status)


class CoverageTests:
    """No section of the two RFCs may be without its message."""

    def test_every_message_of_rfc_4475(self) -> None:
        """All 49, one each."""
        wanted = [
            f"{section}.{number}"
            for section, count in RFC_4475.items()
            for number in range(1, count + 1)
        ]
        assert len(wanted) == 49
        found = [case.section for case in CASES.values() if case.rfc == "4475"]
        assert sorted(found) == sorted(wanted)

    def test_every_message_of_rfc_5118(self) -> None:
        """All 12, with both forms where the RFC shows two."""
        found = [case.section for case in CASES.values() if case.rfc == "5118"]
        assert len(found) == 12
        assert {section: found.count(section) for section in found} == RFC_5118

    @every_case
    def test_treatments_agree_with_the_verdict(self, case: TortureCase) -> None:
        """What only parses cannot be refused for its syntax, and what is refused has a status."""
        is_request = not case.data.startswith(b"SIP/2.0 ")
        if case.parses:
            assert case.status == ()
        else:
            assert is_request == bool(case.status)
            assert set(case.status) <= set(case.proxy) or case.proxy == ("drop",)
        assert bool(case.registrar) <= case.data.startswith(b"REGISTER ")


class VerdictTests:
    """Each message is taken or refused as the RFC asks."""

    @every_case
    def test_parse_and_check(self, case: TortureCase) -> None:
        """Good ones pass both steps; bad ones fail in one of them with the right status."""
        if case.parses:
            check(parse(case.data))
            return
        with pytest.raises(ParseError) as caught:
            check(parse(case.data))
        if case.status:
            assert caught.value.status in case.status

    @good_cases
    def test_fields_of_routing_are_readable(self, case: TortureCase) -> None:
        """What check() has let through never fails in a field that matching or routing needs."""
        message = parse(case.data)
        check(message)
        assert message.top_via is not None
        assert message.call_id
        assert message.cseq.number >= 0
        assert message.from_.to_bytes() and message.to.to_bytes()
        assert all(route.uri.scheme for route in message.routes)
        if isinstance(message, Request):
            assert message.cseq.method == message.method
            assert message.uri.scheme

    @good_cases
    def test_printed_unchanged(self, case: TortureCase) -> None:
        """A proxy must not repair, reorder or refold what it only passes on."""
        message = parse(case.data)
        check(message)
        assert message.to_bytes() == case.message
        assert message.clone().to_bytes() == case.message

    @refused_requests
    def test_refusal_can_be_answered(self, case: TortureCase) -> None:
        """The sender is told: the error carries enough of the request to build the answer from."""
        message: Message | None
        try:
            message = parse(case.data)
            with pytest.raises(ParseError) as caught:
                check(message)
        except ParseError as error:
            message = error.message
        else:
            assert caught.value.message in (message, None)
        assert isinstance(message, Request)
        answer = make_response(message, case.status[0], to_tag=b"refused")
        again = parse(answer.to_bytes())
        assert isinstance(again, Response)
        assert again.status == case.status[0]
        assert again.count(b"via") == message.count(b"via") >= 1


class StreamTests:
    """The same octets over TCP."""

    @every_case
    def test_octet_by_octet(self, case: TortureCase) -> None:
        """However slowly a message arrives, it is framed by its Content-Length and nothing else."""
        self.expect(case, [case.data[at : at + 1] for at in range(len(case.data))])

    @every_case
    def test_at_once(self, case: TortureCase) -> None:
        """A message and what follows it in one segment."""
        self.expect(case, [case.data])

    @good_cases
    def test_after_another(self, case: TortureCase) -> None:
        """A hostile message that is well framed does not spoil its neighbours."""
        if case.stream is None:
            pytest.skip("has no Content-Length, so nothing can follow it")
        neighbour = CASES["ipv6-reference"].data
        frames = StreamFramer().feed(neighbour + case.message + neighbour)
        assert frames == [neighbour, case.message, neighbour]

    @staticmethod
    def expect(case: TortureCase, pieces: list[bytes]) -> None:
        """Feed the pieces and compare with what the case says of streams."""
        framer = StreamFramer()
        frames: list[bytes] = []
        try:
            for piece in pieces:
                frames += framer.feed(piece)
        except ParseError as error:
            assert case.stream is None, error.detail
            assert error.message is not None
        else:
            assert len(frames) == case.stream
            if frames:
                assert b"".join(frames) == case.data
                assert frames[0] == case.message
