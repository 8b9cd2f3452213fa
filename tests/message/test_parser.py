"""Splitting datagrams into messages, and the check before they are used."""

import pytest

from sipproxy.message.errors import ParseError
from sipproxy.message.grammar import MAX_HEADERS, MAX_LINE, MAX_MESSAGE
from sipproxy.message.message import Request, Response
from sipproxy.message.parser import check, parse

LINES = [
    b"OPTIONS sip:bruno@example.com SIP/2.0",
    b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa",
    b"Max-Forwards: 70",
    b"From: <sip:anna@example.com>;tag=f",
    b"To: <sip:bruno@example.com>",
    b"Call-ID: c",
    b"CSeq: 1 OPTIONS",
    b"Content-Length: 0",
]


def wire(*changed: bytes, without: bytes = b"", body: bytes = b"", end: bytes = b"\r\n") -> bytes:
    """A good OPTIONS in which these lines replace those of their name, or come last."""
    lines = [line for line in LINES if not without or not line.startswith(without + b":")]
    for line in changed:
        name = line.partition(b":")[0].strip().lower()
        same = [at for at, old in enumerate(lines) if old.partition(b":")[0].lower() == name]
        if same:
            lines[same[0]] = line
        else:
            lines.append(line)
    return end.join([*lines, b"", body])


def start(line: bytes) -> bytes:
    """A good message but for its first line."""
    return b"\r\n".join([line, *LINES[1:], b"", b""])


def error_of(data: bytes) -> ParseError:
    """What is said of a message that must be refused by one of the two steps."""
    with pytest.raises(ParseError) as caught:
        check(parse(data))
    return caught.value


def request_of(data: bytes) -> Request:
    """A request that must be good."""
    message = parse(data)
    check(message)
    assert isinstance(message, Request)
    return message


class StartLineTests:
    """Requests and responses."""

    def test_request(self) -> None:
        """Method, Request-URI, names, lines and size."""
        message = request_of(wire())
        assert (message.method, message.uri_raw) == ("OPTIONS", b"sip:bruno@example.com")
        assert message.lines == LINES[1:]
        assert message.names == [
            b"via", b"max-forwards", b"from", b"to", b"call-id", b"cseq", b"content-length",
        ]  # fmt: skip
        assert message.wire_size == len(wire()) and message.clone().wire_size == 0

    @pytest.mark.parametrize(
        ("line", "status", "reason"),
        [
            (b"SIP/2.0 200 OK", 200, b"OK"),
            (b"SIP/2.0 183 Noch  nicht \xff", 183, b"Noch  nicht \xff"),
            (b"SIP/2.0 486 ", 486, b""),
            (b"SIP/2.0 486", 486, b""),
            (b"sip/2.0 100 x", 100, b"x"),
            (b"SIP/2.0 699 SIP/2.0", 699, b"SIP/2.0"),
        ],
    )
    def test_response(self, line: bytes, status: int, reason: bytes) -> None:
        """Status and phrase, which may be anything or nothing."""
        message = parse(start(line))
        assert isinstance(message, Response)
        assert (message.status, message.reason) == (status, reason)
        again = parse(message.to_bytes())
        assert isinstance(again, Response) and again.reason == reason

    @pytest.mark.parametrize("method", [b"INVITE", b"invite", b"FROB", b"a-.!%*_+`'~"])
    def test_methods(self, method: bytes) -> None:
        """Any token is a method; case matters."""
        data = wire(b"CSeq: 1 " + method).replace(b"OPTIONS sip", method + b" sip")
        assert request_of(data).method == method.decode()

    def test_version_in_small_letters(self) -> None:
        """It is taken in any case and leaves in capitals (section 7.1)."""
        message = request_of(start(b"OPTIONS sip:bruno@example.com siP/2.0"))
        assert message.to_bytes() == wire()

    @pytest.mark.parametrize(
        ("line", "status"),
        [
            (b"OPTIONS sip:b SIP/3.0", 505),
            (b"OPTIONS sip:b SIP/2.00", 505),
            (b"OPTIONS  sip:b  SIP/7.0", 505),
            (b"OPTIONS sip:b SIP/2.0 ", 400),
            (b"OPTIONS sip:b  SIP/2.0", 400),
            (b"OPTIONS  sip:b SIP/2.0", 400),
            (b"OPTIONS\tsip:b SIP/2.0", 400),
            (b" OPTIONS sip:b SIP/2.0", 400),
            (b"OPTIONS sip:b c SIP/2.0", 400),
            (b"OPTIONS <sip:b> SIP/2.0", 400),
            (b"OPTIONS sip:b?to=x SIP/2.0", 400),
            (b"OPTIONS b SIP/2.0", 400),
            (b"OPTIONS sip:b HTTP/1.1", 400),
            (b"OPTIONS sip:b", 400),
            (b"OPTIONS sip:b SIP/2", 400),
            (b"OPT(IONS sip:b SIP/2.0", 400),
            (b"OPTION\xc5 sip:b SIP/2.0", 400),
        ],
    )
    def test_refused_requests(self, line: bytes, status: int) -> None:
        """The status to answer with, and a request to make the answer from."""
        error = error_of(start(line))
        assert error.status == status
        assert isinstance(error.message, Request) and error.message.lines == LINES[1:]

    @pytest.mark.parametrize(
        "line",
        [b"OPT(IONS sip:b SIP/2.0", b"OPTIONS  SIP/2.0", b"OPTIONS SIP/2.0", b" sip:b SIP/2.0"],
    )
    def test_refused_at_once(self, line: bytes) -> None:
        """What is no request line is not left for the check to find."""
        with pytest.raises(ParseError):
            parse(start(line))

    @pytest.mark.parametrize(
        "line",
        [
            b"SIP/3.0 200 OK",
            b"SIP/2.0 2x0 OK",
            b"SIP/2.0 099 x",
            b"SIP/2.0 700 x",
            b"SIP/2.0 20 x",
            b"SIP/2.0 2000 x",
            b"SIP/2.0  200 OK",
            b"SIP/2.0 200\tOK",
            b"SIP/2.0",
            b"HTTP/1.1 200 OK",
            b"OPTIONS",
            b"\xff",
            b":",
        ],
    )
    def test_hopeless(self, line: bytes) -> None:
        """What is no request cannot be answered."""
        assert error_of(start(line)).message is None

    @pytest.mark.parametrize("data", [b"", b"\r\n", b"\r\n\r\n", b"\n\n\r"])
    def test_nothing(self, data: bytes) -> None:
        """Keep-alives are no messages."""
        assert error_of(data).detail == "the message is empty"


