"""Parameter search with networks: ``python -m hebbian_dl.search protocols/digits_hebb_search.yaml``."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from figures.after_run import draw_search_if_possible
from hebbian_dl.environment import device_of
from hebbian_dl.run import PRELOAD, NetworkLearner
from protocols.loading.published import Target
from protocols.loading.search_space import Dimension
from protocols.runs import cli
from protocols.runs.reporting import Watch, unheard
from protocols.search.command import command
from protocols.search.trial import scratch_run
from protocols.spec.protocol import Protocol


class NetworkTrials:
    """Trials of a search, of which each trains the networks of a protocol."""

    packages: tuple[str, ...] = NetworkLearner.packages
    preload: tuple[str, ...] = PRELOAD

    def needs(self, protocol: Protocol, space: Sequence[Dimension]) -> None:
        """Programs to compile before the trials: none."""

    def prepare(self, need: None, device: str) -> str:
        """Device of the trainings."""
        return device_of(device)

    def measure(self, protocol: Protocol, targets: list[Target], prepared: str, watch: Watch) -> dict[str, Any]:
        """Metrics of one trial: all seeds and methods, trained one after the other."""
        from hebbian_dl.experiments import dispatch

        threads = int(os.environ.get("OMP_NUM_THREADS") or 1)
        with scratch_run(protocol) as run:
            indices = range(len(dispatch.task_names(protocol)))
            parts = [dispatch.run_task(protocol, prepared, threads, run, i, unheard, watch) for i in indices]
        return dispatch.summarise(protocol, parts, targets)

    def generation(self, need: None, protocol: Protocol, device: str) -> None:
        """None: every trial has a process of its own."""

    def figures(self, folder: Path, console: Console) -> None:
        """Draw the figures of the search, if matplotlib is installed."""
        draw_search_if_possible(folder, console.print)


app = command(NetworkLearner(), NetworkTrials())

if __name__ == "__main__":
    cli.main(app)
