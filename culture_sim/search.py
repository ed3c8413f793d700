"""Search the parameters of cultures: ``python -m culture_sim.search protocols/mnist01_search.yaml``."""

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from culture_sim import engines, experiment
from culture_sim.run import CultureLearner
from figures.after_run import draw_search_if_possible
from protocols import cli
from protocols.faults import ProtocolFault
from protocols.schema import CultureProtocol, Protocol
from protocols.search.command import command
from protocols.search.space import Dimension
from protocols.search.trial import scratch_run
from protocols.targets import Target
from protocols.watching import Watch, unheard

COUNT = "culture.neurons.count"


class CultureTrials:
    """Trials of a culture's protocol."""

    packages: tuple[str, ...] = CultureLearner.packages
    preload: tuple[str, ...] = ("culture_sim.experiment", "sklearn.linear_model")

    def needs(self, protocol: Protocol, space: Sequence[Dimension]) -> engines.Shape:
        """The shape of the compiled program: one for cultures of all sizes up to the largest searched."""
        if not isinstance(protocol, CultureProtocol):
            raise ProtocolFault([f"culture: missing in '{protocol.name}'; allowed: python -m hebbian_dl.search"])
        shape = engines.Shape.of(protocol.culture)
        counts = [shape.n_neurons]
        for dimension in space:
            if dimension.path == COUNT:
                counts += [int(choice) for choice in dimension.choices or ()] or [int(dimension.high)]
        return replace(shape, n_neurons=max(counts))

    def prepare(self, need: engines.Shape, device: str) -> engines.Engine:
        """The engine, compiled once."""
        return _engine(need, device)

    def measure(
        self, protocol: Protocol, targets: list[Target], prepared: engines.Engine, watch: Watch
    ) -> dict[str, Any]:
        """Run all seeds, one after the other."""
        with scratch_run(protocol) as run:
            parts = [experiment.run_seed(protocol, prepared, run, s, unheard, watch) for s in protocol.seed_list]
        return experiment.summarise(protocol, parts, targets)

    def figures(self, folder: Path, console: Console) -> None:
        """Draw the recipe and what it follows from, if matplotlib is there."""
        draw_search_if_possible(folder, console.print)


@functools.cache
def _engine(shape: engines.Shape, device: str) -> engines.Engine:
    return engines.prepare(device, shape, n_steps=10**9, n_events=1e15)  # a search pays for a compiler


app = command(CultureLearner(), CultureTrials())

if __name__ == "__main__":
    cli.main(app)
