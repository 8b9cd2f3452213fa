"""What goes upstream of what comes back: RFC 3261 section 16.7, rule by rule."""

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sipproxy.core.context import RequestContext
from sipproxy.core.response_context import MOST_TARGETS
from sipproxy.core.targets import Target
from sipproxy.message.message import Response
from sipproxy.resolve.hop import Hop
from sipproxy.testing.core import CoreStand, ServerSide, StubModule, make_request


class Forked:
    """A request for Bob, who has some phones; those of one q ring together."""

    def __init__(
        self,
        *qs: int,
        method: str = "INVITE",
        modules: Sequence[StubModule] = (),
        **options: Any,
    ) -> None:
        targets = [
            Target(b"sip:bob@192.0.2.%d" % (20 + number), "mod_to", q=q)
            for number, q in enumerate(qs or (1000,))
        ]
        to_phones = StubModule("mod_to", translate=lambda context, uri: targets)
        self.stand = CoreStand(to_phones, *modules, **options)
        self.caller = self.stand.receive(make_request(method))

    def reply(self, number: int, status: int, *headers: tuple[bytes, bytes]) -> None:
        """Let a phone answer."""
        self.stand.reply(self.stand.clients[number], status, *headers, tag=b"b%d" % number)

    @property
    def statuses(self) -> list[int]:
        """What the caller has got."""
        return self.caller.statuses

    @property
    def cancelled(self) -> list[bool]:
        """Which branches were cancelled."""
        return [client.cancelled for client in self.stand.clients]

    @property
    def targets(self) -> list[str]:
        """The last number of the address of each branch."""
        return [target.rpartition(".")[2] for target in self.stand.targets]


class ProvisionalTests:
    """1xx responses (step 5)."""

    def test_pass_at_once(self) -> None:
        """Every provisional of every branch goes upstream, as the callee made it."""
        call = Forked(1000, 1000)
        call.reply(0, 180)
        call.reply(1, 183, (b"rseq", b"9"))
        assert call.statuses == [180, 183]
        assert call.caller.response.value(b"rseq") == b"9"
        assert call.caller.response.to_tag == b"b1"

    def test_100_stays(self) -> None:
        """100 is hop by hop (16.7 step 5)."""
        call = Forked()
        call.reply(0, 100)
        assert call.statuses == []

    def test_our_via_is_taken_off(self) -> None:
        """Step 3: the caller finds its own Via on top, and only that."""
        call = Forked()
        call.reply(0, 180)
        values = call.caller.response.values(b"via")
        assert len(values) == 1 and b"z9hG4bKa1" in values[0]

    def test_not_for_other_methods(self) -> None:
        """A provisional to a non-INVITE does not pass (RFC 4320 section 4.1)."""
        call = Forked(method="MESSAGE")
        call.reply(0, 180)
        assert call.statuses == []
        call.reply(0, 202)
        assert call.statuses == [202]

    def test_late_ones_are_dropped(self) -> None:
        """After the final response nothing provisional follows."""
        call = Forked(1000, 1000)
        call.reply(0, 200)
        call.reply(1, 180)
        assert call.statuses == [200]


class SuccessTests:
    """2xx responses."""

    def test_first_wins_and_others_are_cancelled(self) -> None:
        """A 2xx goes upstream at once; the other branches are cancelled (step 10)."""
        call = Forked(1000, 1000, 1000)
        call.reply(0, 180)
        call.reply(1, 200)
        assert call.statuses == [180, 200]
        assert call.cancelled == [True, False, True]

    def test_several_to_invite(self) -> None:
        """Every 2xx to an INVITE goes upstream, also after the first (step 5)."""
        call = Forked(1000, 1000)
        call.reply(0, 200)
        call.reply(1, 200)
        call.reply(1, 200)
        assert call.statuses == [200, 200, 200]
        assert [response.to_tag for response in call.caller.responses] == [b"b0", b"b1", b"b1"]

    def test_one_to_others(self) -> None:
        """Only the first 2xx to another method goes upstream."""
        call = Forked(1000, 1000, method="MESSAGE")
        call.reply(0, 200)
        call.reply(1, 200)
        assert call.statuses == [200]
        assert call.cancelled == [False, False]  # only INVITE can be cancelled

    def test_487_of_the_losers_stays(self) -> None:
        """What the cancelled branches say is nobody's business."""
        call = Forked(1000, 1000)
        call.reply(0, 200)
        call.reply(1, 487)
        assert call.statuses == [200]

    def test_no_further_group(self) -> None:
        """A success ends the search."""
        call = Forked(900, 500)
        call.reply(0, 200)
        assert call.targets == ["20"]

    def test_success_after_a_6xx(self) -> None:
        """A phone that is picked up while a 6xx cancels it still wins (step 5)."""
        call = Forked(1000, 1000)
        call.reply(0, 603)
        assert call.statuses == []
        call.reply(1, 200)
        assert call.statuses == [200]

    def test_success_after_cancel(self) -> None:
        """A phone that is picked up while the caller cancels still answers."""
        call = Forked()
        call.reply(0, 180)
        call.stand.cancel(call.caller)
        call.reply(0, 200)
        assert call.statuses == [180, 200]

    def test_who_answered(self) -> None:
        """The context remembers whose phone it was, and which module named it."""
        call = Forked(1000, 1000)
        context = call.caller.context
        call.reply(1, 200)
        assert context.chosen.uri_raw == b"sip:bob@192.0.2.21"
        assert context.decided_by == "mod_to"


