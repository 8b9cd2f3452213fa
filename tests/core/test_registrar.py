"""REGISTER, step by step of RFC 3261 section 10.3."""

from typing import Any

import pytest

from sipproxy.core.context import RequestContext
from sipproxy.core.outcomes import Refusal
from sipproxy.core.registrar import Registrar, RegistrarLimits, Registration
from sipproxy.message.errors import ParseError
from sipproxy.stores.records import Binding, RegistryFull
from sipproxy.testing.core import ALICE, CoreStand, make_request
from sipproxy.testing.stores import memory_registry
from sipproxy.transaction.peer import Peer

NOW = 10_000.0
AOR = "alice@example.com"
PHONE = "<sip:alice@192.0.2.10:5060>"


class Desk:
    """A registrar, its registry, and the time."""

    def __init__(self, most: int = 3, **options: Any) -> None:
        self.now = NOW
        self.stand = CoreStand(domains=("example.com", "example.net"))
        self.registry, self.journal = memory_registry(lambda: self.now, **options)
        limits = RegistrarLimits(3600, 60, 7200, most)
        self.registrar = Registrar(self.registry, self.stand.flows, limits)
        self._cseq = 0

    def register(
        self,
        *contacts: str,
        lines: tuple[str, ...] = (),
        cseq: int = 0,
        call_id: str = "reg@192.0.2.10",
        to: str = "sip:alice@example.com",
        peer: Peer = ALICE,
        via: str = "192.0.2.10:5060",
        hypothetical: bool = False,
    ) -> Registration | Refusal:
        """Send a REGISTER with these Contact values; the CSeq counts up by itself."""
        self._cseq += 1
        request = make_request(
            "REGISTER",
            "sip:example.com",
            *(f"Contact: {value}" for value in contacts),
            *lines,
            to_uri=to,
            call_id=call_id,
            cseq=cseq or self._cseq,
            via=via,
        )
        request.stamp_source(peer.host, peer.port)
        generation = self.stand.generation
        context = RequestContext(request, peer, None, generation, 0.0, hypothetical)
        return self.registrar.register(context, self.now)

    def taken(self, *contacts: str, **how: Any) -> Registration:
        """Send one that is answered 200."""
        result = self.register(*contacts, **how)
        assert isinstance(result, Registration), result
        return result

    def refused(self, *contacts: str, **how: Any) -> Refusal:
        """Send one that is refused, and changes nothing."""
        before = self.bindings
        result = self.register(*contacts, **how)
        assert isinstance(result, Refusal)
        assert self.bindings == before
        return result

    @property
    def bindings(self) -> list[Binding]:
        """What is registered for Alice."""
        return self.registry.lookup(AOR)

    @property
    def contacts(self) -> list[bytes]:
        """The URIs of that."""
        return [binding.contact for binding in self.bindings]


def header(result: Registration, name: bytes) -> list[bytes]:
    """Give the values of a header of the 200."""
    return [value for key, value in result.headers if key == name]


class RequireTests:
    """Step 2: what the phone requires."""

    def test_unknown_extension(self) -> None:
        """It is refused with 420, naming what is not known."""
        refusal = Desk().refused(PHONE, lines=("Require: path, gruu, pref",))
        assert refusal.status == 420
        assert list(refusal.headers) == [(b"unsupported", b"gruu, pref")]

    def test_known_extension(self) -> None:
        """Path is known, in any case."""
        assert Desk().taken(PHONE, lines=("Require: Path",))


