"""Run a protocol on simulated cultures or spiking networks: ``python -m culture_sim.run protocols/ruaro2005.yaml``."""

import contextlib
import functools
import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from culture_sim import engines
from culture_sim.closed_loop import steps
from culture_sim.experiments import dish_needs, table
from culture_sim.experiments.dispatch import discard, doing, outline, prepare, resumed, run_seed, summarise
from culture_sim.experiments.estimate import Estimate, estimate
from culture_sim.model.expected_work import expected_synapses
from culture_sim.model.topology import MOST_SYNAPSES
from culture_sim.reservoir import plan as reservoir_plan
from figures.after_run import make_if_possible
from protocols.images import datasets
from protocols.loading.published import read_targets
from protocols.plan.curriculum import expand_association
from protocols.runs import cli, run_directory
from protocols.runs.machine import available_memory_bytes, cores
from protocols.runs.progress import SeedProgress
from protocols.runs.seed_processes import run_seeds
from protocols.spec.faults import ProtocolFault, installation
from protocols.spec.protocol import (
    AssociationProtocol,
    CultureProtocol,
    DishProtocol,
    FitProtocol,
    Protocol,
    ReservoirProtocol,
    SpikingAssociation,
)

Simulated = CultureProtocol | DishProtocol | ReservoirProtocol | SpikingAssociation
FINISHED = {"positions", "filters"}  # arrays of which each finished seed has one