class BestTests:
    """The best of several failures (steps 4 to 7)."""

    def test_waits_for_all(self) -> None:
        """A failure goes upstream when no branch of its group is out any more."""
        call = Forked(1000, 1000)
        call.reply(0, 486)
        assert call.statuses == []
        call.reply(1, 404)
        assert call.statuses == [486]

    @pytest.mark.parametrize(
        ("given", "best"),
        [
            ((500, 404), 404),
            ((404, 302), 302),
            ((503, 500), 500),
            ((503, 486), 486),
            ((404, 407), 407),
            ((486, 401), 401),
            ((404, 484), 484),
            ((300, 401), 300),
        ],
    )
    def test_ranking(self, given: tuple[int, int], best: int) -> None:
        """The order in which they come does not matter."""
        for first, second in (given, given[::-1]):
            call = Forked(1000, 1000)
            call.reply(0, first)
            call.reply(1, second)
            assert call.statuses == [best]

    def test_first_of_equals(self) -> None:
        """Of two that say as much, the first to come is taken."""
        for first, second in ((486, 480), (480, 486)):
            call = Forked(1000, 1000)
            call.reply(0, first)
            call.reply(1, second)
            assert call.statuses == [first]

    def test_6xx_cancels_and_wins(self) -> None:
        """A 6xx cancels the rest, and wins over whatever they say but 2xx (step 5)."""
        call = Forked(1000, 1000, 500)
        call.reply(0, 603)
        assert call.cancelled == [False, True]
        call.reply(1, 487)
        assert call.statuses == [603]
        assert len(call.stand.clients) == 2

    def test_503_becomes_500(self) -> None:
        """503 says something of the next server, not of this one (step 6)."""
        call = Forked()
        call.reply(0, 503, (b"retry-after", b"600"))
        assert call.statuses == [500]
        assert call.caller.response.value(b"retry-after") is None

    def test_challenges_are_gathered(self) -> None:
        """The caller gets the challenges of all branches in one answer (step 7)."""
        call = Forked(1000, 1000, 1000)
        call.reply(0, 401, (b"www-authenticate", b'Digest realm="a"'))
        call.reply(1, 486)
        call.reply(2, 407, (b"proxy-authenticate", b'Digest realm="b"'))
        response = call.caller.response
        assert response.status == 401
        assert response.raw_values(b"www-authenticate") == [b'Digest realm="a"']
        assert response.raw_values(b"proxy-authenticate") == [b'Digest realm="b"']

    def test_challenges_of_the_winner_only_when_it_is_one(self) -> None:
        """A better answer than a challenge carries none."""
        call = Forked(1000, 1000)
        call.reply(0, 401, (b"www-authenticate", b'Digest realm="a"'))
        call.reply(1, 302)
        assert call.statuses == [302]
        assert not call.caller.response.has(b"www-authenticate")

    def test_repeated_final_is_counted_once(self) -> None:
        """A second final of one branch does not end the wait for the others."""
        call = Forked(1000, 1000)
        call.reply(0, 486)
        call.reply(0, 486)
        assert call.statuses == []


