"""The core as a whole: what comes in is checked, walked through the phases, answered, forgotten."""

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sipproxy.core.context import RequestContext
from sipproxy.core.outcomes import Identity, Refusal
from sipproxy.core.targets import Target
from sipproxy.interfaces import ITransactionUser
from sipproxy.message.builder import make_response
from sipproxy.message.message import Request
from sipproxy.testing.core import ALICE, CoreStand, StubModule, log_lines, make_request
from sipproxy.transaction.peer import Peer


def to_bob(context: RequestContext, uri: Any) -> list[Target]:
    """Translate everything to one phone."""
    return [Target(b"sip:bob@192.0.2.20", "mod_to")]


def stand_of(*modules: StubModule, **options: Any) -> CoreStand:
    """Give a stand where everybody is to be found at Bob's phone."""
    return CoreStand(*modules, StubModule("mod_to", translate=to_bob), **options)


class WalkTests:
    """Which phases a request passes, in which order."""

    def test_order(self) -> None:
        """The phases of a forwarded call, from check to log."""
        seen: list[str] = []

        def note(name: str, result: Any = None) -> Any:
            def hook(*arguments: Any) -> Any:
                seen.append(name)
                return result

            return hook

        stand = CoreStand(
            StubModule(
                "mod_all",
                check=note("check"),
                authenticate=note("authenticate"),
                authorize=note("authorize"),
                serve=note("serve"),
                normalize=note("normalize"),
                translate=note("translate", [Target(b"sip:bob@192.0.2.20", "mod_all")]),
                next_hop=note("next_hop"),
                fixup=note("fixup"),
                response=note("response"),
                account=lambda context, event, message: seen.append(event),
                log_transaction=note("log"),
            )
        )
        caller = stand.receive(make_request())
        assert caller.trying
        stand.reply(stand.clients[0], 486)
        assert (
            seen
            == (
                "check authenticate authorize serve normalize translate forwarded next_hop fixup "
                "response ended log"
            ).split()
        )

    def test_answer_of_serve(self) -> None:
        """A response of phase serve is sent as it is, accounted for, and logged."""
        events: list[str] = []
        module = StubModule(
            "mod_echo",
            serve=lambda context: make_response(context.request, 200, None, b"mine"),
            account=lambda context, event, message: events.append(event),
            log_transaction=lambda context: events.append(f"log {context.status}"),
        )
        stand = stand_of(module)
        caller = stand.receive(make_request("MESSAGE"))
        assert caller.statuses == [200] and caller.response.to_tag == b"mine"
        assert caller.context.decided_by == "mod_echo"
        assert events == ["answered", "log 200"]
        assert not stand.clients and not caller.trying

    def test_who_decided_when_all_let_it_pass(self) -> None:
        """A request that the core itself refuses is not put on the last module's account."""
        stand = CoreStand(StubModule("mod_ok", check=lambda context: None))
        caller = stand.receive(make_request())
        assert caller.statuses == [404]

    def test_identity_reaches_the_context(self) -> None:
        """What the authenticator found is there for the phases behind it."""
        seen: list[str] = []
        stand = stand_of(
            StubModule(
                "mod_auth",
                authenticate=lambda context: Identity("alice", "example.com", "digest"),
                authorize=lambda context: seen.append(context.identity.user),
            )
        )
        stand.receive(make_request())
        assert seen == ["alice"]

    def test_foreign_host_is_not_translated(self) -> None:
        """Translators are for our hosts; a request for another goes where its URI says."""
        stand = stand_of()
        stand.receive(make_request("INVITE", "sip:carol@192.0.2.77:5070"))
        assert stand.targets == ["sip:carol@192.0.2.77:5070"]
        assert (stand.clients[0].peer.host, stand.clients[0].peer.port) == ("192.0.2.77", 5070)

    def test_telephone_number_is_translated(self) -> None:
        """A tel URI is ours to translate."""
        stand = stand_of()
        stand.receive(make_request("INVITE", "tel:+12015550123"))
        assert stand.targets == ["sip:bob@192.0.2.20"]

    def test_nobody_knows_the_user(self) -> None:
        """A user of ours whom no translator knows is a 404, not a loop to ourselves."""
        stand = CoreStand()
        caller = stand.receive(make_request())
        assert caller.statuses == [404] and not stand.clients

    def test_trying_is_sent_when_it_is_taken_on(self) -> None:
        """100 goes out when an INVITE is forwarded, not for other methods."""
        assert stand_of().receive(make_request("INVITE")).trying
        assert not stand_of().receive(make_request("MESSAGE")).trying

    def test_last_hop_is_used_up(self) -> None:
        """An OPTIONS with Max-Forwards 0 that nobody answers here goes no further."""
        stand = stand_of()
        caller = stand.receive(make_request("OPTIONS", max_forwards=0))
        assert caller.statuses == [483] and not stand.clients


