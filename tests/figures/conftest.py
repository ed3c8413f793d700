"""Fixtures: figures are closed after each test; answers of searches are made once."""

from collections.abc import Callable, Iterator
from typing import Any

import matplotlib.pyplot as plt
import pytest

from figures.runs.study import Answer, read_answer
from tests.figures.synthetic_search import VARIANTS, answer, write_study


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def contents() -> dict[str, dict[str, Any]]:
    """Answers of searches of one and of two objectives, and of a single trial."""
    return {name: answer(**options) for name, options in VARIANTS.items()}


@pytest.fixture(scope="session")
def read(contents: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Answer]:
    """Makes an answer read from a study directory, with entries changed."""

    def made(variant: str = "one", **changes: Any) -> Answer:
        return read_answer(write_study(tmp_path_factory.mktemp("study"), contents[variant] | changes))

    return made
