"""Extensions that a request insists on, schemes, and other reasons to refuse it at once."""

import pytest

from sipproxy.testing.scene import Scene


class RequireTests:
    """Proxy-Require is for us, Require is not (RFC 3261 section 16.3 step 5)."""

    def test_unsupported(self, scene: Scene) -> None:
        """An extension that proxies must know and we do not is refused, by name."""
        alice, bob = scene.registered("alice", "bob")
        call = alice.call("bob", headers=[("Proxy-Require", "teleport, time-travel")])
        scene.run(1)
        assert call.status == 420 and call.response is not None
        assert call.response.value(b"unsupported") == b"teleport, time-travel"
        assert bob.requests == []

    def test_several_lines(self, scene: Scene) -> None:
        """All Proxy-Require lines count."""
        alice, bob = scene.registered("alice", "bob")
        headers = [("Proxy-Require", "one"), ("Proxy-Require", "two")]
        sent = alice.send("MESSAGE", bob.aor, headers=headers)
        scene.run(1)
        assert (sent.status, sent.header("Unsupported")) == (420, "one, two")

    def test_require_is_for_the_callee(self, scene: Scene) -> None:
        """Require is the callee's affair: it passes."""
        alice, bob = scene.registered("alice", "bob")
        sent = alice.send("MESSAGE", bob.aor, headers=[("Require", "teleport")])
        scene.run(1)
        assert sent.status == 200 and bob.requests[0].value(b"require") == b"teleport"

    def test_cancel_and_ack_are_spared(self, scene: Scene) -> None:
        """CANCEL and ACK are not refused for it (section 8.2.2.3)."""
        mallory = scene.bare()
        insisting = [("Proxy-Require", "x")]
        mallory.send(mallory.text("CANCEL", headers=insisting))
        mallory.send(mallory.text("ACK", headers=insisting))
        scene.run(1)
        assert mallory.statuses() == [481]


class SchemeTests:
    """Request-URIs of other kinds."""

    @pytest.mark.parametrize("uri", ["http://example.com", "urn:service:sos", "foo:bar", "im:a@b"])
    def test_unknown(self, scene: Scene, uri: str) -> None:
        """A scheme that is not served is refused: 416 (step 2)."""
        mallory = scene.bare()
        mallory.send(mallory.text("OPTIONS", uri))
        scene.run(1)
        assert mallory.statuses() == [416]

    def test_tel(self, scene: Scene) -> None:
        """A telephone number is a user of ours."""
        alice, bob = scene.registered("alice", "bob")
        bob.register(to="sip:+15551234@example.com")
        scene.run(1)
        call = alice.call("tel:+1-555-1234")
        scene.run(2)
        assert call.state == "up"
        call.hang_up()

    def test_sips_without_tls(self, scene: Scene) -> None:
        """A sips URI is never carried in the clear."""
        alice, bob = scene.registered("alice", "bob")
        sent = alice.send("MESSAGE", "sips:elsewhere@10.0.1.2")
        scene.run(1)
        assert sent.status >= 400 and bob.requests == []


class VersionTests:
    """What is no SIP/2.0."""

    def test_other_version(self, scene: Scene) -> None:
        """SIP of another version is refused: 505."""
        mallory = scene.bare()
        mallory.send(mallory.text("OPTIONS").replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia", 1))
        scene.run(1)
        assert mallory.statuses() == [505]

    @pytest.mark.parametrize("name", ["Call-ID", "CSeq", "From", "To"])
    def test_missing(self, scene: Scene, name: str) -> None:
        """A request without one of the headers that all have is refused: 400."""
        (bob,) = scene.registered("bob")
        mallory = scene.bare()
        mallory.send(mallory.text("MESSAGE").replace(f"{name}: ", "X-Gone: "))
        scene.run(1)
        assert mallory.statuses() == [400] and bob.requests == []

    def test_no_via(self, scene: Scene) -> None:
        """A request without a Via cannot be answered, and is dropped."""
        mallory = scene.bare()
        mallory.send(mallory.text("OPTIONS").replace("Via: ", "X-Gone: "))
        scene.run(1)
        assert mallory.received == []

    def test_short_body(self, scene: Scene) -> None:
        """A body shorter than its Content-Length is refused, one that is longer is cut."""
        (bob,) = scene.registered("bob")
        mallory = scene.bare()
        mallory.send(mallory.text("MESSAGE", body="hello").replace("Length: 5", "Length: 9"))
        mallory.send(mallory.text("MESSAGE", body="hello").replace("Length: 5", "Length: 2"))
        scene.run(1)
        assert mallory.statuses() == [400, 200]
        assert [request.body for request in bob.requests] == [b"he"]

    def test_compact_names(self, scene: Scene) -> None:
        """Compact header names are understood, and passed on as they are."""
        (bob,) = scene.registered("bob")
        mallory = scene.bare()
        text = mallory.text("MESSAGE", headers=[("k", "x")])
        for name, short in (("Via", "v"), ("From", "f"), ("To", "t"), ("Call-ID", "i")):
            text = text.replace(f"\r\n{name}: ", f"\r\n{short}: ")
        mallory.send(text)
        scene.run(1)
        assert mallory.statuses() == [200]
        assert b"k: x" in bob.requests[0].lines

    def test_large(self, scene: Scene) -> None:
        """A large message goes by TCP where the phone takes it, and by UDP where not."""
        alice, bob = scene.registered("alice", "bob")
        sent = alice.send("MESSAGE", bob.aor, body="x" * 5000)
        scene.run(1)
        assert sent.status == 200 and len(bob.requests[0].body) == 5000
