"""Messages as they come from real devices: each read whole, in pieces, and with more behind it."""

from pathlib import Path
from typing import Final

import pytest

from sipproxy.message.message import Request, Response
from sipproxy.message.parser import check, parse
from sipproxy.message.stream import PING, StreamFramer

FOLDER: Final = Path(__file__).parent.parent / "vectors" / "wire"
DATA: Final = {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("*.msg"))}

#: What each is: method or status, lines, top branch, tags, CSeq, Max-Forwards, octets of body.
FACTS: Final[dict[str, tuple[object, ...]]] = {
    "ack": ("ACK", 8, b"z9hG4bK-61a0f5", b"f-90211", b"b-1", 4711, 70, 0),
    "busy": (486, 7, b"z9hG4bKp1.31", b"f-90211", b"b-2", 4711, None, 0),
    "cancel": ("CANCEL", 7, b"z9hG4bK-61a0f4", b"f-90211", None, 4711, 70, 0),
    "compact": ("BYE", 8, b"z9hG4bK~c!1", b"b-1", b"f-90211", 1, None, 0),
    "every-octet": ("NOTIFY", 10, b"z9hG4bKoctets", b"o", b"f", 2, 70, 256),
    "folded": ("SUBSCRIBE", 10, b"z9hG4bKfold", b"w-5", None, 12, 70, 0),
    "invite": ("INVITE", 13, b"z9hG4bK-61a0f4", b"f-90211", None, 4711, 70, 140),
    "invite-forwarded": ("INVITE", 15, b"z9hG4bKp2.77", b"f-90211", None, 4711, 68, 140),
    "ipv6": ("MESSAGE", 8, b"z9hG4bKv6", b"six", None, 1, 255, 42),
    "ok-no-length": (200, 7, b"z9hG4bKp1.31", b"f-90211", b"b-1", 4711, None, 140),
    "own-method": ("FROB-1", 6, b"z9hG4bKrobot", b"1", None, 0, None, 3),
    "register": ("REGISTER", 13, b"z9hG4bKreg-1", b"r1", None, 2147483647, 70, 0),
    "ringing-via-list": (180, 11, b"z9hG4bKp2.77", b"f-90211", b"b-1", 4711, None, 0),
    "spellings": ("OPTIONS", 9, b"z9hG4bKshout", b"77", None, 9, 0, 0),
    "tel": ("INVITE", 8, b"z9hG4bKtel", b"t", None, 1, 10, 0),
    "trying": (100, 7, b"z9hG4bK-61a0f4", b"f-90211", None, 4711, None, 0),
    "unregister": ("REGISTER", 9, b"z9hG4bKreg-2", b"r2", None, 3, 70, 0),
}

every_message = pytest.mark.parametrize("name", list(DATA))
#: On a stream only those can be told apart that say how long they are.
every_framed = pytest.mark.parametrize("name", [name for name in DATA if name != "ok-no-length"])


def read(name: str) -> Request | Response:
    """A message, parsed and checked."""
    message = parse(DATA[name])
    check(message)
    return message


def facts_of(message: Request | Response) -> tuple[object, ...]:
    """What FACTS says of a message."""
    return (
        message.method if isinstance(message, Request) else message.status,
        len(message.lines),
        message.top_branch,
        message.from_tag,
        message.to_tag,
        message.cseq.number,
        message.max_forwards,
        len(message.body),
    )