class RefusalTests:
    """What the core itself refuses."""

    def test_malformed(self) -> None:
        """A request that fails the check gets the status that the check gives, and is counted."""
        stand = stand_of()
        request = make_request()
        request.remove(b"call-id")
        with log_lines() as lines:
            caller = stand.receive(request)
        assert caller.statuses == [400]
        assert stand.core.malformed == 1
        assert any("request.malformed" in line for line in lines())
        assert not stand.core.live

    def test_malformed_route(self) -> None:
        """So does one whose Route makes no sense."""
        stand = stand_of()
        caller = stand.receive(make_request("INVITE", "sip:bob@example.com", "Route: <nonsense"))
        assert caller.statuses == [400] and not stand.clients

    @pytest.mark.parametrize(
        ("uri", "status"), [("http://example.com/", 416), ("sip:bob@example.com", 483)]
    )
    def test_validation(self, uri: str, status: int) -> None:
        """Section 16.3 comes before every module; the trail says that it was the core."""
        asked: list[bool] = []
        stand = stand_of(StubModule("mod_a", check=lambda context: asked.append(True)))
        caller = stand.receive(make_request("INVITE", uri, max_forwards=0))
        assert caller.statuses == [status] and not asked
        assert caller.context.decided_by == "core"
        assert caller.context.trail[-1][1:3] == ("core", "refused")

    def test_loop(self) -> None:
        """A request that comes back unchanged is a 482."""
        stand = stand_of()
        stand.receive(make_request())
        back = stand.clients[0].request.clone()
        back.set_uri(b"sip:bob@example.com")
        back.remove(b"record-route")
        assert stand.receive(back, stand.clients[0].peer).statuses == [482]

    def test_spiral(self) -> None:
        """One that comes back for somebody else is welcome."""
        stand = stand_of()
        stand.receive(make_request())
        back = stand.clients[0].request.clone()
        back.set_uri(b"sip:carol@example.com")
        assert stand.receive(back, stand.clients[0].peer).statuses == []
        assert len(stand.clients) == 2

    def test_is_logged_once(self) -> None:
        """A refused request is logged once, with its status."""
        logged: list[int] = []
        module = StubModule(
            "mod_log", log_transaction=lambda context: logged.append(context.status)
        )
        stand = stand_of(module)
        stand.receive(make_request(max_forwards=0))
        assert logged == [483]

    def test_signature(self) -> None:
        """Answers of our own carry ServerSignature, or no Server at all when it is off."""
        for signature, expected in ((b"the house", b"the house"), (b"", None)):
            stand = CoreStand(signature=signature)
            caller = stand.receive(make_request())
            assert caller.response.value(b"server") == expected

    def test_forwarded_answers_are_not_signed(self) -> None:
        """What a callee said keeps the callee's Server."""
        stand = stand_of()
        caller = stand.receive(make_request())
        stand.reply(stand.clients[0], 486)
        assert caller.response.value(b"server") is None

    def test_hook_that_returns_nonsense(self) -> None:
        """A module that returns a number instead of a refusal costs its request a 500."""
        stand = stand_of(StubModule("mod_bad", check=lambda context: 403))
        with log_lines():
            caller = stand.receive(make_request())
        assert caller.statuses == [500]


