"""Writes the decision trail of every request to the error log, at level info of this module."""

from typing import Final

from zope.interface import implementer

from sipproxy.config.directive import Directive
from sipproxy.core.context import RequestContext
from sipproxy.core.decisions import trail_lines
from sipproxy.core.module import Module
from sipproxy.interfaces import ITransactionLog


@implementer(ITransactionLog)
class Trace(Module):
    """Phase log: one line a decision.  Show them with ``LogLevel mod_sip_trace info``."""

    name = "mod_sip_trace"

    def applies(self, phase: str, method: str, in_dialog: bool) -> bool:
        """Trace everything."""
        return True

    def log_transaction(self, context: RequestContext) -> None:
        """Write the trail of a request that has got its final response."""
        request = context.request
        call_id = request.call_id
        self.log.info("trace.request", context.method, status=context.status, call_id=call_id)
        for line in trail_lines(context.trail):
            self.log.info("trace.decision", line)


DIRECTIVES: Final[tuple[Directive, ...]] = ()