class HeaderLineTests:
    """Names, folds and line ends."""

    def test_names(self) -> None:
        """All spellings come under one name, the lines stay."""
        message = parse(wire(b"sUBJECT\t : x", b"X-Own: y", b"K: z", b"e: \xff\x00"))
        assert message.names[-4:] == [b"subject", b"x-own", b"supported", b"content-encoding"]
        assert message.lines[-4:] == [b"sUBJECT\t : x", b"X-Own: y", b"K: z", b"e: \xff\x00"]

    def test_folds(self) -> None:
        """A folded line is one line, and keeps its folds."""
        data = wire(b"Subject: a\r\n b\r\n\t: c", b"To:\r\n <sip:bruno@example.com>")
        message = request_of(data)
        assert message.value(b"subject") == b"a b : c" and message.count(b"subject") == 1
        assert message.to.uri_raw == b"sip:bruno@example.com"
        assert message.to_bytes() == data

    def test_leading_line_ends(self) -> None:
        """CRLF before a message is ignored (section 7.5)."""
        assert request_of(b"\r\n\r\n\r\n" + wire()).to_bytes() == wire()

    def test_lf_only(self) -> None:
        """A message typed by hand is read, and leaves with proper line ends."""
        data = wire(b"Subject: a\n b", b"Content-Length: 3", body=b"c\nd", end=b"\n")
        message = request_of(data)
        assert message.body == b"c\nd" and message.value(b"subject") == b"a b"
        assert message.to_bytes() == data.replace(b"\n", b"\r\n").replace(b"c\r\nd", b"c\nd")

    @pytest.mark.parametrize(
        "data",
        [
            wire(b"Subject: a\nRoute: <sip:b>"),
            wire(b"Subject: a\rRoute: <sip:b>"),
            wire(b"Subject: a\n\nb: c"),
            wire(b"Subject: a\r"),
            wire(b"Subject: a\n b"),
            wire(b"Subject: a\r\r\n b"),
            wire().replace(b"\r\nTo", b"\nTo"),
            wire(b"Subject: a\r", end=b"\n"),
        ],
    )
    def test_stray_line_ends(self, data: bytes) -> None:
        """A lone CR or LF is a line end to some and not to others: refused, but answered."""
        error = error_of(data)
        assert error.status == 400
        assert isinstance(error.message, Request)
        assert not error.message.has(b"route")

    @pytest.mark.parametrize(
        "line",
        [b"Subject", b"S", b"Via", b"x", b": y", b"a b: y", b"(x): y", b"\xe4: y", b"a\x00: y"],
    )
    def test_no_name(self, line: bytes) -> None:
        """A line that is no header is refused; the rest is there to answer with."""
        error = error_of(wire().replace(LINES[2], line))
        assert error.status == 400 and isinstance(error.message, Request)
        assert error.message.lines == [LINES[1], *LINES[3:]]

    def test_blank_before_a_name(self) -> None:
        """A line that begins with a blank goes on from the one before, whatever it looks like."""
        message = parse(wire(b"Subject: a\r\n To: b\r\n : c"))
        assert message.value(b"subject") == b"a To: b : c" and message.count(b"to") == 1

    def test_folded_start_line(self) -> None:
        """The first line cannot go on in the second."""
        assert error_of(start(LINES[0] + b"\r\n x")).status == 400

    def test_no_end(self) -> None:
        """Without its empty line a header is not whole."""
        for data in (wire()[:-2], wire()[:-4], wire(end=b"\n")[:-1], LINES[0]):
            error = error_of(data)
            assert error.detail == "the header does not end"
            assert isinstance(error.message, Request)

    def test_only_a_start_line(self) -> None:
        """It splits, and then everything is missing."""
        message = parse(LINES[0] + b"\r\n\r\n")
        assert message.names == message.lines == []
        assert error_of(LINES[0] + b"\r\n\r\n").status == 400