class AckTests:
    """ACK has no transaction, and nobody to be answered."""

    def ack(self, *lines: str, uri: str = "sip:bob@192.0.2.20") -> Request:
        """Give an ACK for a 2xx."""
        return make_request("ACK", uri, *lines, to_tag="b1", branch="z9hG4bKack")

    def test_is_forwarded(self) -> None:
        """It goes where its Request-URI says, with our Via and without a transaction."""
        stand = stand_of()
        stand.acknowledge(self.ack())
        ((message, peer),) = stand.transactions.sent
        assert (peer.host, peer.port) == ("192.0.2.20", 5060)
        assert len(message.values(b"via")) == 2
        assert not stand.clients and not stand.core.live

    def test_refused_is_dropped(self) -> None:
        """A module that refuses it makes it vanish."""
        module = StubModule(
            "mod_no",
            authorize=lambda context: Refusal(403, "no"),
            when=lambda phase, method, inside: True,
        )
        stand = stand_of(module)
        stand.acknowledge(self.ack())
        assert not stand.transactions.sent

    @pytest.mark.parametrize("lines", [("Max-Forwards: 300",), ("Route: <nonsense",)])
    def test_malformed_is_dropped(self, lines: tuple[str, ...]) -> None:
        """One that makes no sense is dropped and noted at debug."""
        stand = stand_of()
        with log_lines("debug") as found:
            stand.acknowledge(self.ack(*lines))
        assert not stand.transactions.sent
        assert any("ack.malformed" in line for line in found())

    def test_used_up_is_dropped(self) -> None:
        """Max-Forwards 0 ends it here."""
        stand = stand_of()
        ack = self.ack()
        ack.set(b"max-forwards", b"0")
        stand.acknowledge(ack)
        assert not stand.transactions.sent

    def test_passes_while_stopping(self) -> None:
        """A server that stops still passes the ACK of a call that was answered."""
        stand = stand_of()
        stand.core.stop()
        stand.acknowledge(self.ack())
        assert len(stand.transactions.sent) == 1


class ResponseTests:
    """Responses on their way in."""

    def test_stray(self) -> None:
        """A response that no transaction waits for is dropped and counted (RFC 6026 8.9)."""
        stand = stand_of()
        response = make_response(make_request(), 200, None, b"x")
        stand.core.response_received(None, response, ALICE)
        assert stand.core.strays == 1

    def test_of_a_forgotten_branch(self) -> None:
        """So is one whose branch has let go of its transaction."""
        stand = stand_of()
        caller = stand.receive(make_request())
        client = stand.clients[0]
        stand.end(client)
        stand.reply(client, 200)
        assert stand.core.strays == 1 and caller.statuses == []

    @pytest.mark.parametrize(("status", "answered"), [(200, [502]), (486, [502]), (180, [])])
    def test_without_the_callers_via(self, status: int, answered: list[int]) -> None:
        """A callee that took the caller's Via off counts as a bad gateway, once it is final."""
        stand = stand_of()
        caller = stand.receive(make_request())
        client = stand.clients[0]
        response = make_response(client.request, status, None, b"x")
        via = response.values(b"via")[0]
        response.set(b"via", via)
        stand.core.response_received(client, response, client.peer)
        assert caller.statuses == answered

    def test_events_of_an_earlier_transaction(self) -> None:
        """After failover the old transaction's end is nothing to the branch."""
        stand = stand_of()
        caller = stand.receive(make_request())
        client = stand.clients[0]
        old = type(client)(client.request, client.peer, client.user)
        stand.core.timed_out(old)
        stand.core.failed(old, "too late")
        assert caller.statuses == []

    def test_failed_server_transaction(self) -> None:
        """A caller that cannot be answered is no failed branch."""
        stand = stand_of()
        caller = stand.receive(make_request())
        stand.core.failed(caller, "connection lost")
        stand.core.timed_out(caller)
        assert caller.statuses == []