class WholeTests:
    """One datagram, one message."""

    def test_every_message_has_its_facts(self) -> None:
        """No file without a line in the table, no line without a file."""
        assert set(DATA) == set(FACTS)

    @every_message
    def test_facts(self, name: str) -> None:
        """What it says is understood, before the check and after it."""
        assert facts_of(parse(DATA[name])) == facts_of(read(name)) == FACTS[name]

    @every_message
    def test_fixed_point(self, name: str) -> None:
        """It prints as it came, and so does its copy; what is printed reads the same."""
        message = read(name)
        assert message.to_bytes() == message.clone().to_bytes() == DATA[name]
        again = parse(message.to_bytes())
        assert again.names == message.names and again.lines == message.lines

    @every_framed
    def test_octets_behind_it(self, name: str) -> None:
        """What follows in the same datagram is left out."""
        message = parse(b"\r\n" + DATA[name] + b"INVITE \xff\r\n\r\n")
        assert message.to_bytes() == DATA[name]

    @every_message
    def test_both_ways_agree(self, name: str) -> None:
        """A header the short way does not know sends all on the careful one, to the same result."""
        odd = DATA[name].replace(b"\r\n", b"\r\nX-Odd : y\r\n z\r\n", 1)
        message = parse(odd)
        assert message.names.pop(0) == b"x-odd" and message.lines.pop(0) == b"X-Odd : y\r\n z"
        assert facts_of(message) == FACTS[name]
        assert message.names == parse(DATA[name]).names


class StreamTests:
    """The same messages on a connection."""

    @every_framed
    def test_octet_by_octet(self, name: str) -> None:
        """The slowest of all senders."""
        framer = StreamFramer()
        found: list[bytes] = []
        for octet in DATA[name]:
            found += framer.feed(bytes((octet,)))
        assert found == [DATA[name]] and framer.buffered == 0

    @every_framed
    def test_between_others(self, name: str) -> None:
        """The fastest."""
        data = DATA[name]
        assert StreamFramer().feed(data + PING + data + DATA["ack"]) == [
            data, PING, data, DATA["ack"],
        ]  # fmt: skip

    def test_all_in_a_row(self) -> None:
        """Segments of any size give the same messages."""
        wanted = [data for name, data in DATA.items() if name != "ok-no-length"]
        whole = b"".join(wanted)
        for size in (1, 2, 3, 7, 64, 536, 1460, len(whole)):
            framer = StreamFramer()
            found: list[bytes] = []
            for at in range(0, len(whole), size):
                found += framer.feed(whole[at : at + size])
            assert found == wanted


class MeaningTests:
    """Some of what is in them."""

    def test_octets_pass(self) -> None:
        """Every octet but CR and LF, in a display name and in a header that nobody knows."""
        message = read("every-octet")
        every = bytes(octet for octet in range(256) if octet not in b"\r\n")
        assert message.value(b"x-octets") == every.strip()
        assert message.body == bytes(range(256))
        display = message.from_.display
        assert all(bytes((octet,)) in display for octet in every)

    def test_vias_in_lists(self) -> None:
        """Two in a line or one in each are the same."""
        branches = [b"z9hG4bKp2.77", b"z9hG4bKp1.31", b"z9hG4bK-61a0f4"]
        for name in ("ringing-via-list", "invite-forwarded"):
            vias = read(name).vias
            assert [via.branch for via in vias] == branches
            assert (vias[2].received, vias[2].rport) == ("192.0.2.99", 49152)
        assert len(read("ringing-via-list").record_routes) == 2

    def test_contacts(self) -> None:
        """Instances, preferences and intervals of a registration."""
        one, two, three = read("register").contacts
        assert one.param("+sip.instance") == "<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"
        assert (one.q, one.expires, one.param("reg-id")) == (750, 3600, "1")
        assert (two.q, two.expires) == (1000, 7)
        assert two.display == b'"A \\"quoted\\" name, with a comma"'
        assert three.expires is None and three.uri_raw == b"sip:anna@example.net"
        assert read("unregister").contact_star

    def test_folded(self) -> None:
        """Folds between and inside of values."""
        message = read("folded")
        assert message.from_.display == b'"Wolf the Watcher"'
        assert [contact.display for contact in message.contacts] == [b"", b'"Second line"']
        assert message.call_id == b"fold-9@watcher.example.org" and message.expires == 600

    def test_ipv6(self) -> None:
        """Addresses without brackets, ports behind them."""
        message = read("ipv6")
        via = message.top_via
        assert (via.host, via.port, via.received) == ("2001:db8::21", 5062, "2001:db8::99")
        assert via.sent_by == b"[2001:db8::21]:5062"
        assert isinstance(message, Request)
        assert message.uri.to_bytes() == b"sip:[2001:db8::5]:5070;transport=tcp"
