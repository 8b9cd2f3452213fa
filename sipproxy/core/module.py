"""The base of a module: a service with directives, and defaults for what few modules change."""

from typing import TYPE_CHECKING

from twisted.application.service import Service
from zope.interface import implementer

from sipproxy.interfaces import IModule
from sipproxy.log import Logger, get_logger

if TYPE_CHECKING:
    from sipproxy.config.loader import Settings
    from sipproxy.interfaces import IHost


class ConfigurationRefused(Exception):
    """A module's directives make no sense together; ``directive`` says which one to look at."""

    def __init__(self, directive: str, detail: str) -> None:
        super().__init__(detail)
        self.directive = directive
        self.detail = detail


class NotConfigured(Exception):
    """A module bows out: it has nothing to do with this configuration.  The text says why."""


@implementer(IModule)
class Module(Service):
    """What every module starts from.  Set ``name``; override `configured` to read settings."""

    name: str = ""
    deadline: float = 5.0
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    settings: "Settings"
    host: "IHost"
    log: Logger

    def configure(self, settings: "Settings", host: "IHost") -> None:
        """Keep settings and host, then let `configured` look at them."""
        self.settings = settings
        self.host = host
        self.log = get_logger(self.name)
        self.configured()

    def configured(self) -> None:
        """Look at ``self.settings``; raise `ConfigurationRefused` or `NotConfigured`."""

    def reopen(self) -> None:
        """Open log files again (signal USR1).  Raises OSError."""

    def applies(self, phase: str, method: str, in_dialog: bool) -> bool:
        """Want everything outside dialogs, and of ACK nothing."""
        return not in_dialog and method != "ACK"