class CultureLearner:
    """Culture side of the command: checks, plans, runs and summarises a protocol."""

    packages: tuple[str, ...] = ("culture_sim", "protocols")
    devices: tuple[str, ...] = engines.DEVICES

    def check(self, protocol: Protocol, options: cli.Options) -> None:
        """Refuse missing images, a culture too large for memory, or more synapses than Brian2 can count."""
        protocol = _simulated(protocol)
        if isinstance(protocol, AssociationProtocol):
            if importlib.util.find_spec("sklearn") is None:  # needed by the linear readout at the end
                raise ProtocolFault([f"association: scikit-learn is not installed ({installation('data')})"])
            expand_association(protocol)
        if isinstance(protocol, ReservoirProtocol):
            reservoir_plan.check(protocol)
        if isinstance(protocol, CultureProtocol) and (most := _largest_projection(protocol)) > MOST_SYNAPSES:
            raise ProtocolFault(
                [
                    f"culture.neurons.count: {protocol.culture.neurons.count} gives a projection {most:.3g} synapses; "
                    f"allowed: {MOST_SYNAPSES:.3g}"
                ]
            )
        free = available_memory_bytes()
        if isinstance(protocol, DishProtocol):
            steps.check(protocol)
            dish_needs.check(protocol, options.out, free)
            return
        needed = self._estimate(protocol, options).memory_bytes
        if free is not None and needed > free:
            raise ProtocolFault(
                [
                    f"{_size(protocol)} needs about {needed / 1e9:.1f} GB; "
                    f"allowed: what fits into the {free / 1e9:.1f} GB available"
                ]
            )

    def check_data(self, protocol: Protocol, run: run_directory.Run) -> None:
        """Nothing to compare: the published images are verified by their checksums."""

    def plan(self, protocol: Protocol, options: cli.Options) -> list[str]:
        """Timeline, work and memory, as lines of text."""
        protocol = _simulated(protocol)
        work = self._estimate(protocol, options)
        if isinstance(protocol, DishProtocol):
            dish_needs.check(protocol, options.out, available_memory_bytes())
        return [
            "timeline (one seed):",
            *(f"  {line}" for line in outline(protocol)),
            _dimensions(protocol),
            f"work (one seed): {work.n_steps} steps, {work.n_synapses:.3g} synapses, "
            f"at most {work.most_events:.2g} synaptic events",
            f"memory (one seed): {work.memory_bytes / 1e9:.1f} GB; {self._jobs(protocol, options)} seeds at a time",
            *(dish_needs.outline(protocol, options.out) if isinstance(protocol, DishProtocol) else ()),
        ]

    def execute(
        self, protocol: Protocol, run: run_directory.Run, options: cli.Options, console: Console
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, np.ndarray]]:
        """Run the seeds that are not finished yet, then summarise all."""
        protocol = _simulated(protocol)
        seeds = list(protocol.seed_list)
        parts = {seed: part for seed in seeds if (part := run.load_part(f"seed_{seed}")) and part.keys() & FINISHED}
        if parts:
            console.print(f"Resuming: {len(parts)} of {len(seeds)} seeds are finished already.")
        missing = [seed for seed in seeds if seed not in parts]
        lines, before = resumed(protocol, run, missing)
        if isinstance(protocol, ReservoirProtocol):
            lines += reservoir_plan.notes(protocol)
        for line in lines:
            console.print(line, soft_wrap=True)
        name: str | None = None
        if missing:
            with console.status("Preparing the simulator (the first run compiles it) ..."):
                engine = prepare(protocol, options.device)
            name = engine if isinstance(engine, str) else engine.name
            jobs = self._jobs(protocol, options)
            console.print(f"{_learners(protocol, len(missing))}, engine {name}, {min(jobs, len(missing))} at a time.")
            task = functools.partial(run_seed, protocol, engine, run)
            with (
                SeedProgress(console, missing, doing(protocol), before) as progress,
                contextlib.closing(run_seeds(task, missing, jobs, progress.report)) as results,
            ):
                for seed, part in results:
                    run.save_part(f"seed_{seed}", part)
                    discard(run, seed)
                    parts[seed] = part
                    progress.report(seed, 1.0)
        targets = read_targets(options.targets) if options.targets else []
        metrics = summarise(protocol, [parts[seed] for seed in seeds], targets)
        arrays = {f"seed_{seed}/{path}": array for seed in seeds for path, array in parts[seed].items()}
        facts: dict[str, Any] = {"learner": "culture_sim", "seeds": seeds, "device": name}
        if isinstance(protocol, AssociationProtocol | ReservoirProtocol) and protocol.data is not None:
            facts["data"] = datasets.checksums(protocol.data.source)
        return metrics, facts, arrays

    def show(self, metrics: dict[str, Any], console: Console) -> None:
        """Print the results beside the published values."""
        table.show(metrics, console)

    def figures(self, run_dir: Path, console: Console) -> None:
        """Draw the figures, if matplotlib is installed."""
        make_if_possible(run_dir, console.print)

    def _estimate(self, protocol: Simulated, options: cli.Options) -> Estimate:
        return estimate(protocol, compiled=options.device != "runtime")

    def _jobs(self, protocol: Simulated, options: cli.Options) -> int:
        """Seeds run at the same time: as requested, limited by their number and by memory; one on a GPU."""
        if options.device == "cuda":
            return 1
        jobs = min(options.jobs or cores(), protocol.seeds)
        free = available_memory_bytes()
        return jobs if free is None else max(1, min(jobs, free // self._estimate(protocol, options).memory_bytes))


def _dimensions(protocol: Simulated) -> str:
    if isinstance(protocol, SpikingAssociation):
        n, pixels = protocol.spiking_network.neurons, math.prod(protocol.data.shape)
        return f"spiking network: {pixels} inputs, {n} excitatory and {n} inhibitory neurons"
    culture = protocol.culture
    _, _, width, height = culture.ground
    size = f"{width * 1e3:.3g} x {height * 1e3:.3g} mm"
    return f"culture: {culture.n_neurons} neurons on {size}, {culture.array.n_electrodes} electrodes"


def _size(protocol: Simulated) -> str:
    """Path and value of the number of neurons."""
    if isinstance(protocol, SpikingAssociation):
        return f"spiking_network.neurons: {protocol.spiking_network.neurons}"
    return f"culture.neurons.count: {protocol.culture.n_neurons}"


def _learners(protocol: Simulated, n: int) -> str:
    kind = "spiking network" if isinstance(protocol, SpikingAssociation) else "culture"
    return f"{n} {kind}s of {_size(protocol).rpartition(' ')[2]} neurons"


def _largest_projection(protocol: CultureProtocol) -> int:
    return max(expected_synapses(protocol.culture, name) for name in protocol.culture.projections)


def _simulated(protocol: Protocol) -> Simulated:
    if isinstance(protocol, FitProtocol):
        raise ProtocolFault(
            [f"fit: in '{protocol.name}'; allowed: python -m culture_sim.fit, python -m culture_sim.fit.train"]
        )
    if not isinstance(protocol, Simulated):
        raise ProtocolFault([f"culture: missing in '{protocol.name}'; allowed: python -m hebbian_dl.run for a network"])
    return protocol


app = cli.command(CultureLearner())

if __name__ == "__main__":
    cli.main(app)