class AorTests:
    """Step 5: whose binding it is."""

    @pytest.mark.parametrize(
        "to",
        [
            "sip:alice@other.org",
            "sip:example.com",
            "tel:+12015550123",
            "sip:alice@192.0.2.99",
        ],
    )
    def test_not_of_ours(self, to: str) -> None:
        """A To outside our domains, or without a user, is a 404."""
        assert Desk().refused(PHONE, to=to).status == 404

    def test_no_address_of_sip(self) -> None:
        """A To of another scheme is a 400."""
        assert Desk().refused(PHONE, to="mailto:alice@example.com").status == 400

    @pytest.mark.parametrize(
        "to",
        [
            "sip:alice@EXAMPLE.com",
            "sip:alice@example.com:5060;user=phone",
            "sip:%61lice@example.com",
            "sips:alice@example.com",
            "sip:alice:secret@example.com",
            "sip:alice@192.0.2.1",
        ],
    )
    def test_canonical_form(self, to: str) -> None:
        """Parameters, escapes, passwords and our address all mean the same user."""
        desk = Desk()
        desk.taken(PHONE, to=to)
        assert desk.contacts == [b"sip:alice@192.0.2.10:5060"]

    def test_users_are_case_sensitive(self) -> None:
        """Alice is not alice (19.1.4)."""
        desk = Desk()
        desk.taken(PHONE, to="sip:Alice@example.com")
        assert desk.contacts == []

    def test_domains_are_apart(self) -> None:
        """alice of one domain is not alice of the other."""
        desk = Desk()
        desk.taken(PHONE, to="sip:alice@example.net")
        assert desk.contacts == [] and desk.registry.lookup("alice@example.net")

    def test_third_party(self) -> None:
        """Who sends (From) does not matter, whom it is for (To) does."""
        desk = Desk()
        desk.taken("<sip:bob@192.0.2.20>", to="sip:bob@example.com")
        assert [one.contact for one in desk.registry.lookup("bob@example.com")] == [
            b"sip:bob@192.0.2.20"
        ]


class QueryTests:
    """REGISTER without Contact asks what is there."""

    def test_lists(self) -> None:
        """It changes nothing and lists all bindings with what is left of them."""
        desk = Desk()
        desk.taken(PHONE, lines=("Expires: 600",))
        desk.now += 100
        result = desk.taken()
        assert header(result, b"contact") == [b"<sip:alice@192.0.2.10:5060>;expires=500"]

    def test_of_nobody(self) -> None:
        """An unknown user has no bindings, and no error."""
        assert header(Desk().taken(), b"contact") == []

    def test_date(self) -> None:
        """The 200 says what the time is (step 8)."""
        assert header(Desk().taken(), b"date") == [b"Thu, 01 Jan 1970 02:46:40 GMT"]


class StarTests:
    """Step 6: Contact: * removes everything."""

    def test_removes_all(self) -> None:
        """With Expires: 0 all bindings go."""
        desk = Desk()
        desk.taken(PHONE, "<sip:alice@192.0.2.11>")
        result = desk.taken("*", lines=("Expires: 0",))
        assert desk.contacts == [] and header(result, b"contact") == []

    @pytest.mark.parametrize(
        ("contacts", "lines"),
        [
            (("*",), ()),
            (("*",), ("Expires: 60",)),
            (("*",), ("Expires: none",)),
            (("*", PHONE), ("Expires: 0",)),
            ((f"*, {PHONE}",), ("Expires: 0",)),
            (("*", "*"), ("Expires: 0",)),
        ],
    )
    def test_only_alone_and_with_0(self, contacts: tuple[str, ...], lines: tuple[str, ...]) -> None:
        """Anything beside it, or another Expires, is a 400."""
        desk = Desk()
        desk.taken(PHONE)
        assert desk.refused(*contacts, lines=lines).status == 400

    def test_stale(self) -> None:
        """An older request of the same call removes nothing."""
        desk = Desk()
        desk.taken(PHONE, cseq=9)
        assert desk.refused("*", lines=("Expires: 0",), cseq=9).status == 500

    def test_of_another_call(self) -> None:
        """Another call may remove what this one set up."""
        desk = Desk()
        desk.taken(PHONE, cseq=9)
        desk.taken("*", lines=("Expires: 0",), cseq=1, call_id="other")
        assert desk.contacts == []


