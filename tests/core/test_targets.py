"""Targets, and the groups in which they are tried."""

import pytest

from sipproxy.core.targets import DEFAULT_Q, Target, in_groups
from sipproxy.message.errors import ParseError
from sipproxy.message.uri import parse_uri
from sipproxy.transaction.peer import Peer


def targets(*qs: int) -> list[Target]:
    """Give different targets with these q."""
    return [Target(b"sip:%d@192.0.2.1" % number, "test", q=q) for number, q in enumerate(qs)]


def groups(found: list[Target], most: int = 5) -> list[list[bytes]]:
    """Give the user parts of each group."""
    return [
        [target.uri_raw.partition(b"@")[0][4:] for target in group]
        for group in in_groups(found, most)
    ]


class GroupTests:
    """Who is tried together, and in which order."""

    def test_one(self) -> None:
        """A single target is a group."""
        assert groups(targets(100)) == [[b"0"]]

    def test_by_q(self) -> None:
        """Highest q first, those of one q together, in the order given."""
        found = targets(500, 1000, 500, 0, 1000)
        assert groups(found) == [[b"1", b"4"], [b"0", b"2"], [b"3"]]

    def test_at_most(self) -> None:
        """A group that is too large is cut, before the next q begins."""
        assert groups(targets(1000, 1000, 1000, 500), 2) == [[b"0", b"1"], [b"2"], [b"3"]]

    def test_one_at_a_time(self) -> None:
        """MaxForks 1 tries one after the other."""
        assert groups(targets(1000, 1000), 1) == [[b"0"], [b"1"]]

    def test_twice(self) -> None:
        """A URI that stands twice is tried once, with the q of its first (16.5)."""
        found = [*targets(1000), *targets(500)]
        assert groups(found) == [[b"0"]]
        assert in_groups(found, 5)[0][0] is found[0]

    def test_one_uri_over_two_flows(self) -> None:
        """Two phones may have the same Contact behind different NATs."""
        found = [
            Target(b"sip:bob@192.168.1.5", "test", flow=Peer("udp", host, 5060))
            for host in ("203.0.113.5", "203.0.113.6")
        ]
        assert len(in_groups(found, 5)[0]) == 2


class TargetTests:
    """A target itself."""

    def test_uri_is_parsed_when_asked_for(self) -> None:
        """A target that makes no sense only says so when its URI is wanted."""
        target = Target(b"sip:%%%", "test")
        with pytest.raises(ParseError):
            target.uri  # noqa: B018

    def test_given_uri(self) -> None:
        """A URI that is parsed already is not parsed again."""
        uri = parse_uri(b"sip:bob@192.0.2.1")
        assert Target(b"sip:bob@192.0.2.1", "test", uri=uri).uri is uri

    def test_defaults(self) -> None:
        """A target that says nothing has q 1, no flow and no Path."""
        target = Target(b"sip:bob@192.0.2.1", "mod_x")
        assert (target.q, target.flow, target.routes) == (DEFAULT_Q, None, ())
        assert repr(target) == "Target(sip:bob@192.0.2.1 from mod_x)"
