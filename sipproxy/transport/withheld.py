"""The journal rule: no 200 to a REGISTER leaves unless what it promises is on disk.

When something that had to run before the answers of a turn has failed (`Driver.before_sending`: the
journal's flush), the bindings of this turn live in memory only.  Every 2xx to a REGISTER that waits
to be sent is replaced by a 503 made of its own lines, also in the transaction, so that a
retransmitted REGISTER hears the same.  All else leaves as it is: calls do not depend on the disk.
"""

import re
from collections.abc import Sequence
from typing import Final

from sipproxy.message.errors import ParseError
from sipproxy.message.message import Response
from sipproxy.message.parser import parse
from sipproxy.transaction.machine import COMPLETED, ServerTransaction
from sipproxy.transaction.outputs import Send

_SUCCESS: Final = b"SIP/2.0 2"
_REGISTER: Final = re.compile(rb"\r\nCSeq[ \t]*:\s*\d+\s+REGISTER[ \t]*\r\n", re.IGNORECASE)

#: What of the 200 remains in the 503: what leads it back, and nothing that it granted.
_KEPT: Final = frozenset((b"via", b"from", b"to", b"call-id", b"cseq"))

_RETRY_AFTER: Final = b"10"


def without_promises(queue: Sequence[Send]) -> tuple[list[Send], int]:
    """Give the queue with its 2xx to REGISTER turned into 503, and how many those were."""
    result: list[Send] = []
    withheld = 0
    for send in queue:
        if send.data.startswith(_SUCCESS) and _REGISTER.search(send.data):
            withheld += 1
            data = _unavailable(send.data)
            if data is None:
                continue
            transaction = send.transaction
            if isinstance(transaction, ServerTransaction) and transaction.state is COMPLETED:
                transaction.last_response = data
            send = Send(data, send.peer, transaction)
        result.append(send)
    return result, withheld


def _unavailable(data: bytes) -> bytes | None:
    """Make a 503 of a response's bytes; None when they cannot be read, which they always can."""
    try:
        response = parse(data)
    except ParseError:
        return None
    if not isinstance(response, Response):
        return None
    lines = [b"SIP/2.0 503 Service Unavailable"]
    for name, line in zip(response.names, response.lines, strict=True):
        if name in _KEPT:
            lines.append(line)
    lines.append(b"Retry-After: " + _RETRY_AFTER)
    lines.append(b"Content-Length: 0")
    return b"\r\n".join(lines) + b"\r\n\r\n"
