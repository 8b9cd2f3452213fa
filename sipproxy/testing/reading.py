"""Everything the message layer offers, done to given octets: for tests with hostile input.

Each step may refuse with a usable `ParseError`. Anything else that it raises comes out as it is,
and so does a broken promise: what was printed must read as the same message, what was checked must
be fit to be answered, acknowledged, cancelled and sent on.
"""

from collections.abc import Callable
from itertools import pairwise
from random import Random

from sipproxy.message.builder import make_ack, make_cancel, make_response
from sipproxy.message.errors import ParseError
from sipproxy.message.fields import Via
from sipproxy.message.message import Request, Response
from sipproxy.message.parser import check, parse
from sipproxy.message.stream import StreamFramer
from sipproxy.message.uri import SipUri, parse_uri


def allowed(error: ParseError) -> None:
    """The one permitted exception must be usable: a status to answer with and a reason to log."""
    assert 400 <= error.status <= 699, error.status
    assert error.detail and str(error) == error.detail
    assert error.message is None or isinstance(error.message, (Request, Response))


def attempt(step: Callable[..., object], *arguments: object) -> object:
    """The result of ``step``, or None when it refused."""
    try:
        return step(*arguments)
    except ParseError as error:
        allowed(error)
        return None


def properties(kind: type) -> list[str]:
    """The names of all properties, so that one added later is tried too."""
    return [
        name
        for base in kind.__mro__
        for name, value in vars(base).items()
        if isinstance(value, property)
    ]


PROPERTIES: dict[type, list[str]] = {}


def parse_and_check(data: bytes) -> None:
    """The two steps that a datagram goes through."""
    check(parse(data))


def probe(value: object, depth: int = 4) -> None:
    """Read everything that can be read of a message, a field or a URI, and of what that yields."""
    if isinstance(value, (list, tuple)):
        for part in value:
            probe(part, depth)
        return
    kind = type(value)
    if depth == 0 or not kind.__module__.startswith("sipproxy.message"):
        return
    if kind not in PROPERTIES:
        PROPERTIES[kind] = properties(kind)
    for name in PROPERTIES[kind]:
        found = attempt(getattr, value, name)
        probe(found, depth - 1)
    for verb in ("to_bytes", "equals", "param"):
        method = getattr(value, verb, None)
        if method is None:
            continue
        if verb == "equals":
            assert attempt(method, value) in (True, None), value
        elif verb == "param":
            for name in ("tag", "lr", "transport", "q", "%6Cr"):
                attempt(method, name)
        else:
            attempt(method)


def fixed_point(message: Request | Response) -> None:
    """What has been printed reads as the same message, or a proxy would forward another one."""
    printed = message.to_bytes()
    again = parse(printed)
    assert type(again) is type(message)
    assert again.to_bytes() == printed
    assert again.names == message.names
    assert all(b":" in line for line in message.lines)
    assert again.body == message.body


def agreement(message: Request | Response) -> None:
    """Of a checked message: two ways to one field lead to one value, or somebody uses the gap."""
    assert message.from_tag == (message.from_.tag or None)
    assert message.to_tag == (message.to.tag or None)
    assert message.content_length in (None, len(message.body))
    vias = attempt(getattr, message, "vias")
    top = message.top_via
    if isinstance(vias, list):
        assert (vias[0].branch, vias[0].sent_by, vias[0].received) == (
            top.branch,
            top.sent_by,
            top.received,
        )
    assert message.top_branch == top.branch
    if isinstance(message, Request):
        printed = parse_uri(message.uri.to_bytes())
        assert type(printed) is type(message.uri)
        if isinstance(printed, SipUri):
            assert printed.equals(message.uri)
            assert printed.scheme in ("sip", "sips")
            assert printed.host.isascii()


