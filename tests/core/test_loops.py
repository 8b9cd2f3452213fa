"""Loops are told from spirals by the branch (RFC 3261 16.3 step 4, RFC 5393)."""

from collections.abc import Callable

import pytest

from sipproxy.core.loops import Branches
from sipproxy.message.message import Request
from sipproxy.testing.core import make_request

SECRET = b"s" * 32


def forwarded(request: Request, branches: Branches) -> Request:
    """Give a request as it comes back after we sent it, with the hop's own Via on top."""
    back = request.clone()
    branch = branches.make(branches.steering_hash(request))
    back.prepend(b"via", b"SIP/2.0/UDP 192.0.2.1:5060;branch=" + branch)
    back.prepend(b"via", b"SIP/2.0/UDP 192.0.2.99:5060;branch=z9hG4bKother")
    return back


def is_loop(request: Request, branches: Branches) -> bool:
    """Look at a request that came in."""
    return branches.is_loop(request, branches.steering_hash(request))


class LoopTests:
    """What has been here."""

    def test_first_time(self) -> None:
        """A request that never was here is no loop."""
        assert not is_loop(make_request(), Branches(SECRET, b"r"))

    def test_unchanged(self) -> None:
        """One that comes back as it went is a loop, through however many others."""
        branches = Branches(SECRET, b"r")
        back = forwarded(make_request(), branches)
        assert is_loop(back, branches)
        for number in range(20):
            back.prepend(b"via", b"SIP/2.0/UDP 192.0.2.98;branch=z9hG4bKx%d" % number)
        assert is_loop(back, branches)

    def test_directly(self) -> None:
        """Our own Via may stand on top, when we sent it to ourselves."""
        branches = Branches(SECRET, b"r")
        back = forwarded(make_request(), branches)
        back.pop_first(b"via")
        assert is_loop(back, branches)

    def test_vias_on_one_line(self) -> None:
        """Several Via on one line are looked at as well."""
        branches = Branches(SECRET, b"r")
        back = forwarded(make_request(), branches)
        values = back.values(b"via")
        back.set(b"via", b", ".join(values))
        assert back.count(b"via") == 1 and is_loop(back, branches)

    def test_after_a_restart(self) -> None:
        """The server knows its branches after a restart."""
        back = forwarded(make_request(), Branches(SECRET, b"r"))
        assert is_loop(back, Branches(SECRET, b"s"))

    def test_other_server(self) -> None:
        """Another server's branches are none of ours."""
        back = forwarded(make_request(), Branches(b"x" * 32, b"r"))
        assert not is_loop(back, Branches(SECRET, b"r"))

    @pytest.mark.parametrize("change", [bytes.upper, bytes.lower])
    def test_upper_or_lower_case(self, change: Callable[[bytes], bytes]) -> None:
        """A branch is a token, and some peers change its case (7.3.1)."""
        branches = Branches(SECRET, b"r")
        back = forwarded(make_request(), branches)
        values = back.values(b"via")
        head, _, branch = values[1].partition(b"branch=")
        back.remove(b"via")
        for value in (values[0], head + b"branch=" + change(branch), values[2]):
            back.add(b"via", value)
        assert is_loop(back, branches)

    def test_compact_form(self) -> None:
        """A Via in its compact form is a Via."""
        branches = Branches(SECRET, b"r")
        back = forwarded(make_request(), branches)
        back.lines = [b"v" + line[3:] if line.startswith(b"Via:") else line for line in back.lines]
        assert is_loop(back, branches)


class SpiralTests:
    """What was changed on its way is welcome."""

    @pytest.mark.parametrize(
        "change",
        [
            lambda request: request.set_uri(b"sip:carol@example.com"),
            lambda request: request.add(b"route", b"<sip:p9;lr>"),
            lambda request: request.set(b"cseq", b"2 INVITE"),
            lambda request: request.set(b"call-id", b"c2@192.0.2.10"),
            lambda request: request.set(b"from", b"<sip:alice@example.com>;tag=a2"),
            lambda request: request.set(b"to", b"<sip:bob@example.com>;tag=b2"),
            lambda request: request.add(b"proxy-authorization", b'Digest realm="x"'),
            lambda request: request.add(b"proxy-require", b"x"),
        ],
    )
    def test_what_steers(self, change: Callable[[Request], None]) -> None:
        """Everything that may lead a request elsewhere makes it another one."""
        branches = Branches(SECRET, b"r")
        back = forwarded(make_request(), branches)
        change(back)
        assert not is_loop(back, branches)

    @pytest.mark.parametrize(
        "change",
        [
            lambda request: request.set(b"max-forwards", b"12"),
            lambda request: request.add(b"subject", b"round"),
            lambda request: request.add(b"record-route", b"<sip:p9;lr>"),
            lambda request: request.prepend(b"via", b"SIP/2.0/UDP 192.0.2.97;branch=z9hG4bKy"),
        ],
    )
    def test_what_does_not(self, change: Callable[[Request], None]) -> None:
        """What every hop changes does not hide a loop (RFC 5393 section 4.2.1)."""
        branches = Branches(SECRET, b"r")
        back = forwarded(make_request(), branches)
        change(back)
        assert is_loop(back, branches)


class MakeTests:
    """Branches of ours."""

    def test_never_twice(self) -> None:
        """No two branches are equal, not even but for their case, nor after a restart."""
        one, two = Branches(SECRET, b"r"), Branches(SECRET, b"s")
        made = [branches.make(b"00000000") for branches in (one, two) for _ in range(500)]
        assert len({branch.lower() for branch in made}) == 1000

    def test_cookie(self) -> None:
        """They begin with the cookie of RFC 3261 and are tokens."""
        branch = Branches(SECRET, b"r").make(b"00000000")
        assert branch.startswith(b"z9hG4bK")
        assert branch.replace(b".", b"").isalnum()
