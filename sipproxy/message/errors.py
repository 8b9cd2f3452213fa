"""What is wrong with a message, and the status to answer it with."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sipproxy.message.message import Request, Response


class SIPError(Exception):
    """The root of this package's exceptions."""


class ParseError(SIPError):
    """Bytes that are no proper SIP.

    ``status`` is what a request deserves as an answer; ``message`` is as much of the message as
    could be read, enough to build that answer from, or None. Parsing and checking set it; a field
    that is parsed when somebody asks for it does not, since who asks has the message.
    """

    def __init__(
        self, detail: str, status: int = 400, message: "Request | Response | None" = None
    ) -> None:
        super().__init__(detail)
        self.detail: str = detail
        self.status: int = status
        self.message: Request | Response | None = message
