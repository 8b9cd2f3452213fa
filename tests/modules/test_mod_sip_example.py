"""The example that module authors copy: it does what it says, and nothing else."""

import pytest
from zope.interface.verify import verifyObject

from sipproxy.core.phases import PHASES, Phase
from sipproxy.testing.modules import ModuleContext

NAME = "mod_sip_example"


class EchoTests:
    """The one thing that it does."""

    def test_answers(self) -> None:
        """A MESSAGE to ExampleUser is answered 200, and the trail names the line."""
        kit = ModuleContext(NAME, "ExampleUser parrot")
        outcome = kit.call("serve", kit.request("MESSAGE", "sip:parrot@example.com"))
        assert outcome.status == 200 and outcome.result.to_tag
        assert outcome.reason == "addressed to ExampleUser" and outcome.where.endswith(":1")

    def test_default(self) -> None:
        """Nobody said otherwise, so it is echo; the trail names no line then."""
        kit = ModuleContext(NAME)
        outcome = kit.call("serve", kit.request("MESSAGE", "sip:echo@example.com"))
        assert outcome.status == 200 and outcome.where == ""

    @pytest.mark.parametrize(
        ("method", "uri"),
        [
            ("INVITE", "sip:echo@example.com"),
            ("MESSAGE", "sip:bob@example.com"),
            ("MESSAGE", "sip:echo@203.0.113.80"),
            ("MESSAGE", "tel:+1201"),
        ],
    )
    def test_declines(self, method: str, uri: str) -> None:
        """Everything else is somebody else's."""
        kit = ModuleContext(NAME)
        assert kit.call("serve", kit.request(method, uri)).result is None


class HookTests:
    """All others."""

    @pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
    def test_has_every_hook(self, phase: Phase) -> None:
        """There is one for each phase, and it lets everything be."""
        kit = ModuleContext(NAME)
        assert verifyObject(phase.interface, kit.module)
        context = kit.request()
        before = context.request.to_bytes()
        outcome = kit.call(phase.name, context)
        assert outcome.result is None
        assert context.request.to_bytes() == before
