"""The phases of the pipeline: one table, in the order that a request walks them.

The runner, the reference page and the trace all read this table.  How a phase is run:

* ``all``: every hook is asked; the first refusal ends the walk;
* ``first``: hooks are asked in order until one answers;
* ``tell``: every hook is told; nothing that it does can stop the request.
"""

from typing import Final

from zope.interface.interface import InterfaceClass

from sipproxy import interfaces


class Phase:
    """One row: the name, interface and method of its hooks, how it is run, and why."""

    __slots__ = ("help", "hook", "interface", "name", "run")

    def __init__(
        self, name: str, interface: InterfaceClass, hook: str, run: str, text: str
    ) -> None:
        self.name = name
        self.interface = interface
        self.hook = hook
        self.run = run
        self.help = text


PHASES: Final[tuple[Phase, ...]] = (
    Phase("check", interfaces.IRequestCheck, "check", "all", "May this request be here at all?"),
    Phase(
        "authenticate",
        interfaces.IAuthenticator,
        "authenticate",
        "first",
        "Who sends it? An identity, or a challenge.",
    ),
    Phase(
        "authorize",
        interfaces.IAuthorizer,
        "authorize",
        "all",
        "May this sender do that? The relay rule stands here.",
    ),
    Phase(
        "serve",
        interfaces.IResponder,
        "serve",
        "first",
        "Requests that the server answers itself: REGISTER, OPTIONS to us.",
    ),
    Phase(
        "normalize",
        interfaces.INormalizer,
        "normalize",
        "all",
        "Bring the dialled number into its full form.",
    ),
    Phase(
        "translate",
        interfaces.ITranslator,
        "translate",
        "first",
        "From the Request-URI to contacts; with none, the Request-URI itself stands.",
    ),
    Phase(
        "next_hop",
        interfaces.INextHop,
        "next_hop",
        "first",
        "Where one target is sent to; with no answer, RFC 3263 on its host.",
    ),
    Phase(
        "fixup",
        interfaces.IRequestFixup,
        "fixup",
        "tell",
        "Last changes to the copy of the request that one branch sends.",
    ),
    Phase(
        "response",
        interfaces.IResponseHook,
        "response",
        "first",
        "The best response of a group of targets; a module may add targets instead of it.",
    ),
    Phase(
        "account",
        interfaces.IAccountant,
        "account",
        "tell",
        "What happens to a call, for the record.",
    ),
    Phase(
        "log",
        interfaces.ITransactionLog,
        "log_transaction",
        "tell",
        "A transaction has got its final response.",
    ),
)

#: The methods that hooks are chosen for when the configuration is loaded; any other is ``*``.
METHODS: Final = (
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "REGISTER",
    "OPTIONS",
    "PRACK",
    "UPDATE",
    "INFO",
    "MESSAGE",
    "SUBSCRIBE",
    "NOTIFY",
    "PUBLISH",
    "REFER",
    "*",
)