class BodyTests:
    """Content-Length in a datagram (section 18.3)."""

    @pytest.mark.parametrize(
        "line",
        [
            b"Content-Length: 3",
            b"Content-Length:3",
            b"Content-Length:   3",
            b"Content-Length: 3\t",
            b"Content-Length:  003 ",
            b"CONTENT-LENGTH : 3",
            b"Content-Length: \r\n 3",
            b"l: 3",
        ],
    )
    def test_cut(self, line: bytes) -> None:
        """What lies behind the body is not part of the message."""
        message = request_of(wire(line, without=b"Content-Length", body=b"abcdef"))
        assert message.body == b"abc" and message.content_length == 3
        assert request_of(wire(line, without=b"Content-Length", body=b"abc")).body == b"abc"

    def test_without(self) -> None:
        """Without one the body goes on to the end."""
        assert request_of(wire(without=b"Content-Length", body=b"a\r\n\r\nb")).body == b"a\r\n\r\nb"

    @pytest.mark.parametrize(
        "value",
        [b"4", b"-1", b"+3", b"3.0", b"0x3", b"1_0", b"", b"3 3", b"3, 3", b"9" * 9000, b"\xb3"],
    )
    def test_refused(self, value: bytes) -> None:
        """A body that is too short, and whatever is no number."""
        error = error_of(wire(b"Content-Length: " + value, body=b"abc"))
        assert error.status == 400 and isinstance(error.message, Request)

    @pytest.mark.parametrize("other", [b"l: 4", b"Content-Length: 2", b"l: x", b"content-length:"])
    def test_two(self, other: bytes) -> None:
        """Two that differ leave open where the message ends."""
        for lines in ((b"l: 3", other), (other, b"l: 3")):
            data = wire(without=b"Content-Length", body=b"abc")
            data = data.replace(b"\r\n\r\n", b"\r\n" + b"\r\n".join(lines) + b"\r\n\r\n")
            assert error_of(data).status == 400

    def test_two_with_no_body(self) -> None:
        """Nor may the second be overlooked when the last line says 0."""
        data = wire().replace(b"Max-Forwards: 70", b"Content-Length: 5")
        assert error_of(data).status == 400

    def test_two_of_one_mind(self) -> None:
        """Two that say the same do no harm."""
        data = wire(b"Content-Length: 3", b"l: 03", body=b"abcd")
        assert request_of(data).body == b"abc"


