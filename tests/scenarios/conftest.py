"""Every scenario has a scene, and leaves nothing behind in it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sipproxy.testing.scene import Scene


@pytest.fixture
def make_scene() -> Iterator[Callable[..., Scene]]:
    """Make scenes; when the scenario is over, all timers run, and then nothing may be left."""
    made: list[Scene] = []

    def make(text: str = "", **options: Any) -> Scene:
        made.append(Scene(text, **options))
        return made[-1]

    yield make
    for scene in made:
        scene.settle()


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    """Give the scene of a server that is configured as it comes."""
    return make_scene()