class RedirectionTests:
    """3xx responses (step 4): tried here with Recursive On, else passed on."""

    def redirected(self, *contacts: str, status: int = 302, **how: Any) -> Forked:
        """Give a call whose phone redirects it."""
        call = Forked(recursive=True, **how)
        call.reply(0, status, *((b"contact", contact.encode()) for contact in contacts))
        return call

    def test_recursion(self) -> None:
        """The contacts are tried, and whoever answers has the call."""
        call = self.redirected("<sip:bob@192.0.2.77>")
        assert call.statuses == [] and call.targets == ["20", "77"]
        call.reply(1, 200)
        assert call.statuses == [200]

    @pytest.mark.parametrize("status", [300, 301, 302, 305])
    def test_every_3xx(self, status: int) -> None:
        """All of the class count."""
        assert self.redirected("<sip:bob@192.0.2.77>", status=status).targets == ["20", "77"]

    def test_by_q(self) -> None:
        """The contacts are groups by their q, like any targets."""
        call = self.redirected(
            "<sip:bob@192.0.2.71>;q=0.1, <sip:bob@192.0.2.72>", "<sip:bob@192.0.2.73>;q=1.0"
        )
        assert call.targets == ["20", "72", "73"]
        call.reply(1, 486)
        call.reply(2, 486)
        assert call.targets[-1] == "71"

    def test_most_forks(self) -> None:
        """MaxForks holds for them too."""
        contacts = [f"<sip:bob@192.0.2.{number}>" for number in (71, 72, 73)]
        call = self.redirected(*contacts, max_forks=2)
        assert call.targets == ["20", "71", "72"]

    def test_before_the_next_group(self) -> None:
        """They are tried before the phones of a lower q, when their own group is done."""
        call = Forked(1000, 1000, 500, recursive=True)
        call.reply(0, 302, (b"contact", b"<sip:bob@192.0.2.77>"))
        assert call.targets == ["20", "21"]
        call.reply(1, 486)
        assert call.targets == ["20", "21", "77"]
        call.reply(2, 486)
        assert call.targets == ["20", "21", "77", "22"]

    def test_no_uri_twice(self) -> None:
        """Phones that redirect to each other do not keep a call going (16.5)."""
        call = self.redirected("<sip:bob@192.0.2.77>")
        call.reply(1, 302, (b"contact", b"<sip:bob@192.0.2.20>"))
        assert call.targets == ["20", "77"]
        assert call.statuses == [302]

    def test_not_one_that_is_to_be_tried(self) -> None:
        """A contact that waits in a later group is not tried twice."""
        call = Forked(1000, 500, recursive=True)
        call.reply(0, 302, (b"contact", b"<sip:bob@192.0.2.21>"))
        call.reply(1, 486)
        assert call.targets == ["20", "21"]

    def test_chain_ends(self) -> None:
        """A phone that always names another one comes to an end (MOST_TARGETS)."""
        call = Forked(recursive=True)
        for number in range(200):
            if call.statuses:
                break
            call.reply(number, 302, (b"contact", b"<sip:bob@198.51.100.%d>" % number))
        assert call.statuses == [302]
        assert len(call.targets) == MOST_TARGETS

    def test_too_many_at_once(self) -> None:
        """So does one that names too many."""
        many = ", ".join(f"<sip:{number}@192.0.2.77>" for number in range(MOST_TARGETS))
        call = self.redirected(many)
        assert call.statuses == [302] and call.targets == ["20"]

    def test_only_for_our_users(self) -> None:
        """A foreign host cannot redirect a request that only passes through."""
        stand = CoreStand(recursive=True)
        caller = stand.receive(make_request("INVITE", "sip:carol@192.0.2.88"))
        stand.reply(stand.clients[0], 302, (b"contact", b"<sip:carol@192.0.2.89>"))
        assert caller.statuses == [302] and len(stand.clients) == 1

    @pytest.mark.parametrize("contact", ["<mailto:bob@example.com>", "<tel:+1201>", "<sip:", ""])
    def test_nothing_to_try(self, contact: str) -> None:
        """Contacts that cannot be tried leave the 3xx to the caller."""
        call = self.redirected(*([contact] if contact else []))
        assert call.statuses == [302] and call.targets == ["20"]

    def test_all_contacts_fail(self) -> None:
        """The caller hears of what was tried, not of the 3xx."""
        call = self.redirected("<sip:bob@192.0.2.77>")
        call.reply(1, 486)
        assert call.statuses == [486]

    def test_cancelled_meanwhile(self) -> None:
        """After CANCEL no contact is tried any more."""
        call = Forked(recursive=True)
        call.stand.cancel(call.caller)
        call.reply(0, 302, (b"contact", b"<sip:bob@192.0.2.77>"))
        assert call.targets == ["20"] and len(call.statuses) == 1

    def test_to_another_user_of_ours(self) -> None:
        """A contact at our own host is a user of ours, and is looked up as such."""

        def translate(context: RequestContext, uri: Any) -> list[Target]:
            last = b"21" if uri.user == "carol" else b"20"
            return [Target(b"sip:phone@192.0.2." + last, "mod_to")]

        stand = CoreStand(StubModule("mod_to", translate=translate), recursive=True)
        caller = stand.receive(make_request())
        stand.reply(stand.clients[0], 302, (b"contact", b"<sip:carol@example.com>"))
        assert caller.statuses == []
        assert stand.targets == ["sip:phone@192.0.2.20", "sip:phone@192.0.2.21"]

    def test_passed_on(self) -> None:
        """With Recursive Off a 3xx is the caller's to follow."""
        call = Forked()
        call.reply(0, 302, (b"contact", b"<sip:bob@192.0.2.77>"))
        assert call.statuses == [302]
        assert call.caller.response.value(b"contact") == b"<sip:bob@192.0.2.77>"

    def test_contacts_are_gathered(self) -> None:
        """The caller gets the contacts of all 3xx at once, each once."""
        call = Forked(1000, 1000, 1000)
        call.reply(0, 302, (b"contact", b"<sip:bob@192.0.2.71>"))
        call.reply(1, 301, (b"contact", b"<sip:bob@192.0.2.72>, <sip:bob@192.0.2.71>"))
        call.reply(2, 486)
        assert call.statuses == [302]
        contacts = call.caller.response.values(b"contact")
        assert contacts == [b"<sip:bob@192.0.2.71>", b"<sip:bob@192.0.2.72>"]


