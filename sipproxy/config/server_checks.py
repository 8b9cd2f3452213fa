"""Checks that look at more than one of the server's own directives."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from sipproxy.config.settings import Configuration
from sipproxy.config.spelling import did_you_mean, quoted
from sipproxy.config.tree import Fault


def _check_formats(configuration: Configuration) -> list[Fault]:
    server = configuration.server
    nicknames = {given.nickname for given in server["LogFormat"]}
    faults = []
    for log, position in zip(server["CustomLog"], server.positions("CustomLog"), strict=True):
        if "%" not in log.format and log.format not in nicknames:
            near = did_you_mean(log.format, nicknames)
            text = f"no LogFormat has the nickname {quoted(log.format)}{near}"
            faults.append(server.fault("CustomLog", text, position))
    return faults


def _check_timers(configuration: Configuration) -> list[Fault]:
    server = configuration.server
    t1, t2 = server["SIP_T1_in_ms"], server["SIP_T2_in_ms"]
    if t2 >= t1:
        return []
    if server.given("SIP_T2_in_ms"):
        return [server.fault("SIP_T2_in_ms", f"{t2} is less than SIP_T1_in_ms, which is {t1}")]
    return [server.fault("SIP_T1_in_ms", f"{t1} is more than SIP_T2_in_ms, which is {t2}")]


def _check_levels(configuration: Configuration) -> list[Fault]:
    """A level for a module that is not there has no effect: worth a note."""
    server = configuration.server
    faults = []
    for rule, position in zip(server["LogLevel"], server.positions("LogLevel"), strict=True):
        name = rule.module
        if name is None or not name.startswith("mod_") or name in configuration.modules:
            continue
        near = did_you_mean(name, configuration.modules)
        fault = server.fault("LogLevel", f"no module {quoted(name)} is loaded{near}", position)
        faults.append(replace(fault, severity="note"))
    return faults


#: Called with the configuration once all values are there; each returns faults.
SERVER_CHECKS: Final[tuple[Callable[[Configuration], list[Fault]], ...]] = (
    _check_formats,
    _check_timers,
    _check_levels,
)
