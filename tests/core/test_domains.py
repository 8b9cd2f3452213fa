"""Which hosts are ours, and who is who there."""

import pytest

from sipproxy.core.domains import Domains
from sipproxy.message.uri import parse_uri
from sipproxy.testing.core import RecordingFlows

FLOWS = RecordingFlows([("192.0.2.1", 5070), ("2001:db8::1", 5060)])
DOMAINS = Domains(["Example.COM", "example.net", "example.com"], [5070], FLOWS)


class OwnTests:
    """Hosts."""

    @pytest.mark.parametrize(
        ("host", "port", "own"),
        [
            ("example.com", None, True),
            ("example.net", 5060, True),
            ("example.com", 5061, True),
            ("example.com", 5070, True),
            ("example.com", 5080, False),
            ("sub.example.com", None, False),
            ("192.0.2.1", 5070, True),
            ("192.0.2.1", None, True),
            ("192.0.2.1", 5060, False),
            ("2001:db8::1", 5060, True),
            ("192.0.2.9", None, False),
        ],
    )
    def test_is_own(self, host: str, port: int | None, own: bool) -> None:
        """Domains at the usual ports and ours; addresses where something listens."""
        assert DOMAINS.is_own(host, port) is own

    @pytest.mark.parametrize(
        ("uri", "own"),
        [
            (b"sip:bob@EXAMPLE.com", True),
            (b"sip:example.com", True),
            (b"sip:bob@[2001:db8::1]", True),
            (b"tel:+1201", True),
            (b"sip:bob@example.org", False),
            (b"mailto:bob@example.com", False),
        ],
    )
    def test_owns(self, uri: bytes, own: bool) -> None:
        """URIs at our hosts and telephone numbers are ours to translate."""
        assert DOMAINS.owns(parse_uri(uri)) is own

    def test_names(self) -> None:
        """Names are lower case, each once, and the first is the primary one."""
        assert DOMAINS.names == ("example.com", "example.net")
        assert DOMAINS.primary == "example.com"


class AorTests:
    """Addresses of record."""

    @pytest.mark.parametrize(
        ("uri", "aor"),
        [
            (b"sip:bob@example.com", "bob@example.com"),
            (b"sip:bob@Example.NET;user=phone", "bob@example.net"),
            (b"sip:%62ob@example.com", "bob@example.com"),
            (b"sip:bob:secret@example.com", "bob@example.com"),
            (b"sip:bob@192.0.2.1:5070", "bob@example.com"),
            (b"sip:+1-201@example.com", "+1-201@example.com"),
            (b"tel:+1-201-555", "+1201555@example.com"),
            (b"sip:example.com", None),
            (b"sip:bob@example.org", None),
            (b"mailto:bob@example.com", None),
        ],
    )
    def test_aor(self, uri: bytes, aor: str | None) -> None:
        """User and domain in canonical form; our address means the first domain."""
        assert DOMAINS.aor(parse_uri(uri)) == aor

    def test_without_domains(self) -> None:
        """A server that has only addresses names its users by them."""
        domains = Domains([], [], FLOWS)
        assert domains.primary == ""
        assert domains.aor(parse_uri(b"sip:bob@192.0.2.1:5070")) == "bob@192.0.2.1"