class LimitTests:
    """How much a message may be."""

    def test_message(self) -> None:
        """What fits into a datagram is taken."""
        room = MAX_MESSAGE - len(wire(without=b"Content-Length"))
        data = wire(without=b"Content-Length", body=b"x" * room)
        assert len(data) == MAX_MESSAGE and len(request_of(data).body) == room
        assert error_of(data + b"x").status == 513

    def test_headers(self) -> None:
        """A loop of proxies comes to an end; the answer finds its way back."""
        more = [b"X-%d: y" % number for number in range(MAX_HEADERS - 7)]
        assert len(request_of(wire(*more)).lines) == MAX_HEADERS
        error = error_of(wire(*more, b"X: z"))
        assert error.status == 513 and isinstance(error.message, Request)
        assert error.message.lines[:7] == LINES[1:] and len(error.message.lines) == MAX_HEADERS

    def test_line(self) -> None:
        """A line is longer than any honest one: refused without being looked into."""
        line = b"X: " + b"y" * (MAX_LINE - 3)
        assert request_of(wire(line)).lines[-1] == line
        assert request_of(wire(line, b"Subject: " + b"y" * 9000)).count(b"subject") == 1
        error = error_of(wire(line + b"y"))
        assert error.status == 513 and isinstance(error.message, Request)
        assert error.message.lines == LINES[1:]

    def test_start_line(self) -> None:
        """A Request-URI that is too long has a status of its own."""
        error = error_of(start(b"OPTIONS sip:%b@b SIP/2.0" % (b"x" * MAX_LINE)))
        assert error.status == 414 and isinstance(error.message, Request)


