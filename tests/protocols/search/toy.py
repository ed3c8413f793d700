"""Search without a simulator: trials evaluate a paraboloid over a protocol's parameters and log what was run.

``python -m tests.protocols.search.toy FILE --out DIR`` is a whole search command; TOY_LOG names its log.
"""

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from figures.after_run import draw_search_if_possible
from protocols.loading.published import Target
from protocols.loading.search_space import Dimension
from protocols.results.learning import UNIT
from protocols.results.statistics import over_seeds
from protocols.runs import cli, run_directory
from protocols.search.command import command
from protocols.spec.protocol import AssociationProtocol, Protocol

SEARCH = """
base: {base}
name: toy
data: {{source: digits, pool: 300}}
targets: null
search:
  space:
    culture.excitatory.strength: {{low: 10 mV, high: 1 V, scale: log}}
    culture.excitatory.sigma: {{low: 0.5 mm, high: 2 mm}}
  objectives: {{accuracy/validation: maximise}}
  budget: {{trials: {trials}}}
  seeds: 2
  confirmation: {{candidates: 2, seeds: 3}}
  {more}
"""


def write(folder: Path, trials: int = 12, more: str = "") -> Path:
    """A protocol file with a search."""
    base = Path(__file__).parents[3] / "protocols" / "mnist01.yaml"
    (folder / "base.yaml").write_text(base.read_text())
    path = folder / "toy.yaml"
    path.write_text(SEARCH.format(base="base.yaml", trials=trials, more=more))
    return path


def bowl(strength_v: float, sigma_m: float) -> float:
    """Best, 1, at 100 mV and 1 mm."""
    return 1 - math.log10(strength_v / 0.1) ** 2 / 4 - (sigma_m * 1e3 - 1) ** 2 / 4


class ToyTrials:
    packages: tuple[str, ...] = ("protocols",)
    preload: tuple[str, ...] = ("protocols.search.command",)

    def needs(self, protocol: Protocol, space: Sequence[Dimension]) -> str:
        return "nothing"

    def prepare(self, need: str, device: str) -> str:
        return "ready"

    def measure(
        self, protocol: Protocol, targets: list[Target], prepared: str, watch: Callable[[str, float], None]
    ) -> dict[str, Any]:
        assert isinstance(protocol, AssociationProtocol)
        own = protocol.culture.excitatory
        log({"strength": own.strength, "sigma": own.sigma, "first_seed": protocol.first_seed, "pid": os.getpid()})
        per_seed = []
        for seed in protocol.seed_list:
            value = bowl(own.strength, own.sigma) + np.random.default_rng(seed).normal(0, 0.002)
            for share in (0.25, 0.5, 0.75, 1.0):
                time.sleep(float(os.environ.get("TOY_SECONDS", "0")) / 8)
                watch("accuracy/validation", value * share)
            per_seed.append(value)
        if os.environ.get("TOY_FAILS"):
            raise RuntimeError("no such luck")
        return {
            "accuracy/validation": over_seeds(np.array(per_seed), UNIT),
            "accuracy/test": over_seeds(np.array(per_seed), UNIT),
        }

    def generation(self, need: str, protocol: Protocol, device: str) -> None:
        pass

    def figures(self, folder: Path, console: Console) -> None:
        draw_search_if_possible(folder, console.print)


class ToyLearner:
    packages: tuple[str, ...] = ("protocols",)
    devices: tuple[str, ...] = ("auto",)

    def check(self, protocol: Protocol, options: cli.Options) -> None:
        pass

    def check_data(self, protocol: Protocol, run: run_directory.Run) -> None:
        pass

    def plan(self, protocol: Protocol, options: cli.Options) -> list[str]:
        return ["a toy"]

    def execute(
        self, protocol: Protocol, run: run_directory.Run, options: cli.Options, console: Console
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, np.ndarray]]:
        metrics = ToyTrials().measure(protocol, [], "ready", lambda *_: None) | {"targets": []}
        return metrics, {}, {"nothing": np.zeros(1)}

    def show(self, metrics: dict[str, Any], console: Console) -> None:
        pass

    def figures(self, run_dir: Path, console: Console) -> None:
        pass


def log(line: dict[str, Any]) -> None:
    if "TOY_LOG" in os.environ:
        with open(os.environ["TOY_LOG"], "a") as file:
            file.write(json.dumps(line) + "\n")


app = command(ToyLearner(), ToyTrials())

if __name__ == "__main__":
    from tests.protocols.search import toy  # trials are pickled by the module's name

    cli.main(toy.app)