class TimeoutTests:
    """Branches that bring nothing (16.8, 16.9)."""

    def test_408_to_invite(self) -> None:
        """A phone that does not answer is a 408."""
        call = Forked()
        call.stand.time_out(call.stand.clients[0])
        assert call.statuses == [408]

    def test_no_408_to_others(self) -> None:
        """For other methods 408 comes too late: no answer (RFC 4320 section 4.2)."""
        call = Forked(method="OPTIONS")
        call.stand.time_out(call.stand.clients[0])
        assert call.statuses == [] and call.caller.abandoned

    def test_no_408_to_others_with_a_response_hook(self) -> None:
        """A module that looks at responses, and does nothing, does not change that."""
        module = StubModule("mod_look", response=lambda context, best: None)
        call = Forked(method="OPTIONS", modules=[module])
        call.stand.time_out(call.stand.clients[0])
        assert call.statuses == [] and call.caller.abandoned

    def test_no_408_of_others_to_others(self) -> None:
        """A 408 that comes from the next hop to a non-INVITE is not sent on either."""
        call = Forked(method="OPTIONS")
        call.reply(0, 408)
        assert call.statuses == []

    def test_answer_of_another_branch_is_better(self) -> None:
        """What a phone said wins over a 408 made here."""
        call = Forked(1000, 1000)
        call.stand.time_out(call.stand.clients[0])
        call.reply(1, 486)
        assert call.statuses == [486]

    def test_answer_to_others_with_one_timeout(self) -> None:
        """One silent branch does not silence the other's failure."""
        call = Forked(1000, 1000, method="MESSAGE")
        call.reply(0, 404)
        call.stand.time_out(call.stand.clients[1])
        assert call.statuses == [404] and not call.caller.abandoned

    def test_transport_failure(self) -> None:
        """A host that cannot be reached is a 503, which goes upstream as 500 (16.9)."""
        call = Forked()
        call.stand.fail(call.stand.clients[0])
        assert call.statuses == [500]

    def test_late_timeout(self) -> None:
        """A branch that has its final response is not timed out as well."""
        call = Forked(1000, 1000)
        call.reply(0, 486)
        call.stand.time_out(call.stand.clients[0])
        call.stand.fail(call.stand.clients[0])
        assert call.statuses == []


