"""The modules that come with the server: one list, in the order in which they run."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

from twisted.plugin import getPlugins
from zope.interface import implementer

from sipproxy.config.directive import Directive
from sipproxy.interfaces import INTERFACE_VERSION, IModuleMaker


@implementer(IModuleMaker)
class StandardModule:
    """A module of this package; ``always`` ones need no LoadModule."""

    __slots__ = ("always", "dotted", "help", "interface_version", "name")

    def __init__(self, name: str, class_name: str, text: str, always: bool = False) -> None:
        self.name = name
        self.dotted = f"sipproxy.modules.{name}:{class_name}"
        self.help = text
        self.always = always
        self.interface_version = INTERFACE_VERSION


STANDARD_MODULES: Final[tuple[StandardModule, ...]] = (
    StandardModule(
        "mod_sip_relay", "Relay", "Says who may send requests on to other hosts.", always=True
    ),
    StandardModule(
        "mod_sip_options",
        "Options",
        "Answers OPTIONS and keep-alive NOTIFY that are meant for the server itself.",
        always=True,
    ),
    StandardModule(
        "mod_sip_registry",
        "RegistryModule",
        "The registrar, and the translation of its users to their phones.",
        always=True,
    ),
    StandardModule("mod_sip_log", "AccessLog", "Writes the access log.", always=True),
    StandardModule(
        "mod_sip_trace", "Trace", "Writes the decision trail of every request to the error log."
    ),
    StandardModule("mod_sip_example", "Example", "Shows every hook in a few lines each: copy it."),
)


def known_modules() -> tuple[str, ...]:
    """Give the names of the modules that come with the server, in run order."""
    return tuple(maker.name for maker in STANDARD_MODULES)


def always_loaded() -> tuple[str, ...]:
    """Give the names of the modules that need no LoadModule."""
    return tuple(maker.name for maker in STANDARD_MODULES if maker.always)


def maker_of(name: str) -> Any | None:
    """Find the maker of a module: ours, or one from a ``twisted/plugins/`` folder; None if
    unknown.
    """
    for maker in STANDARD_MODULES:
        if maker.name == name:
            return maker
    for plugin in getPlugins(IModuleMaker):
        if plugin.name == name:
            return plugin
    return None


def directives_of(name: str) -> Sequence[Directive] | None:
    """Give the directive rows of a module, None when there is no such module."""
    maker = maker_of(name)
    if maker is None:
        return None
    rows = getattr(import_module(maker.dotted.partition(":")[0]), "DIRECTIVES", ())
    return tuple(rows)


def class_of(maker: Any) -> Any:
    """Import and give the class of a module.  Raises ImportError or AttributeError."""
    place, _, class_name = maker.dotted.partition(":")
    return getattr(import_module(place), class_name)
