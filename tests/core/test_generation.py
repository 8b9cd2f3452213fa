"""One configuration made ready."""

from sipproxy.assembly import build_options
from sipproxy.core.domains import Domains
from sipproxy.core.generation import Generation, Options
from sipproxy.core.pipeline import choose_hooks
from sipproxy.testing.core import RecordingFlows, StubModule
from sipproxy.testing.server import configuration_of


class HooksForTests:
    """Which hooks a request meets."""

    def test_rows(self) -> None:
        """By method and side; what is not known is ``*``."""
        hooks = choose_hooks([StubModule("mod_a", check=lambda context: None)])
        generation = Generation(3, hooks, Domains([], [], RecordingFlows()), Options())
        outside, inside = hooks
        assert generation.number == 3
        assert generation.hooks_for("INVITE", False) is outside["INVITE"]
        assert generation.hooks_for("INVITE", True) is inside["INVITE"]
        assert generation.hooks_for("FROBNICATE", False) is outside["*"]
        assert generation.hooks_for("FROBNICATE", True) is inside["*"]


class OptionsTests:
    """The core's own settings."""

    def test_defaults(self) -> None:
        """They are those of the directives."""
        given, plain = build_options(configuration_of("")), Options()
        for name in Options.__slots__:
            assert getattr(given, name) == getattr(plain, name), name
