"""The access log: formats, files, and what peers may not do to its lines."""

import errno
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sipproxy.assembly import ConfigurationFaults
from sipproxy.core.context import RequestContext
from sipproxy.core.decisions import REFUSED
from sipproxy.core.outcomes import Identity
from sipproxy.core.phases import METHODS
from sipproxy.core.targets import Target
from sipproxy.modules.mod_sip_log import AccessFile, compile_format
from sipproxy.testing.clock import VirtualClock
from sipproxy.testing.modules import ModuleContext
from sipproxy.testing.network import Network
from sipproxy.testing.server import SimulatedServer

NAME = "mod_sip_log"
#: A file on a disk that is always full.
FULL = Path("/dev/full")
AROUND = ("Listen 10.0.0.1:5060", "ProxyDomain example.com")


def line(written: str, context: RequestContext) -> str:
    """Format one line."""
    template, getters = compile_format(written)
    return template % tuple(getter(context) for getter in getters)


def request(*headers: tuple[str, str], **how: Any) -> RequestContext:
    """Give a request that was answered."""
    context = ModuleContext("mod_sip_trace").request(headers=headers, **how)
    context.status = 486
    context.ended = context.began + 1.25
    return context


class FormatTests:
    """What an item prints."""

    @pytest.mark.parametrize(
        ("item", "printed"),
        [
            ("%h", "192.0.2.1"),
            ("%a", "192.0.2.1"),
            ("%p", "5060"),
            ("%H", "UDP"),
            ("%l", "-"),
            ("%u", "-"),
            ("%r", "INVITE sip:bob@example.com SIP/2.0"),
            ("%m", "INVITE"),
            ("%U", "sip:bob@example.com"),
            ("%s", "486"),
            ("%>s", "486"),
            ("%b", "-"),
            ("%B", "0"),
            ("%D", "1250000"),
            ("%T", "1"),
            ("%P", str(os.getpid())),
            ("%{Max-Forwards}i", "70"),
            ("%{max-forwards}i", "70"),
            ("%{X-None}i", "-"),
            ("%{from}x", "sip:alice@example.com"),
            ("%{to}x", "sip:bob@example.com"),
            ("%{target}x", "-"),
            ("%{module}x", "-"),
            ("%{number}x", "-"),
            ("%{reason}x", "-"),
            ("%%", "%"),
            ("100%% of %m", "100% of INVITE"),
            ("%!200m", "INVITE"),
        ],
    )
    def test_items(self, item: str, printed: str) -> None:
        """Each item of the table, on one line."""
        assert line(item, request()) == printed + "\n"

    def test_what_was_decided(self) -> None:
        """User, target, module, number and reason, once they are known."""
        context = request()
        context.identity = Identity("alice", "example.com", "digest")
        context.chosen = Target(b"sip:bob@192.0.2.20", "mod_to")
        context.decided_by = "mod_b"
        context.number = "+1201"
        context.because(("not from %s", "there"))
        context.decide("authorize", "mod_b", REFUSED)
        printed = line("%u %{target}x %{module}x %{number}x %{reason}x", context)
        assert printed == "alice sip:bob@192.0.2.20 mod_b +1201 not from there\n"

    def test_uri_as_it_came(self) -> None:
        """The Request-URI is the one that came, whatever was made of it."""
        context = request()
        context.request.set_uri(b"sip:other@example.com")
        assert line("%U", context) == "sip:bob@example.com\n"

    def test_time(self) -> None:
        """Apache's form by default, strftime's when given; both of now."""
        before = time.time()
        printed = line("%t", request())
        assert re.fullmatch(r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]\n", printed)
        assert abs(int(line("%{%s}t", request())) - before) < 5

    @pytest.mark.parametrize("wrong", ["%q", "%{x}h", "%{nothing}x", "%i", "%x", "50% of", "%"])
    def test_unknown(self, wrong: str) -> None:
        """An item that does not exist is said when the configuration is read."""
        with pytest.raises(ValueError, match="%"):
            compile_format(wrong)