def answers(request: Request, checked: bool) -> None:
    """Everything that is built from a request; sound when the request has passed the check."""
    for status, tag in ((100, None), (200, b"ours"), (400, b"ours")):
        answer = attempt(make_response, request, status, None, tag)
        if not isinstance(answer, Response):
            assert not checked, f"a checked request cannot be answered with {status}"
            continue
        if checked:
            again = parse(answer.to_bytes())
            check(again)
            assert isinstance(again, Response) and again.status == status
            assert again.values(b"via") == request.values(b"via")
            assert again.call_id == request.call_id
            assert again.to_tag == (request.to_tag or tag)
            assert again.cseq.number == request.cseq.number
        for built in (attempt(make_ack, request, answer), attempt(make_cancel, request)):
            if checked and request.method == "INVITE":
                assert isinstance(built, Request)
                check(parse(built.to_bytes()))


def stamps(request: Request, checked: bool) -> None:
    """Writing the source into the top Via."""
    before = attempt(getattr, request, "top_via")
    said = (before.received, before.rport) if isinstance(before, Via) else None
    for host, port in (("198.51.100.7", 5099), ("2001:db8:9::7", 1)):
        stamped = request.clone()
        attempt(stamped.stamp_source, host, port)
        if isinstance(before, Via):
            assert (before.received, before.rport) == said, "stamping a clone changed the original"
        if not checked:
            continue
        again = parse(stamped.to_bytes())
        check(again)
        via = again.top_via
        assert host in (via.host, via.received)
        assert via.rport == (port if via.has_rport else None)
        assert (via.branch, via.sent_by) == (request.top_via.branch, request.top_via.sent_by)
        kept = stamped.top_via
        assert (kept.received, kept.rport) == (via.received, via.rport), "cache and line differ"
        vias = attempt(getattr, request, "vias")
        assert not isinstance(vias, list) or len(again.vias) == len(vias)


def edits(message: Request | Response, checked: bool) -> None:
    """Taking hops off and putting them on, as a proxy does."""
    for name in (b"via", b"route", b"contact"):
        twin = message.clone()
        values = twin.values(name)
        popped = attempt(twin.pop_first, name)
        assert (popped is None) != message.has(name)
        if checked and name == b"via":
            assert [popped, *twin.values(name)] == values
        twin.prepend(name, b"x")
        assert twin.values(name)[0] == b"x"
        twin.set(name, b"y")
        assert twin.values(name) == [b"y"]
        twin.remove(name)
        assert not twin.has(name)
    assert message.clone().to_bytes() == message.to_bytes()


def framing(chance: Random, data: bytes) -> None:
    """A stream yields the same messages however it is cut."""

    def run(pieces: list[bytes]) -> tuple[list[bytes], bool]:
        framer = StreamFramer()
        frames: list[bytes] = []
        try:
            for piece in pieces:
                frames.extend(framer.feed(piece))
        except ParseError as error:
            allowed(error)
            return frames, False
        return frames, True

    cuts = sorted(chance.randint(0, len(data)) for _ in range(chance.randint(1, 6)))
    edges = [0, *cuts, len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges)]
    whole, fine = run([data])
    cut, also_fine = run(pieces)
    assert fine == also_fine
    assert cut[: len(whole)] == whole
    for frame in whole:
        message = attempt(parse, frame)
        if isinstance(message, (Request, Response)):
            assert message.content_length == len(message.body), "framed and parsed differ"


def read_everything(data: bytes, chance: Random) -> None:
    """All that the server could ever do with the octets of one datagram."""
    framing(chance, data)
    attempt(parse_uri, data[:200])
    message: Request | Response | None = None
    parsed = checked = False
    try:
        message = parse(data)
    except ParseError as error:
        allowed(error)
        if isinstance(error.message, (Request, Response)):
            message = error.message
    else:
        parsed = True
        fixed_point(message)
        try:
            check(message)
            checked = True
        except ParseError as error:
            allowed(error)
        if checked:
            agreement(message)
    if message is None:
        return
    probe(message)
    if parsed:
        edits(message, checked)
    if isinstance(message, Request):
        attempt(parse_uri, message.uri_raw)
        stamps(message, checked)
        answers(message, checked)
    else:
        message.clone()
