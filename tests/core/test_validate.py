"""What every request must pass first (RFC 3261 section 16.3)."""

import pytest

from sipproxy.core.validate import validate
from sipproxy.message.errors import ParseError
from sipproxy.testing.core import make_request


class SchemeTests:
    """Step 2: the scheme of the Request-URI."""

    @pytest.mark.parametrize("uri", ["sip:bob@example.com", "SIPS:bob@example.com", "tel:+1201"])
    def test_served(self, uri: str) -> None:
        """sip, sips and tel are served."""
        assert validate(make_request("INVITE", uri)) is None

    @pytest.mark.parametrize("uri", ["http://example.com/", "mailto:bob@example.com", "urn:x:y"])
    def test_others(self, uri: str) -> None:
        """Any other is a 416."""
        refusal = validate(make_request("INVITE", uri))
        assert refusal is not None and refusal.status == 416

    def test_none(self) -> None:
        """A Request-URI that makes no sense is the sender's fault."""
        with pytest.raises(ParseError):
            validate(make_request("INVITE", "bob"))


class MaxForwardsTests:
    """Step 3."""

    @pytest.mark.parametrize(
        ("method", "left", "status"),
        [
            ("INVITE", 0, 483),
            ("REGISTER", 0, 483),
            ("OPTIONS", 0, 0),
            ("INVITE", 1, 0),
            ("INVITE", None, 0),
        ],
    )
    def test_used_up(self, method: str, left: int | None, status: int) -> None:
        """At 0 the request ends here; OPTIONS may still be answered here."""
        refusal = validate(make_request(method, max_forwards=left))
        assert (refusal.status if refusal else 0) == status


class ProxyRequireTests:
    """Step 5."""

    def test_unknown(self) -> None:
        """What is required of proxies and not known is a 420 that names it."""
        request = make_request(
            "INVITE", "sip:bob@example.com", "Proxy-Require: foo, bar", "Proxy-Require: baz"
        )
        refusal = validate(request)
        assert refusal is not None and refusal.status == 420
        assert list(refusal.headers) == [(b"unsupported", b"foo, bar, baz")]

    @pytest.mark.parametrize("method", ["ACK", "CANCEL"])
    def test_not_of_ack_and_cancel(self, method: str) -> None:
        """ACK and CANCEL carry it over from the INVITE and are not refused (8.2.2.3)."""
        request = make_request(method, "sip:bob@example.com", "Proxy-Require: foo")
        assert validate(request) is None

    def test_require(self) -> None:
        """Require is the callee's business."""
        assert validate(make_request("INVITE", "sip:bob@example.com", "Require: 100rel")) is None