class InjectionTests:
    """Peers write into the log only what stays inside its quotes."""

    @pytest.mark.parametrize(
        "value", ['a" 200 "b', "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "a\x1b[31mb", "a\tb"]
    )
    def test_header(self, value: str) -> None:
        """Quotes, tabs and escapes are spelled out; letters of any language stay."""
        printed = line('"%{X-Evil}i"', request(("X-Evil", value)))
        inside = printed.rstrip("\n")[1:-1]
        assert inside.isprintable()
        assert re.search(r'(?<!\\)"', inside) is None

    def test_octets_that_are_no_text(self) -> None:
        """What is no UTF-8 is spelled out too."""
        context = request()
        context.request.set(b"x-evil", b"\xff\xfe")
        assert line("%{X-Evil}i", context).isascii()

    def test_percent_in_a_value(self) -> None:
        """A percent sign in a value is not taken for an item."""
        assert line("%{X-Evil}i", request(("X-Evil", "%s %(x)s"))) == "%s %(x)s\n"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[ModuleContext, Path]]:
    """Give a started module and the file that it writes."""
    path = tmp_path / "access_log"
    kit = ModuleContext(NAME, f'CustomLog {path} "%m %s"', around=AROUND)
    kit.module.startService()
    try:
        yield kit, path
    finally:
        kit.module.stopService()


class FileTests:
    """When lines are written."""

    def test_within_a_second(self, log: tuple[ModuleContext, Path]) -> None:
        """Lines wait for a second at the most, over and over."""
        kit, path = log
        for round_ in (1, 2):
            kit.call("log", kit.request())
            assert path.read_text().count("\n") == round_ - 1
            kit.run(1.5)
            assert path.read_text() == "INVITE 0\n" * round_

    def test_many(self, log: tuple[ModuleContext, Path]) -> None:
        """Five hundred lines do not wait."""
        kit, path = log
        context = kit.request()
        for _ in range(500):
            kit.call("log", context)
        assert path.read_text().count("\n") == 500

    def test_stop(self, log: tuple[ModuleContext, Path]) -> None:
        """What waits is written when the server stops, and nothing is asked for any more."""
        kit, path = log
        kit.call("log", kit.request())
        kit.module.stopService()
        assert path.read_text() == "INVITE 0\n"
        kit.run(5)

    def test_rotated(self, log: tuple[ModuleContext, Path]) -> None:
        """After the file was moved away the old one gets what waited, the new one the rest."""
        kit, path = log
        kit.call("log", kit.request("INVITE"))
        old = path.rename(path.with_name("access_log.1"))
        kit.module.reopen()
        kit.call("log", kit.request("BYE"))
        kit.run(1.5)
        assert old.read_text() == "INVITE 0\n" and path.read_text() == "BYE 0\n"

    def test_duration(self, log: tuple[ModuleContext, Path]) -> None:
        """The end of a request is noted when it is logged."""
        kit, _ = log
        context = kit.request()
        kit.run(2)
        kit.call("log", context)
        assert context.ended - context.began == pytest.approx(2)

    @pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
    def test_full_disk(self) -> None:
        """What a full disk does not take is counted, once, and the server goes on."""
        file = AccessFile(str(FULL), "%m")
        file.open()
        for _ in range(2):
            file.add(request())
        file.flush()
        assert file.lost == 2
        file.flush()
        assert file.lost == 2
        with suppress(OSError):
            file.close()

    @pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
    @pytest.mark.parametrize("then", ["close", "open"])
    def test_end_on_a_full_disk(self, then: str) -> None:
        """A full disk neither stops the server from stopping nor keeps it from rotating."""
        file = AccessFile(str(FULL), "%m")
        file.open()
        file.add(request())
        file.flush()
        if then == "open":
            file.open()
        file.close()
        assert file.lost == 1

    def test_cannot_be_opened(self, tmp_path: Path) -> None:
        """A folder that is not there is an error at start."""
        with pytest.raises(OSError) as caught:
            AccessFile(str(tmp_path / "no" / "log"), "%m").open()
        assert caught.value.errno == errno.ENOENT

    def test_not_opened(self) -> None:
        """A file that was never opened loses its lines without a fuss."""
        file = AccessFile("/nowhere", "%m")
        file.add(request())
        file.close()


class ConfigureTests:
    """CustomLog and LogFormat."""

    def test_nickname(self, tmp_path: Path) -> None:
        """A format may be named, several files may have different ones."""
        one, two = tmp_path / "one", tmp_path / "two"
        text = f'LogFormat "%m" short\nCustomLog {one} short\nCustomLog {two} common'
        kit = ModuleContext(NAME, text, around=AROUND)
        assert [file.path for file in kit.module.files] == [str(one), str(two)]

    def test_nothing_is_opened_yet(self, tmp_path: Path) -> None:
        """Configuring touches no file: a check of the configuration leaves no trace."""
        ModuleContext(NAME, f"CustomLog {tmp_path / 'log'} sip", around=AROUND)
        assert not (tmp_path / "log").exists()

    def test_unknown_item(self, tmp_path: Path) -> None:
        """An item that does not exist is a fault with file and line."""
        text = f'Listen 10.0.0.1:5060\nCustomLog {tmp_path / "log"} "%q"'
        with pytest.raises(ConfigurationFaults) as caught:
            SimulatedServer(Network(VirtualClock()), text)
        assert "sipd.conf:2" in str(caught.value) and "%q" in str(caught.value)

    def test_off(self) -> None:
        """Without a file the module has no hooks at all."""
        module = ModuleContext(NAME).module
        assert module.files == []
        assert not any(module.applies("log", method, False) for method in METHODS)
        module.startService()
        module.stopService()

    def test_applies(self, tmp_path: Path) -> None:
        """With one it logs everything but ACK, inside dialogs too."""
        module = ModuleContext(NAME, f"CustomLog {tmp_path / 'log'}", around=AROUND).module
        for method in METHODS:
            for inside in (True, False):
                assert module.applies("log", method, inside) is (method != "ACK")
