"""One configuration made ready: what the core asks of it.  Requests end with the one they began
with.
"""

from sipproxy.core.domains import Domains
from sipproxy.core.pipeline import MethodHooks


class Options:
    """The core's own settings, as plain attributes (seconds and bytes)."""

    __slots__ = (
        "group_timer",
        "max_forks",
        "prefer_tcp_above",
        "record_route",
        "recursive",
        "redirect",
        "signature",
        "timer_c",
    )

    def __init__(
        self,
        *,
        record_route: bool = True,
        recursive: bool = False,
        redirect: bool = False,
        group_timer: float = 0.0,
        max_forks: int = 5,
        timer_c: float = 185.0,
        prefer_tcp_above: int = 1300,
        signature: bytes = b"sipproxy",
    ) -> None:
        self.record_route = record_route
        self.recursive = recursive
        self.redirect = redirect
        self.group_timer = group_timer
        self.max_forks = max_forks
        self.timer_c = timer_c
        self.prefer_tcp_above = prefer_tcp_above
        self.signature = signature


class Generation:
    """Hooks, domains and options of one configuration; ``number`` counts reloads from 1."""

    __slots__ = ("domains", "inside", "number", "options", "outside")

    def __init__(
        self,
        number: int,
        hooks: tuple[dict[str, MethodHooks], dict[str, MethodHooks]],
        domains: Domains,
        options: Options,
    ) -> None:
        self.number = number
        self.outside, self.inside = hooks
        self.domains = domains
        self.options = options

    def hooks_for(self, method: str, in_dialog: bool) -> MethodHooks:
        """Give the hooks that apply to a method, chosen when the configuration was loaded."""
        table = self.inside if in_dialog else self.outside
        return table.get(method) or table["*"]