class FailoverTests:
    """A target with several addresses (RFC 3263 section 4.3)."""

    def call(self, hosts: Sequence[str], method: str = "INVITE") -> tuple[CoreStand, ServerSide]:
        """Give a request to a gateway with these addresses."""
        target = Target(b"sip:bob@gateway.example.net", "mod_to")
        stand = CoreStand(StubModule("mod_to", translate=lambda context, uri: [target]))
        stand.locator.hops["gateway.example.net"] = [Hop("udp", host, 5060) for host in hosts]
        return stand, stand.receive(make_request(method))

    @pytest.mark.parametrize("how", ["503", "timeout", "transport"])
    def test_next_address(self, how: str) -> None:
        """503, silence and an unreachable host each lead to the next address."""
        stand, caller = self.call(["192.0.2.31", "192.0.2.32"])
        first = stand.clients[0]
        if how == "503":
            stand.reply(first, 503)
        elif how == "timeout":
            stand.time_out(first)
        else:
            stand.fail(first)
        assert [client.peer.host for client in stand.clients] == ["192.0.2.31", "192.0.2.32"]
        assert caller.statuses == []
        stand.reply(stand.clients[1], 200)
        assert caller.statuses == [200]

    def test_new_branch_each_time(self) -> None:
        """Each address gets a transaction of its own."""
        stand, _ = self.call(["192.0.2.31", "192.0.2.32"])
        stand.fail(stand.clients[0])
        branches = {client.request.top_branch for client in stand.clients}
        assert len(branches) == 2

    def test_other_failures_are_answers(self) -> None:
        """500 or 486 are the target's answer, not the address's."""
        for status in (486, 500, 504):
            stand, caller = self.call(["192.0.2.31", "192.0.2.32"])
            stand.reply(stand.clients[0], status)
            assert caller.statuses == [status]

    def test_all_fail(self) -> None:
        """When no address is left, the target has failed."""
        stand, caller = self.call(["192.0.2.31", "192.0.2.32"])
        stand.reply(stand.clients[0], 503)
        stand.reply(stand.clients[1], 503)
        assert caller.statuses == [500]

    def test_silence_of_the_first_does_not_count(self) -> None:
        """The second address's answer wins over the first one's 408."""
        stand, caller = self.call(["192.0.2.31", "192.0.2.32"])
        stand.time_out(stand.clients[0])
        stand.reply(stand.clients[1], 480)
        assert caller.statuses == [480]

    def test_address_that_no_listener_reaches(self) -> None:
        """An address that cannot be sent to is passed over."""
        target = Target(b"sip:bob@gateway.example.net", "mod_to")
        stand = CoreStand(StubModule("mod_to", translate=lambda context, uri: [target]))
        stand.flows.unreachable.add("192.0.2.31")
        hops = [Hop("udp", "192.0.2.31", 5060), Hop("udp", "192.0.2.32", 5060)]
        stand.locator.hops["gateway.example.net"] = hops
        stand.receive(make_request())
        assert [client.peer.host for client in stand.clients] == ["192.0.2.32"]

    def test_cancelled_meanwhile(self) -> None:
        """After CANCEL no further address is tried, and the caller gets its 487."""
        stand, caller = self.call(["192.0.2.31", "192.0.2.32"])
        stand.cancel(caller)
        assert stand.clients[0].cancelled
        stand.reply(stand.clients[0], 487)
        assert len(stand.clients) == 1
        assert caller.statuses == [487]


class CancelTests:
    """The caller gives up (16.10)."""

    def test_goes_to_all(self) -> None:
        """Every branch that is out is cancelled; 487 comes from them."""
        call = Forked(1000, 1000, 500)
        call.reply(0, 180)
        cancel = call.stand.cancel(call.caller)
        assert cancel.statuses == [200]
        assert call.cancelled == [True, True]
        call.reply(0, 487)
        assert call.statuses == [180]
        call.reply(1, 487)
        assert call.statuses == [180, 487]
        assert len(call.stand.clients) == 2  # the group of q 0.5 was not begun

    def test_twice(self) -> None:
        """A second CANCEL is answered 200 and changes nothing."""
        call = Forked()
        call.stand.cancel(call.caller)
        assert call.stand.cancel(call.caller).statuses == [200]
        call.reply(0, 487)
        assert call.statuses == [487]

    def test_after_the_answer(self) -> None:
        """CANCEL after the final response is answered 200 and comes too late (9.2)."""
        call = Forked(1000, 1000)
        call.reply(0, 200)
        assert call.stand.cancel(call.caller).statuses == [200]
        assert call.statuses == [200]

    def test_silent_branch(self) -> None:
        """A branch that never answers its CANCEL is a 487 for the caller in the end."""
        call = Forked()
        call.stand.cancel(call.caller)
        call.stand.time_out(call.stand.clients[0])
        assert call.statuses == [487]

    def test_while_locating(self) -> None:
        """CANCEL while a name is looked up: the look-up is cancelled, the caller gets 487."""
        target = Target(b"sip:bob@slow.example.net", "mod_to")
        stand = CoreStand(StubModule("mod_to", translate=lambda context, uri: [target]))
        cancelled: list[bool] = []
        waits: Deferred[Sequence[Hop]] = Deferred(lambda deferred: cancelled.append(True))
        stand.locator.hops["slow.example.net"] = waits
        caller = stand.receive(make_request())
        stand.cancel(caller)
        assert cancelled == [True] and not stand.clients
        assert caller.statuses == [487]

    def test_unreachable_after_cancel(self) -> None:
        """A branch that turns out unreachable after CANCEL still is a 487 for the caller."""
        call = Forked()
        call.stand.cancel(call.caller)
        call.stand.fail(call.stand.clients[0])
        assert call.statuses == [487]

    def test_while_a_next_hop_module_waits(self) -> None:
        """CANCEL while phase next_hop waits cancels the module, and nothing is sent."""
        waits: Deferred[Any] = Deferred()
        module = StubModule("mod_hop", next_hop=lambda context, target: waits)
        call = Forked(modules=[module])
        call.stand.cancel(call.caller)
        assert waits.called
        assert call.statuses == [487] and not call.stand.clients