class CheckTests:
    """What every element must be able to rely on."""

    @pytest.mark.parametrize("name", [b"Via", b"From", b"To", b"Call-ID", b"CSeq"])
    def test_missing(self, name: bytes) -> None:
        """Without these there is no transaction and no dialog."""
        error = error_of(wire(without=name))
        assert error.status == 400 and error.message is not None

    @pytest.mark.parametrize("name", [b"Max-Forwards", b"Content-Length"])
    def test_not_missed(self, name: bytes) -> None:
        """These were not asked for by RFC 2543."""
        assert request_of(wire(without=name)).names

    @pytest.mark.parametrize(
        "line", [LINES[2], LINES[3], LINES[4], LINES[5], LINES[6], b"t: <sip:x>"]
    )
    def test_twice(self, line: bytes) -> None:
        """Which of the two counts is anybody's guess."""
        assert error_of(wire().replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n")).status == 400

    def test_lists_may_be_spread(self) -> None:
        """Other headers may stand as often as they like."""
        via = b"Via: SIP/2.0/UDP b;branch=c"
        data = wire().replace(b"Max-Forwards", via + b"\r\n" + via + b"\r\nMax-Forwards")
        assert request_of(data).count(b"via") == 3
        data = data.replace(b"\r\n\r\n", b"\r\nRoute: <sip:a;lr>\r\nRoute: <sip:b>\r\n\r\n")
        assert request_of(data).count(b"route") == 2

    @pytest.mark.parametrize(
        "line",
        [
            b"Via: SIP/2.0/UDP a:0;branch=b",
            b"Via: SIP/2.0/UDP a;branch=b,",
            b"Via: SIP/2.0/UDP a;branch=b, c",
            b"Via: ,SIP/2.0/UDP a;branch=b",
            b'Via: SIP/2.0/UDP a;branch=b;x="y',
            b'Via: SIP/2.0/UDP a;branch=b;x="y\\"',
            b"From: sip:a@b?c=d;tag=e",
            b"From: <a>;tag=e",
            b"From: <sip:a@b@c>;tag=e",
            b"From: <sip:a@b>;tag=e;tag=f",
            b"From: <sip:a@b>;tag=",
            b"From: <sip:a@b>;tag",
            b'From: <sip:a@b>;tag="e"',
            b"From: <sip:a@b>;tag=e f",
            b"From: <sip:a@b>;tag=e>f",
            b'From: <sip:a@b>;x="y;tag=e',
            b'From: <sip:a@b>;x="y"z;tag=e',
            b"From: <sip:a@b>;tag=e, <sip:c@d>",
            b"From: <sip:a@b:99999>;tag=e",
            b"From: <sip:a%@b>;tag=e",
            b"From: <tel:-.>;tag=e",
            b'To: "a" b <sip:a@b>',
            b'To: !"a" <sip:a@b>',
            b'To: "a <sip:a@b>',
            b"To: <sip:a@b> ;x y",
            b"To: <>",
            b"Call-ID:",
            b"Call-ID: a b",
            b"Call-ID: a\tb",
            b"Call-ID: a\r\n b",
            b"CSeq: 1 INVITE",
            b"CSeq: 1 options",
            b"CSeq: 2147483648 OPTIONS",
            b"CSeq: OPTIONS",
            b"Max-Forwards: 256",
            b"Max-Forwards: x",
            b'Contact: "a <sip:a@b>',
            b'Contact: <sip:a@b>;x="y',
        ],
    )
    def test_refused(self, line: bytes) -> None:
        """Each of these makes the next element read something else."""
        error = error_of(wire(line))
        assert error.status == 400 and isinstance(error.message, Request)
        assert error.detail

    @pytest.mark.parametrize(
        "line",
        [
            b'Via: SIP/2.0/UDP a;branch=b;x="y, z;", SIP/2.0/SCTP [::1]',
            b"From: anna <sip:anna@example.com>",
            b"From: Ahlgren, Anna <sip:a@b>;tag=c",
            b"From: sip:a@b;tag=c",
            b"From: <tel:+1-202>;tag=c",
            b"From: <sip:a:p@b:5060;x=%41?c=d>;tag=e;;y=[::1];z",
            b'From:\t"\xff\\"" <http://x/>\r\n ; x = "y;tag=z" ;tag = e',
            b"To: <sip:a@[::1]:5060;user=phone>;x",
            b'To: "!\x00" <sip:a@b>',
            b'Call-ID: ()<>@:\\"/[]?{}',
            b"CSeq:  0001\r\n OPTIONS",
            b"Max-Forwards: 0",
            b'Contact: "a, b" <sip:a@b>;x="y\\"", <nonsense',
            b"Contact: *",
            b"Expires: nonsense",
            b"Route: nonsense",
            b'Authorization: "',
        ],
    )
    def test_good(self, line: bytes) -> None:
        """Rare but right, or not ours to judge: passed, and printed as it came."""
        data = wire(line)
        message = request_of(data)
        assert message.to_bytes() == data
        assert message.from_tag == (message.from_.tag or None)
        assert message.from_.uri.scheme and message.to.uri.scheme

    def test_fields_are_ready(self) -> None:
        """What was parsed for the check need not be parsed again."""
        message = request_of(wire())
        assert message.top_via is message.top_via and message.cseq is message.cseq
        assert (message._from_tag, message._to_tag, message._call_id) == (b"f", b"", b"c")
        assert message._top_via is not None and message._max_forwards == 70

    @pytest.mark.parametrize(
        "line",
        [
            b"Contact: a b",
            b"Contact: <sip:a@b>, <c",
            b"Contact: <sip:@>",
            b"Contact: sip:a@b?c=d",
            b"Contact: <sip:a@b>;q=2",
            b'Contact: "<sip:a@b>',
        ],
    )
    def test_contacts_of_a_registration(self, line: bytes) -> None:
        """In a REGISTER the Contacts are what it is about; elsewhere they are not ours."""
        data = wire(b"CSeq: 1 REGISTER", line).replace(b"OPTIONS sip", b"REGISTER sip")
        assert error_of(data).status == 400

    def test_schemes(self) -> None:
        """Which schemes are served is not a matter of syntax."""
        for uri in (b"tel:112", b"http://x/?y", b"nobodyknows:x"):
            assert request_of(start(b"OPTIONS " + uri + b" SIP/2.0")).uri_raw == uri

    def test_responses(self) -> None:
        """Responses need the same fields, but name whatever method they answer."""
        check(parse(start(b"SIP/2.0 200 OK")))
        with pytest.raises(ParseError):
            check(parse(start(b"SIP/2.0 200 OK").replace(b"CSeq: 1 OPTIONS", b"CSeq: x")))
        with pytest.raises(ParseError):
            check(parse(start(b"SIP/2.0 200 OK").replace(b"Call-ID: c", b"Call-ID:")))