class CancelTests:
    """CANCEL (9.2)."""

    def test_unknown(self) -> None:
        """A CANCEL that matches nothing is a 481 when it is for the server, or leads nowhere."""
        stand = CoreStand()
        for uri in ("sip:example.com", "sip:nobody@example.com"):
            cancel = make_request("CANCEL", uri, branch="z9hG4bKno")
            assert stand.receive(cancel).statuses == [481]

    def test_unknown_is_passed_on(self) -> None:
        """One that names a user goes where its INVITE would have gone (16.10)."""
        stand = stand_of()
        caller = stand.receive(make_request("CANCEL", branch="z9hG4bKno"))
        assert caller.statuses == [] and stand.clients[-1].request.method == "CANCEL"

    def test_of_a_refused_request(self) -> None:
        """One whose INVITE is answered already is a 200 without further effect."""
        stand = CoreStand()
        caller = stand.receive(make_request())
        assert stand.cancel(caller).statuses == [200]
        assert caller.statuses == [404]

    def test_of_an_invite_that_is_over(self) -> None:
        """One whose INVITE nobody holds any more is a 200 without effect."""
        stand = CoreStand()
        caller = stand.receive(make_request())
        stand.end(caller)
        assert stand.cancel(caller).statuses == [200]

    def test_malformed(self) -> None:
        """A CANCEL that makes no sense is refused like any request."""
        stand = stand_of()
        cancel = make_request("CANCEL")
        cancel.remove(b"cseq")
        assert stand.receive(cancel).statuses == [400]

    def test_decision_is_in_the_trail(self) -> None:
        """The trail of the cancelled request says who ended it."""
        waits: Deferred[None] = Deferred()
        stand = stand_of(StubModule("mod_slow", check=lambda context: waits))
        caller = stand.receive(make_request())
        stand.cancel(caller)
        assert caller.context.decided_by == "core"
        assert caller.context.trail[-1][3] == "the caller cancelled"

    def test_during_translation_that_ignores_it(self) -> None:
        """An INVITE that is cancelled from within a hook is not forwarded."""

        def cancelled_meanwhile(context: RequestContext, uri: Any) -> list[Target]:
            context.cancelled = True
            return to_bob(context, uri)

        stand = CoreStand(StubModule("mod_to", translate=cancelled_meanwhile))
        caller = stand.receive(make_request())
        assert caller.statuses == [487] and not stand.clients


class StopTests:
    """The server stops."""

    def test_new_requests(self) -> None:
        """New requests, also those inside dialogs, get 503 with Retry-After."""
        stand = stand_of()
        stand.core.stop()
        for method in ("INVITE", "BYE"):
            caller = stand.receive(make_request(method, branch=f"z9hG4bK{method}"))
            assert caller.statuses == [503]
            assert caller.response.value(b"retry-after") == b"5"
        assert not stand.clients

    def test_calls_under_way_go_on(self) -> None:
        """What is out already may still be answered."""
        stand = stand_of()
        caller = stand.receive(make_request())
        stand.core.stop()
        stand.reply(stand.clients[0], 200)
        assert caller.statuses == [200]

    def test_several_that_wait(self) -> None:
        """Everybody who waits for a module is answered."""
        stand = stand_of(StubModule("mod_slow", check=lambda context: Deferred()))
        callers = [stand.receive(make_request(branch=f"z9hG4bK{n}")) for n in range(3)]
        stand.core.stop()
        assert [caller.statuses for caller in callers] == [[503]] * 3


class ForgettingTests:
    """`terminated` frees everything."""

    def test_context(self) -> None:
        """The core holds a context exactly as long as its transaction lives."""
        stand = stand_of()
        caller = stand.receive(make_request())
        context = caller.context
        assert list(stand.core.live) == [context]
        stand.end(caller)
        assert not stand.core.live and caller.user is None

    def test_of_a_branch(self) -> None:
        """The end of a client transaction touches no context."""
        stand = stand_of()
        stand.receive(make_request())
        stand.end(stand.clients[0])
        assert len(stand.core.live) == 1

    def test_retired_generation(self) -> None:
        """A request ends with the generation that it began with."""
        stand = stand_of()
        caller = stand.receive(make_request())
        before = caller.context.generation
        other = CoreStand().generation
        stand.core.generation = other
        assert caller.context.generation is before is not other
        assert stand.receive(make_request(branch="z9hG4bK2")).context.generation is other


class ProvidesTests:
    """The core is what the driver expects."""

    def test_interface(self) -> None:
        """It says so."""
        assert ITransactionUser.providedBy(CoreStand().core)

    def test_peer_is_the_sender(self) -> None:
        """The context knows who sent the request."""
        stand = stand_of()
        peer = Peer("udp", "198.51.100.7", 40000)
        assert stand.receive(make_request(), peer).context.peer is peer
