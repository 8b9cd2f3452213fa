"""The branches of one forwarded request and what comes back on them (RFC 3261 section 16.7).

A `ResponseContext` holds the groups of targets still to try, counts the branches that have no final
response yet, and keeps the best final so far.  Provisional responses and 2xx go upstream at once;
anything else waits until every branch of the group is done, then the next group is tried, and when
there is none, modules may still add targets (phase response) before the best goes upstream.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from sipproxy.core.branch import Branch, GroupRings, SearchEnds
from sipproxy.core.context import RequestContext
from sipproxy.core.outcomes import Refusal
from sipproxy.core.ranking import better
from sipproxy.core.targets import Target, in_groups
from sipproxy.message.errors import ParseError
from sipproxy.message.message import Response
from sipproxy.message.uri import SipUri

if TYPE_CHECKING:
    from sipproxy.core.forward import Forwarder

#: Branches that one request may have in all, however many contacts redirections bring.
MOST_TARGETS: Final = 70

#: Max-Breadth of a request that came without (RFC 5393 section 5.3.1).
MAX_BREADTH: Final = 60


def max_breadth_of(value: bytes | None) -> int:
    """Read a Max-Breadth; one that makes no sense counts as missing, a huge one as the usual."""
    if value is None or not value.isdigit() or len(value) > 9:
        return MAX_BREADTH
    return min(int(value), MAX_BREADTH)


class ResponseContext:
    """What one request has out, and what came back so far."""

    __slots__ = (
        "alarms",
        "best",
        "best_status",
        "best_target",
        "branches",
        "breadth",
        "challenges",
        "context",
        "forwarder",
        "groups",
        "live",
        "redirections",
        "stopped",
    )

    def __init__(self, context: RequestContext, forwarder: "Forwarder") -> None:
        self.context = context
        self.forwarder = forwarder
        self.groups: list[list[Target]] = []
        self.branches: list[Branch] = []
        self.live = 0
        self.alarms: list[Any] = []
        self.best: Response | None = None
        self.best_status = 0
        self.best_target: Target | None = None
        self.challenges: list[tuple[bytes, bytes]] = []
        self.redirections: list[bytes] = []
        #: How many branches the request may be forked into (RFC 5393).
        self.breadth = MAX_BREADTH
        #: No new branch any more: answered, cancelled, or a 6xx came.
        self.stopped = False

    def begin(self, targets: Sequence[Target], told: Response | None = None) -> None:
        """Try targets, group after group; ``told`` is a 3xx of our own that joins their answers."""
        context = self.context
        if told is not None:
            self.best, self.best_status = told, told.status
            self.redirections = told.values(b"contact")
        most = context.generation.options.max_forks
        if b"max-breadth" in context.request.names:
            self.breadth = max_breadth_of(context.request.value(b"max-breadth"))
        if not self.breadth:
            self._answer_breadth()
            return
        self.groups = in_groups(targets, min(most, self.breadth))
        if context.method == "INVITE" and b"expires" in context.request.names:
            self._limit_search(context.request.expires)
        self._next_group()

    def _answer_breadth(self) -> None:
        """Refuse a request that has been forked as often as it may (RFC 5393 section 5.3.2)."""
        self.stopped = True
        self.forwarder.answer(self.context, self.forwarder.own_response(self.context, 440))
        self._forget_when_done()

    def _limit_search(self, seconds: int | None) -> None:
        """End the search when the INVITE's own Expires says so (section 20.19)."""
        if seconds is not None and seconds < self.context.generation.options.timer_c:
            transactions = self.forwarder.transactions
            entry = transactions.schedule(transactions.now + seconds, SearchEnds(self.context))
            self.alarms.append(entry)

    def _next_group(self) -> None:
        group = self.groups.pop(0)
        share = max(self.breadth // len(group), 1)
        started = [Branch(self, target, share) for target in group]
        seconds = self.context.generation.options.group_timer
        if seconds and self.groups and self.context.method == "INVITE":
            transactions = self.forwarder.transactions
            entry = transactions.schedule(transactions.now + seconds, GroupRings(started))
            self.alarms.append(entry)
        self.branches.extend(started)
        self.live += len(started)
        for branch in started:
            if self.stopped:  # the first of them may have failed, and ended everything, already
                self.ended(branch)
            else:
                self.forwarder.start(branch)

    # --- what came back

    def provisional(self, branch: Branch, response: Response) -> None:
        """Pass a 1xx upstream (16.7 step 5); for non-INVITE nothing but a final (RFC 4320)."""
        context = self.context
        if context.method == "INVITE" and not branch.done and context.status == 0:
            self.forwarder.ringing(branch)
            self.forwarder.upstream(context, response)

    def final(self, branch: Branch, response: Response) -> None:
        """Take a final response of a branch."""
        status = response.status
        first = not branch.done
        if first:
            if status == 503 and branch.hops and not self.stopped:
                self._keep(branch, 503, response)
                self.forwarder.send_next(branch)
                return
            self.ended(branch)
        if 200 <= status < 300:
            self._answered(branch, response)
        elif first:
            if branch.given_up and status == 487:
                self._keep(branch, 408, None)
            elif not self.context.status and not self._recurse(branch, response):
                self._keep(branch, status, response)
                if status >= 600:
                    self._stop()
            self.settle()

    def failed(self, branch: Branch, status: int) -> None:
        """Take a branch that brought nothing: timed out (408), unreachable (503), no way (404)."""
        if branch.done:
            return
        if branch.hops and not self.stopped:
            self._keep(branch, status, None)
            self.forwarder.send_next(branch)
            return
        self.ended(branch)
        if not self.context.status and not self.stopped:
            self._keep(branch, status, None)
        self.settle()

    def replace(self, branch: Branch, result: Sequence[Target] | Refusal | None) -> None:
        """Try what a target was translated to in its place."""
        if branch.done:
            return
        tried = {other.target.uri_raw for other in self.branches}
        targets = [] if isinstance(result, Refusal) else list(result or ())
        targets = [target for target in targets if target.uri_raw not in tried]
        if not targets or len(self.branches) + len(targets) > MOST_TARGETS:
            self.failed(branch, result.status if isinstance(result, Refusal) else 404)
            return
        now, later = targets[: branch.share], targets[branch.share :]
        if later:
            self.groups.insert(0, later)
        share = max(branch.share // len(now), 1)
        started = [Branch(self, target, share) for target in now]
        self.branches.extend(started)
        self.live += len(started)
        self.ended(branch)
        for new in started:
            if self.stopped:
                self.ended(new)
            else:
                self.forwarder.start(new)

    def cancel(self) -> None:
        """The caller has cancelled: no new branch, and CANCEL to those that are out (16.10)."""
        self._stop()
        self.settle()

    def timer_c_fired(self, branch: Branch) -> None:
        """Give up on a branch that rings for too long."""
        if not branch.done and branch.transaction is not None:
            branch.hops.clear()
            self.forwarder.transactions.cancel(branch.transaction)

    def give_up(self, branch: Branch) -> None:
        """Stop waiting for a branch; whatever it says to the CANCEL counts as no answer."""
        if not branch.done and not self.stopped:
            branch.given_up = True
            self.timer_c_fired(branch)

    # --- inside

    def ended(self, branch: Branch) -> None:
        """Count a branch out."""
        branch.done = True
        self.live -= 1
        self.forwarder.quiet(branch)

    def _answered(self, branch: Branch, response: Response) -> None:
        context = self.context
        if context.status and (context.method != "INVITE" or context.status >= 300):
            return
        if not context.status:
            context.chosen = branch.target
            context.decided_by = branch.target.source
        self.forwarder.upstream(context, response)
        self._stop()
        self._forget_when_done()

    def _recurse(self, branch: Branch, response: Response) -> bool:
        """Try the contacts of a 3xx next, where that is wanted (16.5, 16.7 step 4); False if not.

        Only for users of ours, for nobody else may be redirected by us, and no URI twice.
        """
        context = self.context
        if not 300 <= response.status < 400 or not context.generation.options.recursive:
            return False
        if self.stopped or not context.own:
            return False
        tried = {other.target.uri_raw for other in self.branches}
        tried.update(target.uri_raw for group in self.groups for target in group)
        try:
            contacts = [c for c in response.contacts if isinstance(c.uri, SipUri)]
        except ParseError:
            return False
        targets = [
            Target(contact.uri_raw, branch.target.source, q=contact.q, uri=contact.uri)
            for contact in contacts
            if contact.uri_raw not in tried
        ]
        if not targets or len(self.branches) + len(targets) > MOST_TARGETS:
            return False
        most = context.generation.options.max_forks
        self.groups[:0] = in_groups(targets, min(most, self.breadth))
        return True

    def _keep(self, branch: Branch, status: int, response: Response | None) -> None:
        if response is not None and 300 <= status < 400:
            self.redirections.extend(response.values(b"contact"))
        if response is not None and status in (401, 407):
            for name in (b"www-authenticate", b"proxy-authenticate"):
                self.challenges.extend((name, value) for value in response.raw_values(name))
        if not self.best_status or better(status, self.best_status):
            self.best_status = status
            self.best = response
            self.best_target = branch.target

    def _stop(self) -> None:
        """Start nothing new; cancel what is out; end what is still being located."""
        self.stopped = True
        self.groups.clear()
        invite = self.context.method == "INVITE"
        for branch in self.branches:
            if branch.done:
                continue
            branch.hops.clear()
            if branch.transaction is None:
                if branch.locating is not None:
                    branch.locating.cancel()
                if not branch.done:
                    self.ended(branch)
            elif invite:
                self.forwarder.transactions.cancel(branch.transaction)

    def settle(self) -> None:
        """Go on when no branch is out: the next group, more targets of a module, or the answer."""
        context = self.context
        if self.live or context.status:
            self._forget_when_done()
            return
        if self.groups and not self.stopped:
            self._next_group()
            return
        hooks = context.hooks.response
        if hooks and not context.cancelled:
            self.forwarder.pipeline.run(hooks, context, self._best_response(), self._hooked)
        else:
            self._send_best()

    def _hooked(self, context: RequestContext, targets: Sequence[Target] | Refusal | None) -> None:
        """Phase response is over: try what it added, or answer."""
        if targets and not isinstance(targets, Refusal) and not context.cancelled:
            self.stopped = False
            self.begin(targets)
        else:
            self._send_best()

    def _best_response(self) -> Response:
        return self.best or self.forwarder.own_response(self.context, self._own_status())

    def _own_status(self) -> int:
        """The status when no callee gave one that is better than what happened here."""
        if self.context.cancelled:
            return 487
        return self.best_status or 408

    def _send_best(self) -> None:
        context = self.context
        if context.status:
            return
        status = self.best_status
        context.chosen = self.best_target
        if context.method != "INVITE" and status == 408:
            # RFC 4320 section 4.2: a 408 to a non-INVITE comes too late to help anybody.
            self.forwarder.abandon(context)
        elif status == 503 or self.best is None:
            # 16.7 step 6: a 503 says something of the next server, not of this one.
            own = 500 if status == 503 else self._own_status()
            self.forwarder.answer(context, self.forwarder.own_response(context, own))
        else:
            self._add_challenges(self.best)
            self._add_redirections(self.best)
            self.forwarder.upstream(context, self.best)
        self._forget_when_done()

    def _add_challenges(self, best: Response) -> None:
        """Give the caller the challenges of all branches at once (16.7 step 7)."""
        if best.status not in (401, 407) or len(self.challenges) < 2:
            return
        best.remove(b"www-authenticate")
        best.remove(b"proxy-authenticate")
        for name, value in dict.fromkeys(self.challenges):
            best.add(name, value)

    def _add_redirections(self, best: Response) -> None:
        """Give the caller the contacts of all 3xx at once (16.7 step 4)."""
        contacts = list(dict.fromkeys(self.redirections))
        if 300 <= best.status < 400 and len(contacts) > best.count(b"contact"):
            best.remove(b"contact")
            for contact in contacts:
                best.add(b"contact", contact)

    def _forget_when_done(self) -> None:
        """Break the circles of references once nothing is out and the caller has the answer."""
        if not self.live and self.context.status:
            for entry in self.alarms:
                self.forwarder.transactions.unschedule(entry)
            self.branches.clear()
            self.context.responses = None