class TimerCTests:
    """An INVITE that rings for ever (16.6 step 11, 16.8)."""

    def test_cancels_the_branch(self) -> None:
        """When timer C fires the branch is cancelled; what then comes is its answer."""
        call = Forked(timer_c=60.0)
        call.reply(0, 180)
        call.stand.advance(61)
        assert call.cancelled == [True]
        call.reply(0, 487)
        assert call.statuses == [180, 487]

    def test_provisional_starts_it_anew(self) -> None:
        """Each 101 to 199 gives the branch its whole time again (16.7 step 2)."""
        call = Forked(timer_c=60.0)
        for _ in range(3):
            call.stand.advance(50)
            call.reply(0, 183)
        assert call.cancelled == [False]
        call.stand.advance(61)
        assert call.cancelled == [True]

    def test_100_does_not(self) -> None:
        """100 Trying is not among them."""
        call = Forked(timer_c=60.0)
        call.stand.advance(50)
        call.reply(0, 100)
        call.stand.advance(11)
        assert call.cancelled == [True]

    def test_next_group_is_tried(self) -> None:
        """A phone that rings for too long makes way for the next group."""
        call = Forked(900, 500, timer_c=60.0)
        call.reply(0, 180)
        call.stand.advance(61)
        call.reply(0, 487)
        assert call.targets == ["20", "21"]

    def test_not_for_other_methods(self) -> None:
        """Only INVITE has a timer C."""
        call = Forked(method="MESSAGE", timer_c=60.0)
        assert len(call.stand.core.timer_c) == 0

    def test_answered_calls_have_none(self) -> None:
        """Nothing is kept of a branch that has its final response."""
        call = Forked()
        call.reply(0, 200)
        assert len(call.stand.core.timer_c) == 0


class GroupTests:
    """Groups of targets (16.6: q, MaxForks)."""

    def test_highest_q_first(self) -> None:
        """The next group is tried when the last one has failed."""
        call = Forked(500, 1000, 1000)
        assert call.targets == ["21", "22"]
        call.reply(0, 486)
        assert call.targets == ["21", "22"]
        call.reply(1, 486)
        assert call.targets == ["21", "22", "20"]
        call.reply(2, 200)
        assert call.statuses == [200]

    def test_most_forks(self) -> None:
        """No more than MaxForks phones ring at a time; the rest follow."""
        call = Forked(1000, 1000, 1000, max_forks=2)
        assert call.targets == ["20", "21"]
        call.reply(0, 486)
        call.reply(1, 486)
        assert call.targets == ["20", "21", "22"]

    def test_group_that_cannot_be_sent(self) -> None:
        """A group that fails at once leads to the next one at once."""
        targets = [
            Target(b"sip:bob@no.such.host", "mod_to", q=900),
            Target(b"sip:bob@192.0.2.21", "mod_to", q=500),
        ]
        stand = CoreStand(StubModule("mod_to", translate=lambda context, uri: targets))
        stand.receive(make_request())
        assert stand.targets == ["sip:bob@192.0.2.21"]

    def test_best_over_all_groups(self) -> None:
        """The caller gets the best of everything that was tried."""
        call = Forked(900, 500)
        call.reply(0, 401, (b"www-authenticate", b'Digest realm="a"'))
        call.reply(1, 486)
        assert call.statuses == [401]


