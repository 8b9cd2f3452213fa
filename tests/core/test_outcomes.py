"""What a hook may answer with."""

from sipproxy.core.outcomes import Identity, Refusal


class OutcomeTests:
    """Refusals and identities say what they are."""

    def test_refusal(self) -> None:
        """A refusal needs a status and a reason for the trail, the rest is optional."""
        refusal = Refusal(403, "not here")
        assert (refusal.status, refusal.why) == (403, "not here")
        assert tuple(refusal.headers) == () and refusal.reason is None
        assert repr(refusal) == "Refusal(403, 'not here')"

    def test_identity(self) -> None:
        """An identity is user, realm, and how it was found out."""
        identity = Identity("alice", "example.com", "digest")
        assert (identity.user, identity.realm, identity.method) == (
            "alice",
            "example.com",
            "digest",
        )
        assert repr(identity) == "Identity('alice', 'example.com', 'digest')"