class ExpiryTests:
    """Step 7: how long a binding lives."""

    @pytest.mark.parametrize(
        ("contact", "lines", "seconds"),
        [
            (PHONE, (), 3600),
            (PHONE, ("Expires: 600",), 600),
            (PHONE + ";expires=120", ("Expires: 600",), 120),
            (PHONE + ";expires=abc", ("Expires: 600",), 3600),
            (PHONE, ("Expires: soon",), 3600),
            (PHONE + ";expires=100000", (), 7200),
            (PHONE + ";expires=99999999999999999999", (), 7200),
            (PHONE + ";EXPIRES=120", (), 120),
            (PHONE + ";expires=60", (), 60),
        ],
    )
    def test_forms(self, contact: str, lines: tuple[str, ...], seconds: int) -> None:
        """The parameter counts before the header, garbage is an hour, too long is cut."""
        desk = Desk()
        result = desk.taken(contact, lines=lines)
        assert desk.bindings[0].expires == NOW + seconds
        assert header(result, b"contact")[0].endswith(b";expires=%d" % seconds)

    def test_too_brief(self) -> None:
        """Less than the shortest interval is a 423 that says what would be enough."""
        refusal = Desk().refused(PHONE + ";expires=59")
        assert refusal.status == 423
        assert list(refusal.headers) == [(b"min-expires", b"60")]

    def test_an_hour_is_never_too_brief(self) -> None:
        """Whatever the limit, 3600 is taken (step 7)."""
        desk = Desk()
        desk.registrar.limits.shortest = 5000
        assert desk.refused(PHONE + ";expires=3599").status == 423
        assert desk.taken(PHONE + ";expires=3600")

    def test_0_removes_one(self) -> None:
        """expires=0 removes that binding and no other."""
        desk = Desk()
        desk.taken(PHONE, "<sip:alice@192.0.2.11>")
        desk.taken(PHONE + ";expires=0")
        assert desk.contacts == [b"sip:alice@192.0.2.11"]

    def test_0_of_nothing(self) -> None:
        """Removing what is not there is fine."""
        assert header(Desk().taken(PHONE + ";expires=0"), b"contact") == []

    def test_over(self) -> None:
        """A binding that is over is not there any more."""
        desk = Desk()
        desk.taken(PHONE + ";expires=60")
        desk.now += 60
        assert desk.contacts == []


class OrderTests:
    """Step 7: an older request may not undo a newer one."""

    @pytest.mark.parametrize("cseq", [9, 8, 1])
    def test_same_call(self, cseq: int) -> None:
        """The CSeq must be higher than that of the binding."""
        desk = Desk()
        desk.taken(PHONE, cseq=9)
        for contact in (PHONE, PHONE + ";expires=0"):
            assert desk.refused(contact, cseq=cseq).status == 500

    def test_higher(self) -> None:
        """One that is higher updates it, in place."""
        desk = Desk()
        desk.taken(PHONE, cseq=9)
        desk.taken(PHONE + ";q=0.5", cseq=10)
        (binding,) = desk.bindings
        assert binding.q == 500 and binding.cseq == 10

    def test_other_call(self) -> None:
        """A phone that was restarted begins to count anew with a new Call-ID."""
        desk = Desk()
        desk.taken(PHONE, cseq=9)
        desk.taken(PHONE, cseq=1, call_id="restarted")
        assert [(one.call_id, one.cseq) for one in desk.bindings] == [(b"restarted", 1)]

    def test_compared_as_uris(self) -> None:
        """Equal URIs mean the same binding however they are written (19.1.4)."""
        desk = Desk()
        desk.taken("<sip:alice@PHONE.example.org;lr;x=1>")
        desk.taken("<sip:%61lice@phone.example.org;X=1;lr>")
        assert desk.contacts == [b"sip:%61lice@phone.example.org;X=1;lr"]

    def test_headers(self) -> None:
        """A Contact may have headers in its URI, and keeps them (RFC 4475 section 3.3.14)."""
        desk = Desk()
        result = desk.taken("<sip:alice@192.0.2.10?Subject=x>")
        assert header(result, b"contact")[0].startswith(b"<sip:alice@192.0.2.10?Subject=x>")

    def test_different_uris(self) -> None:
        """Another port or transport is another binding."""
        desk = Desk()
        desk.taken(PHONE)
        desk.taken("<sip:alice@192.0.2.10>")
        desk.taken("<sip:alice@192.0.2.10:5060;transport=tcp>")
        assert len(desk.contacts) == 3

    def test_other_schemes(self) -> None:
        """A Contact that is no SIP URI is kept, and compared as it is written."""
        desk = Desk()
        desk.taken("<mailto:alice@example.com>")
        desk.taken("<mailto:alice@example.com>")
        desk.taken("<tel:+1201>")
        assert sorted(desk.contacts) == [b"mailto:alice@example.com", b"tel:+1201"]


