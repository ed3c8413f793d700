"""Trials of a search over the parameters of cultures: engine, simulation and metrics."""

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from culture_sim import engines, living
from culture_sim.engines.base import BatchEngine
from culture_sim.experiments import dispatch
from culture_sim.model.culture import Culture
from culture_sim.run import CultureLearner
from culture_sim.search.generation import together
from figures.after_run import draw_search_if_possible
from protocols.loading.published import Target
from protocols.loading.search_space import Dimension
from protocols.runs.processes import Failed
from protocols.runs.reporting import Watch, unheard
from protocols.search.trial import Outcome, Task, run_trial, scratch_run
from protocols.spec.culture import Culture as CultureSpec
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import CultureProtocol, DishProtocol, FitProtocol, Protocol, ReservoirProtocol

COUNT = "culture.neurons.count"


class CultureTrials:
    """Trials of a culture's protocol."""

    packages: tuple[str, ...] = CultureLearner.packages
    preload: tuple[str, ...] = ("culture_sim.search.trials", "sklearn.linear_model", "scipy.stats")

    def needs(self, protocol: Protocol, space: Sequence[Dimension]) -> engines.Shape | None:
        """Shape of a GPU's program, which serves cultures of all sizes up to the largest searched.

        None for living cultures, which have none.
        """
        if isinstance(protocol, FitProtocol):
            raise ProtocolFault([f"fit: in '{protocol.name}'; allowed: python -m culture_sim.fit RECORDING"])
        if isinstance(protocol, DishProtocol | ReservoirProtocol):
            return None
        if not isinstance(protocol, CultureProtocol):
            raise ProtocolFault([f"culture: missing in '{protocol.name}'; allowed: python -m hebbian_dl.search"])
        shape = engines.Shape.of(protocol.culture)
        counts = [shape.n_neurons]
        for dimension in space:
            if dimension.path == COUNT:
                counts += [int(choice) for choice in dimension.choices or ()] or [int(dimension.high)]
        return replace(shape, n_neurons=max(counts))

    def prepare(self, need: engines.Shape | None, device: str) -> engines.Engine | str:
        """The engine, compiled once per process."""
        return living.prepare(device) if need is None else _engine(need, device)

    def measure(
        self, protocol: Protocol, targets: list[Target], prepared: engines.Engine | str, watch: Watch
    ) -> dict[str, Any]:
        """Run all seeds, one after the other."""
        with scratch_run(protocol) as run:
            parts = [dispatch.run_seed(protocol, prepared, run, s, unheard, watch) for s in protocol.seed_list]
        return dispatch.summarise(protocol, parts, targets)

    def generation(self, need: engines.Shape | None, protocol: Protocol, device: str) -> "CudaGeneration | None":
        """Runner of as many trials at once as the GPU holds; None on other devices."""
        if device != "cuda" or need is None:
            return None
        assert isinstance(protocol, CultureProtocol)  # noqa: S101  (checked by needs())
        return CudaGeneration(self, need, protocol.culture)

    def figures(self, folder: Path, console: Console) -> None:
        """Draw the recipe and the other figures of the search, if matplotlib is installed."""
        draw_search_if_possible(folder, console.print)


class CudaGeneration:
    """Trials run at once on a GPU: as many as its memory holds cultures, at most `MOST`.

    A generation should be small compared with the search: its trials are chosen without each other's results.
    """

    MOST = 64

    def __init__(self, trials: CultureTrials, shape: engines.Shape, spec: CultureSpec) -> None:
        from culture_sim.engines.cuda import CudaEngine
        from culture_sim.engines.gpu import batch_size, require_gpu, require_toolchain

        require_toolchain()
        neurons = spec.neurons.model_copy(update={"count": shape.n_neurons})
        largest = Culture.grow(spec.model_copy(update={"neurons": neurons}))
        self.size = batch_size([largest] * self.MOST, require_gpu().free_bytes)
        self.trials, self.n_neurons = trials, shape.n_neurons
        self.engine: BatchEngine = CudaEngine.prepare(shape, self.size)

    def run(self, tasks: Sequence[Task]) -> list[Outcome | Failed]:
        """Run the trials, each in its own thread."""

        def trial(task: Task, engine: engines.Engine) -> Outcome:
            return run_trial(self.trials, replace(task, prepared=engine), unheard)

        outcomes = together(self.engine, self.n_neurons, [functools.partial(trial, task) for task in tasks])
        return [Failed(str(o) or type(o).__name__) if isinstance(o, Exception) else o for o in outcomes]


@functools.cache
def _engine(shape: engines.Shape, device: str) -> engines.Engine:
    return engines.prepare(device, shape)