class GroupTimerTests:
    """A group of phones that rings for long enough makes way for the next."""

    def test_next_group(self) -> None:
        """The phones that ring are cancelled, and the next group is tried."""
        call = Forked(900, 500, group_timer=20.0)
        call.reply(0, 180)
        call.stand.advance(19)
        assert call.cancelled == [False]
        call.stand.advance(2)
        assert call.cancelled == [True]
        call.reply(0, 487)
        assert call.targets == ["20", "21"]
        call.reply(1, 480)
        assert call.statuses == [180, 480]

    def test_given_up_counts_as_no_answer(self) -> None:
        """The 487 of a phone that was given up is not what the caller hears."""
        call = Forked(900, 500, group_timer=20.0)
        call.stand.advance(21)
        call.reply(0, 487)
        call.stand.time_out(call.stand.clients[1])
        assert call.statuses == [408]

    def test_busy_phone_that_was_given_up(self) -> None:
        """What else it says still counts."""
        call = Forked(900, 500, group_timer=20.0)
        call.stand.advance(21)
        call.reply(0, 486)
        call.stand.time_out(call.stand.clients[1])
        assert call.statuses == [486]

    def test_answered_at_the_last_moment(self) -> None:
        """A phone that is picked up while it is given up has the call."""
        call = Forked(900, 500, group_timer=20.0)
        call.stand.advance(21)
        call.reply(0, 200)
        assert call.statuses == [200] and call.targets == ["20"]

    def test_not_the_last_group(self) -> None:
        """The last group rings until timer C."""
        call = Forked(900, group_timer=20.0, timer_c=180.0)
        call.stand.advance(100)
        assert call.cancelled == [False]

    def test_not_other_methods(self) -> None:
        """A MESSAGE cannot be cancelled, so it is not given up either."""
        call = Forked(900, 500, method="MESSAGE", group_timer=20.0)
        call.stand.advance(21)
        assert call.targets == ["20"]


class ExpiresTests:
    """An INVITE that says itself how long it is good for (20.19)."""

    def call(self, seconds: str, **options: Any) -> tuple[CoreStand, ServerSide]:
        """Call with an Expires."""
        targets = [Target(b"sip:bob@192.0.2.%d" % n, "mod_to", q=n) for n in (21, 20)]
        stand = CoreStand(StubModule("mod_to", translate=lambda context, uri: targets), **options)
        request = make_request("INVITE", "sip:bob@example.com", f"Expires: {seconds}")
        return stand, stand.receive(request)

    def test_passes(self) -> None:
        """When it has passed, phones are cancelled and no further group is tried: 487."""
        stand, caller = self.call("30")
        stand.reply(stand.clients[0], 180)
        stand.advance(29)
        assert not stand.clients[0].cancelled
        stand.advance(2)
        assert stand.clients[0].cancelled
        stand.reply(stand.clients[0], 487)
        assert caller.statuses == [180, 487] and len(stand.clients) == 1

    def test_after_the_answer(self) -> None:
        """A call that was answered goes on."""
        stand, caller = self.call("30")
        stand.reply(stand.clients[0], 200)
        stand.advance(31)
        assert caller.statuses == [200] and not stand.clients[0].cancelled

    @pytest.mark.parametrize("seconds", ["soon", "3600"])
    def test_no_limit(self, seconds: str) -> None:
        """One that makes no sense, or is longer than timer C, changes nothing."""
        stand, _ = self.call(seconds)
        stand.advance(100)
        assert not stand.clients[0].cancelled

    def test_nothing_is_kept(self) -> None:
        """An answered call is not held in memory until its Expires has passed."""
        stand, caller = self.call("120")
        stand.reply(stand.clients[0], 200)
        stand.end(*stand.clients, caller)
        stand.advance(2)
        assert not stand.transactions.alarms