class WholeTests:
    """Step 7: a request is carried out whole or not at all."""

    def test_one_contact_too_brief(self) -> None:
        """One bad Contact of several, and none is taken."""
        desk = Desk()
        desk.taken(PHONE)
        for contacts in (
            ("<sip:alice@192.0.2.11>", "<sip:alice@192.0.2.12>;expires=5"),
            (PHONE + ";expires=0", "<sip:alice@192.0.2.12>;expires=5"),
        ):
            assert desk.refused(*contacts).status == 423

    def test_one_contact_stale(self) -> None:
        """A stale one spoils the new ones."""
        desk = Desk()
        desk.taken(PHONE, cseq=9)
        assert desk.refused("<sip:alice@192.0.2.11>", PHONE, cseq=9).status == 500

    def test_one_contact_malformed(self) -> None:
        """One that cannot be registered at all too."""
        desk = Desk()
        with pytest.raises(ParseError):
            desk.register(PHONE, "<sip:alice@192.0.2.11:0>")
        assert desk.contacts == []

    def test_registry_full(self) -> None:
        """What the registry refuses is raised, and changes nothing."""
        desk = Desk(max_bindings=1)
        desk.taken(PHONE)
        with pytest.raises(RegistryFull):
            desk.register(PHONE, "<sip:alice@192.0.2.11>")
        assert desk.contacts == [b"sip:alice@192.0.2.10:5060"]

    def test_several_on_one_line(self) -> None:
        """Contacts may share a line."""
        desk = Desk()
        desk.taken(f"{PHONE};q=0.3, <sip:alice@192.0.2.11>;q=0.7")
        assert desk.contacts == [b"sip:alice@192.0.2.11", b"sip:alice@192.0.2.10:5060"]

    def test_one_contact_twice(self) -> None:
        """A phone that names itself twice in one request is registered once."""
        desk = Desk()
        desk.taken(PHONE, PHONE)
        assert len(desk.contacts) == 1

    def test_hypothetical(self) -> None:
        """A request that is only asked about is answered, and leaves no trace."""
        desk = Desk()
        result = desk.taken(PHONE, hypothetical=True)
        assert header(result, b"contact") and desk.contacts == []


class LimitTests:
    """How many contacts one user may have."""

    def test_too_many(self) -> None:
        """More than the limit is a 403."""
        desk = Desk(most=2)
        desk.taken(PHONE, "<sip:alice@192.0.2.11>")
        assert desk.refused("<sip:alice@192.0.2.12>").status == 403

    def test_refresh_at_the_limit(self) -> None:
        """Who is there may refresh, and swap one for another."""
        desk = Desk(most=2)
        desk.taken(PHONE, "<sip:alice@192.0.2.11>")
        desk.taken(PHONE, "<sip:alice@192.0.2.11>")
        desk.taken(PHONE + ";expires=0", "<sip:alice@192.0.2.12>")
        assert len(desk.contacts) == 2

    def test_lowered_limit(self) -> None:
        """Who had more before the limit was lowered may keep and refresh them."""
        desk = Desk(most=3)
        desk.taken(PHONE, "<sip:alice@192.0.2.11>")
        desk.registrar.limits.most_contacts = 1
        desk.taken(PHONE)
        assert desk.refused("<sip:alice@192.0.2.12>").status == 403


