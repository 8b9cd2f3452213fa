"""What is wrong with a message, and the status to answer it with."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sipproxy.message.message import Message


class SIPError(Exception):
    """The root of this package's exceptions."""


class ParseError(SIPError):
    """Bytes that are no proper SIP.

    ``status`` is what a request deserves as an answer; ``message`` is as much of it as could be read,
    enough to build that answer from, or None.
    """

    def __init__(self, detail: str, status: int = 400, message: "Message | None" = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.message = message
