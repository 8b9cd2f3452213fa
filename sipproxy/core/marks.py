"""The signed mark in our Record-Route, by which requests of a dialog are known (RFC 3261 16.6
step 4).

The user part of the Record-Route URI is ``rr`` and a keyed hash over the Call-ID, the caller's tag
and the flows.  A request inside the dialog brings it back in its Route, from either side: the hash
fits with its From tag when the caller sends, with its To tag when the callee does.  So the mark
says three things that nobody else can make up: this dialog was set up through us, which side is
sending, and by which socket or connection the other side is reached, for phones whose Contact is
worth nothing because they stand behind a NAT (the idea of RFC 5626 section 5.2, for both sides at
once).
"""

from hashlib import blake2b
from hmac import compare_digest
from typing import Final

_PREFIX: Final = b"rr"
_MAC_OCTETS: Final = 8
_MAC_END: Final = len(_PREFIX) + 2 * _MAC_OCTETS
#: Separates the flows; may stand in a user part, and in no flow token.
_SEPARATOR: Final = b"!"


class DialogMarks:
    """Makes and reads marks with one secret, which outlives restarts as dialogs do."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(
        self, call_id: bytes, caller_tag: bytes, caller_flow: bytes, callee_flow: bytes
    ) -> bytes:
        """Give the user part for the Record-Route of a request that may set up a dialog.

        The flows are tokens of `IFlows`, empty where the party's Contact is good enough.
        """
        flows = b""
        if caller_flow or callee_flow:
            flows = _SEPARATOR + caller_flow + _SEPARATOR + callee_flow
        return _PREFIX + self._mac(call_id, caller_tag, flows) + flows

    def read(self, user: bytes, call_id: bytes, from_tag: bytes, to_tag: bytes) -> bytes | None:
        """Check a mark that came back in a request; None when it is not ours or not for this
        dialog.

        Otherwise gives the token of the flow towards the other side, empty when it has none.
        """
        if not user.startswith(_PREFIX) or len(user) < _MAC_END:
            return None
        mac = user[len(_PREFIX) : _MAC_END]
        flows = user[_MAC_END:]
        if compare_digest(mac, self._mac(call_id, from_tag, flows)):
            side = 2
        elif compare_digest(mac, self._mac(call_id, to_tag, flows)):
            side = 1
        else:
            return None
        parts = flows.split(_SEPARATOR)
        return parts[side] if len(parts) == 3 else b""

    def _mac(self, call_id: bytes, tag: bytes, flows: bytes) -> bytes:
        text = b"%b\0%b\0%b" % (call_id, tag, flows)
        return blake2b(text, key=self._secret, digest_size=_MAC_OCTETS).hexdigest().encode()
