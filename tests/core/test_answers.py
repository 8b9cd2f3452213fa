"""Responses of our own: their tag, and our name on them."""

import pytest

from sipproxy.core.answers import Answers
from sipproxy.core.outcomes import Refusal
from sipproxy.testing.core import SECRET, make_request


class TagTests:
    """To tags."""

    def test_never_twice(self) -> None:
        """Every answer has a tag that no other has, nor one of another run of the server."""
        tags = [Answers(SECRET, run).new_tag() for run in (b"a", b"b", b"c")]
        answers = Answers(SECRET, b"d")
        tags += [answers.new_tag() for _ in range(1000)]
        assert len(set(tags)) == 1003 and all(tag.isalnum() for tag in tags)

    def test_not_to_be_guessed(self) -> None:
        """Without the secret nobody knows the next one."""
        assert Answers(SECRET, b"a").new_tag() != Answers(b"x" * 32, b"a").new_tag()

    def test_in_a_dialog(self) -> None:
        """A To that has a tag keeps it."""
        response = Answers(SECRET, b"a").make(make_request(to_tag="b1"), 481, b"")
        assert response.to_tag == b"b1"


class MakeTests:
    """The responses."""

    @pytest.mark.parametrize(("signature", "server"), [(b"the house", b"the house"), (b"", None)])
    def test_signature(self, signature: bytes, server: bytes | None) -> None:
        """Our name stands in Server, or there is none."""
        response = Answers(SECRET, b"a").make(make_request(), 404, signature)
        assert response.status == 404 and response.value(b"server") == server
        assert response.to_tag

    def test_refusal(self) -> None:
        """Status, phrase and headers are the refusal's, which is not changed by it."""
        headers = [(b"retry-after", b"5")]
        refusal = Refusal(503, "stopping", headers, b"Good Night")
        response = Answers(SECRET, b"a").refuse(make_request(), refusal, b"us")
        assert (response.status, response.reason) == (503, b"Good Night")
        assert response.value(b"retry-after") == b"5" and headers == [(b"retry-after", b"5")]
        assert b"stopping" not in response.to_bytes()
