"""Train a posterior for fits to recordings: ``python -m culture_sim.fit.train spontaneous_fit``."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from culture_sim.fit.amortised.training import PosteriorLearner, fit_protocol
from culture_sim.fit.space import Space, check_free
from protocols.loading.loader import load
from protocols.runs import cli, scratch
from protocols.runs.cli import PROTOCOL_HELP
from protocols.search.cluster import connected, on_cluster
from protocols.search.command import ClusterOption

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def train(
    protocol: Annotated[str, typer.Argument(help=f"{PROTOCOL_HELP} It has a 'fit:' section.")] = "spontaneous_fit",
    quick: Annotated[bool, typer.Option("--quick", help="The file's small version.")] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Override, for example fit.simulations=20000.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Simulations at a time. Default: one a core.")] = None,
    cluster: ClusterOption = None,
    device: Annotated[str, typer.Option(help=" | ".join(PosteriorLearner.devices))] = "auto",
    out: Annotated[Path, typer.Option(help="Where run directories go.")] = Path("runs"),
    json_: Annotated[bool, typer.Option("--json", help="Print the calibration as JSON, nothing else.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Train again even if the run exists.")] = False,
) -> None:
    """Simulate recordings with parameters of the prior, learn the posterior, and check it on held-out recordings."""
    cli.check_device(device, PosteriorLearner.devices)
    loaded = load(protocol, list(set_ or []), quick=quick)
    check_free(list(set_ or []), Space(fit_protocol(loaded)).paths)
    options = cli.Options(device, jobs, cli.targets_of(protocol, loaded), out)
    if dry_run:
        cli.show_plan(loaded, lambda: PosteriorLearner().plan(loaded, options))
        return
    scratch.claim()
    with _workers(cluster, loaded) as workers:
        cli.run_and_show(PosteriorLearner(workers), loaded, options, out, json_, force)


@contextlib.contextmanager
def _workers(cluster: str | None, protocol: Any) -> Iterator[Any]:
    if cluster is None:
        yield None
        return
    options = protocol.search.cluster if protocol.search else {}
    with connected(cluster, options) as client:
        yield lambda work, following: on_cluster(client, work, following, Console(stderr=True, highlight=False))


if __name__ == "__main__":
    cli.main(app)
