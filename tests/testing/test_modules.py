"""The kit for module authors keeps to what it promises them."""

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipproxy.assembly import ConfigurationFaults
from sipproxy.config.directive import Directive, Take, integer, word
from sipproxy.core.context import RequestContext
from sipproxy.core.module import ConfigurationRefused, Module
from sipproxy.core.outcomes import Refusal
from sipproxy.core.targets import Target
from sipproxy.interfaces import IAccountant, IAuthorizer, IRequestFixup, ITranslator
from sipproxy.message.errors import ParseError
from sipproxy.message.message import Message, Request
from sipproxy.message.uri import Uri
from sipproxy.testing.modules import DoesNotApply, ModuleContext


@implementer(IAuthorizer, ITranslator, IRequestFixup, IAccountant)
class Sample(Module):
    """A module as somebody outside of the package would write it."""

    name = "mod_sip_sample"
    deadline = 3.0

    def configured(self) -> None:
        """Refuse what makes no sense."""
        self.events: list[str] = []
        self.waiting: Deferred[Any] = Deferred()
        if self.settings["SampleLimit"] > 5 and self.settings["SampleWord"] == "few":
            raise ConfigurationRefused("SampleLimit", "5 at the most when SampleWord is few")

    def authorize(self, context: RequestContext) -> Refusal | None:
        """Refuse a word."""
        if context.method == self.settings["SampleWord"]:
            context.because(
                ("no %s here", context.method), str(self.settings.position("SampleWord"))
            )
            return Refusal(403, "no", [(b"warning", b"399 x y")])
        return None

    def translate(self, context: RequestContext, uri: Uri) -> Sequence[Target] | Deferred[Any]:
        """Wait for the test, or raise."""
        if context.method == "INFO":
            raise ValueError("INFO is too much")
        if context.method == "MESSAGE":
            return [Target(b"sip:1@192.0.2.9", self.name)]
        return self.waiting

    def fixup(self, context: RequestContext, target: Target, request: Request) -> None:
        """Add the target."""
        request.add(b"subject", target.uri_raw)

    def account(self, context: RequestContext, event: str, message: Message) -> None:
        """Note."""
        self.events.append(event)


DIRECTIVES = (
    Directive("SampleWord", Take.ONE, word, "few", "A word."),
    Directive("SampleLimit", Take.ONE, integer(1, 10), "1", "A number."),
)


class ConfigureTests:
    """A module is configured as the server would do it."""

    def test_by_name(self) -> None:
        """A module of the package needs no more than its name and a line."""
        kit = ModuleContext("mod_sip_example", "ExampleUser parrot")
        outcome = kit.call("serve", kit.request("MESSAGE", "sip:parrot@example.com"))
        assert (outcome.status, outcome.decision) == (200, "answered")
        assert outcome.reason == "addressed to ExampleUser"
        assert outcome.where == "/sip/conf/sipd.conf:1"

    def test_by_class(self) -> None:
        """A module of somebody else brings its rows along."""
        assert ModuleContext(Sample, "SampleWord MESSAGE").module.settings["SampleLimit"] == 1

    def test_wrong_value(self) -> None:
        """A value that a row refuses is reported with file and line."""
        with pytest.raises(ConfigurationFaults) as raised:
            ModuleContext(Sample, "SampleWord a\nSampleLimit many")
        assert str(raised.value).startswith("/sip/conf/sipd.conf:2: ")

    def test_refused(self) -> None:
        """What the module itself refuses is shown at the line of the directive it names."""
        with pytest.raises(ConfigurationFaults, match=r"sipd.conf:2: SampleLimit: 5 at the most"):
            ModuleContext(Sample, "SampleWord few\nSampleLimit 9")

    def test_misspelt(self) -> None:
        """A directive that nobody owns is a fault."""
        with pytest.raises(ConfigurationFaults, match="SampleWorm"):
            ModuleContext(Sample, "SampleWorm a")

    def test_own_domain(self) -> None:
        """The server around the module can be told to be another one."""
        kit = ModuleContext(Sample, "ProxyDomain example.org")
        assert kit.request("MESSAGE", "sip:a@example.org").own
        assert not kit.request("MESSAGE", "sip:a@example.edu").own

    def test_unknown_name(self) -> None:
        """A name that is no module says what to do."""
        with pytest.raises(LookupError, match="give its class"):
            ModuleContext("mod_sip_nothing")