class BreadthTests:
    """Max-Breadth: into how many branches a request may be forked in all (RFC 5393)."""

    def call(self, breadth: str, phones: int = 4, **options: Any) -> tuple[CoreStand, ServerSide]:
        """Call somebody with so many phones."""
        targets = [Target(b"sip:bob@192.0.2.%d" % (20 + n), "mod_to") for n in range(phones)]
        stand = CoreStand(StubModule("mod_to", translate=lambda context, uri: targets), **options)
        lines = [f"Max-Breadth: {breadth}"] if breadth else []
        return stand, stand.receive(make_request("INVITE", "sip:bob@example.com", *lines))

    @pytest.mark.parametrize(
        ("breadth", "each"),
        [("", [15] * 4), ("60", [15] * 4), ("9", [2] * 4), ("3", [1] * 3), ("x", [15] * 4)],
    )
    def test_shared(self, breadth: str, each: list[int]) -> None:
        """The branches share it, and there are no more of them at a time than it allows."""
        stand, _ = self.call(breadth)
        shares = [int(client.request.value(b"max-breadth") or 0) for client in stand.clients]
        assert shares == each

    def test_huge(self) -> None:
        """Nobody gets more out of us than the usual by asking for more."""
        stand, _ = self.call("999999999999")
        assert sum(int(it.request.value(b"max-breadth") or 0) for it in stand.clients) <= 60

    def test_used_up(self) -> None:
        """At 0 it may not be forwarded: 440."""
        stand, caller = self.call("0")
        assert caller.statuses == [440] and not stand.clients

    def test_later_groups(self) -> None:
        """Phones that there was no breadth for are tried when others have failed."""
        stand, _ = self.call("2")
        for client in stand.clients[:2]:
            stand.reply(client, 486)
        assert len(stand.clients) == 4

    def test_redirections(self) -> None:
        """The contacts of a 3xx are tried within it as well."""
        stand, _ = self.call("1", phones=1, recursive=True)
        many = b"<sip:bob@192.0.2.71>, <sip:bob@192.0.2.72>"
        stand.reply(stand.clients[0], 302, (b"contact", many))
        assert len(stand.clients) == 2


class ResponseHookTests:
    """Modules may try something else instead of the best failure."""

    def forwarding(self, heard: list[int]) -> StubModule:
        """Give a module that forwards a busy call, once."""

        def response(context: RequestContext, best: Response) -> list[Target] | None:
            heard.append(best.status)
            if best.status == 486:
                return [Target(b"sip:mailbox@192.0.2.90", "mod_fwd")]
            return None

        return StubModule("mod_fwd", response=response)

    def test_adds_targets(self) -> None:
        """It hears the best response of all groups, and its targets are tried instead."""
        heard: list[int] = []
        call = Forked(1000, 1000, modules=[self.forwarding(heard)])
        call.reply(0, 480)
        assert heard == []
        call.reply(1, 486)
        assert heard == [480]
        call = Forked(modules=[self.forwarding(heard)])
        call.reply(0, 486)
        assert call.targets == ["20", "90"] and call.statuses == []
        call.reply(1, 200)
        assert call.statuses == [200]
        assert call.caller.context.chosen.source == "mod_fwd"

    def test_after_6xx(self) -> None:
        """A module may have another idea even after a 6xx; the 6xx is best if that fails too."""

        def response(context: RequestContext, best: Response) -> list[Target] | None:
            if context.targets[0].source == "mod_to" and len(heard) == 0:
                heard.append(best.status)
                return [Target(b"sip:mailbox@192.0.2.90", "mod_fwd")]
            return None

        heard: list[int] = []
        call = Forked(modules=[StubModule("mod_fwd", response=response)])
        call.reply(0, 603)
        assert heard == [603] and call.targets == ["20", "90"]
        call.reply(1, 404)
        assert call.statuses == [603]

    def test_not_after_cancel(self) -> None:
        """A call that the caller cancelled is not forwarded."""
        heard: list[int] = []
        call = Forked(modules=[self.forwarding(heard)])
        call.stand.cancel(call.caller)
        call.reply(0, 486)
        assert heard == [] and call.statuses == [486]

    def test_hears_what_was_made_here(self) -> None:
        """It is asked about a 408 of nobody as well."""
        heard: list[int] = []
        call = Forked(modules=[self.forwarding(heard)])
        call.stand.time_out(call.stand.clients[0])
        assert heard == [408] and call.statuses == [408]


class ForgettingTests:
    """Nothing is left when a call is over."""

    def test_context_lets_go(self) -> None:
        """After the last branch the context holds no branches, and the core no context."""
        call = Forked(1000, 1000)
        context = call.caller.context
        call.reply(0, 200)
        assert context.responses is not None
        call.reply(1, 487)
        assert context.responses is None
        call.stand.end(*call.stand.clients, call.caller)
        assert not call.stand.core.live
        assert len(call.stand.core.timer_c) == 0
