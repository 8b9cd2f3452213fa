"""What an error tells those who must answer for it."""

from sipproxy.message.errors import ParseError, SIPError
from sipproxy.message.message import Request


class ParseErrorTests:
    """The one exception that reading octets may end in."""

    def test_defaults(self) -> None:
        """Bad octets are a bad request unless something better is known."""
        error = ParseError("the CSeq is malformed")
        assert isinstance(error, SIPError)
        assert str(error) == error.detail == "the CSeq is malformed"
        assert error.status == 400 and error.message is None

    def test_carries_the_message(self) -> None:
        """Whoever catches it can answer the request."""
        request = Request("INVITE", b"sip:bruno@example.com", [], [])
        error = ParseError("the version is not 2.0", 505, request)
        assert error.status == 505 and error.message is request