class CallTests:
    """A hook is called as the pipeline calls it."""

    def test_passes(self) -> None:
        """A hook that returns nothing has let the request pass."""
        outcome = ModuleContext(Sample).call("authorize")
        assert (outcome.result, outcome.decision, outcome.status) == (None, "passed", 0)

    def test_refuses(self) -> None:
        """A refusal shows with its status, its headers and the reason for the operator."""
        kit = ModuleContext(Sample, "\nSampleWord PUBLISH")
        outcome = kit.call("authorize", kit.request("PUBLISH"))
        assert outcome.status == 403
        assert outcome.header("Warning") == "399 x y"
        assert outcome.header("Reason") is None
        assert outcome.trail == [
            "authorize mod_sip_sample refused no PUBLISH here [/sip/conf/sipd.conf:2]"
        ]

    def test_targets(self) -> None:
        """What a translator gives is easy to compare."""
        kit = ModuleContext(Sample)
        assert kit.call("translate", kit.request("MESSAGE")).uris == ["sip:1@192.0.2.9"]

    def test_waits(self) -> None:
        """A hook that waits is told from one that declined, and its answer comes later."""
        kit = ModuleContext(Sample)
        outcome = kit.call("translate")
        assert outcome.waiting
        with pytest.raises(AssertionError, match="still waits"):
            outcome.result  # noqa: B018
        kit.module.waiting.callback([Target(b"sip:2@192.0.2.9", "x")])
        assert outcome.uris == ["sip:2@192.0.2.9"]

    def test_deadline(self) -> None:
        """A hook that waits for too long costs the request a 500, as in the server."""
        kit = ModuleContext(Sample)
        outcome = kit.call("translate")
        kit.run(2.9)
        assert outcome.waiting
        kit.run(0.2)
        assert (outcome.status, outcome.decision) == (500, "timed out")

    def test_raises(self) -> None:
        """What a hook raises reaches the test, with its own traceback."""
        kit = ModuleContext(Sample)
        with pytest.raises(ValueError, match="too much"):
            kit.call("translate", kit.request("INFO"))

    def test_fails_later(self) -> None:
        """What a Deferred fails with reaches the test where it looks at the result."""
        kit = ModuleContext(Sample)
        outcome = kit.call("translate")
        kit.module.waiting.errback(ValueError("no"))
        with pytest.raises(ValueError, match="no"):
            outcome.result  # noqa: B018

    def test_fixup(self) -> None:
        """The copy that a branch would send can be read afterwards."""
        assert (
            ModuleContext(Sample).call("fixup").edited.value(b"subject") == b"sip:bob@example.com"
        )

    def test_account(self) -> None:
        """Accountants are told the event that the test names, or the usual one."""
        kit = ModuleContext(Sample)
        kit.call("account")
        kit.call("account", kit.request(), "ended", kit.request().request)
        assert kit.module.events == ["forwarded", "ended"]

    def test_not_asked(self) -> None:
        """A hook that the server would not ask for that request is no hook that declined."""
        kit = ModuleContext(Sample)
        with pytest.raises(DoesNotApply, match="inside dialogs"):
            kit.call("authorize", kit.request("BYE", in_dialog=True))
        with pytest.raises(DoesNotApply, match="phase serve"):
            kit.call("serve")
        with pytest.raises(LookupError, match="there is no phase"):
            kit.call("translater")


class RequestTests:
    """A made-up request is what the server would have made of a real one."""

    def test_source(self) -> None:
        """A hook sees who sent it, and what the server noted of that in the Via."""
        context = ModuleContext(Sample).request(source="192.0.2.77:5099")
        assert (context.peer.host, context.peer.port) == ("192.0.2.77", 5099)
        assert context.request.top_via.host == "192.0.2.77"

    def test_identity(self) -> None:
        """A request may come from somebody who was authenticated."""
        identity = ModuleContext(Sample).request(identity="alice").identity
        assert identity is not None and (identity.user, identity.realm) == ("alice", "example.com")

    def test_hypothetical(self) -> None:
        """A hypothetical request has no transaction, a real one has."""
        kit = ModuleContext(Sample)
        assert kit.request(hypothetical=True).transaction is None
        assert kit.request().transaction is not None

    def test_nonsense(self) -> None:
        """A request that the server would have refused before any module is not made."""
        with pytest.raises(ParseError):
            ModuleContext(Sample).request(uri="sip:a@b@c")

    def test_bound(self) -> None:
        """A phone can be registered without a REGISTER."""
        kit = ModuleContext("mod_sip_registry")
        kit.bind("bob@example.com", "sip:b1@192.0.2.5", "sip:b2@192.0.2.6")
        outcome = kit.call("translate", kit.request())
        assert sorted(outcome.uris) == ["sip:b1@192.0.2.5", "sip:b2@192.0.2.6"]