class KeptTests:
    """What is kept of a binding, and given back."""

    def test_parameters(self) -> None:
        """Parameters of the Contact come back as they were written, q and expires as understood."""
        desk = Desk()
        value = '"A;B" ' + PHONE + ';+sip.instance="<urn:uuid:1;2>" ; q=0.50;methods="INVITE;x"'
        result = desk.taken(value + ";Expires=100")
        (contact,) = header(result, b"contact")
        assert contact.startswith(b"<sip:alice@192.0.2.10:5060>")
        assert b'+sip.instance="<urn:uuid:1;2>"' in contact and b'methods="INVITE;x"' in contact
        assert contact.endswith(b";q=0.5;expires=100") and contact.lower().count(b"expires") == 1
        assert desk.bindings[0].instance == b"<urn:uuid:1;2>"

    @pytest.mark.parametrize(
        ("q", "shown"), [("0", b";q=0;"), ("1.0", b">;"), ("0.25", b";q=0.25;")]
    )
    def test_q(self, q: str, shown: bytes) -> None:
        """q is printed as short as it can be, and not at all when it is 1."""
        (contact,) = header(Desk().taken(f"{PHONE};q={q}"), b"contact")
        assert shown in contact

    def test_path(self) -> None:
        """Path is kept in order and given back (RFC 3327)."""
        desk = Desk()
        lines = ("Path: <sip:p1;lr>, <sip:p2;lr>", "Path: <sip:p3;lr>", "Supported: path")
        result = desk.taken(PHONE, lines=lines)
        expected = [b"<sip:p1;lr>", b"<sip:p2;lr>", b"<sip:p3;lr>"]
        assert list(desk.bindings[0].path) == expected
        assert header(result, b"path") == expected

    @pytest.mark.parametrize(("text", "number"), [("2", 2), ("x", 0), ("99999999999", 0), ("²", 0)])
    def test_reg_id(self, text: str, number: int) -> None:
        """A reg-id that is no small number counts as none."""
        desk = Desk()
        desk.taken(f"{PHONE};reg-id={text}")
        assert desk.bindings[0].reg_id == number

    def test_user_agent(self) -> None:
        """The phone's name is kept, as much of it as is sensible."""
        desk = Desk()
        desk.taken(PHONE, lines=("User-Agent: " + "p" * 500,))
        assert desk.bindings[0].user_agent == b"p" * 64

    def test_last_moment(self) -> None:
        """A binding that is about to be over is never said to have 0 seconds."""
        desk = Desk()
        desk.taken(PHONE + ";expires=60")
        desk.now += 59.9
        (contact,) = header(desk.taken(), b"contact")
        assert contact.endswith(b";expires=1")


class FlowTests:
    """How a phone is reached: by its Contact, or by the way that it came."""

    NAT = Peer("udp", "203.0.113.5", 31000)
    STREAM = Peer("tcp", "192.0.2.10", 40000, 1, 7)
    STREAM_NAT = Peer("tcp", "203.0.113.5", 40000, 1, 8)

    @pytest.mark.parametrize(
        ("peer", "via", "sign"),
        [
            (ALICE, "192.0.2.10:5060", b"-"),
            (NAT, "192.168.1.5:5060", b"+"),
            (STREAM, "192.0.2.10:5060", b"~"),
            (STREAM_NAT, "192.168.1.5:5060", b"+"),
            (STREAM_NAT, "203.0.113.5:5060", b"="),
        ],
    )
    def test_signs(self, peer: Peer, via: str, sign: bytes) -> None:
        """NAT shows in the Via; a connection counts while it is there."""
        desk = Desk()
        desk.taken(PHONE, peer=peer, via=via)
        received = desk.bindings[0].received
        assert received[:1] == sign
        assert received[1:] == desk.stand.flows.token_of(peer)
