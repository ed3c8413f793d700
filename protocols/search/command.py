"""Command line of the search, the same in both packages: search, confirm, predict, report."""

import contextlib
import fcntl
import functools
import importlib.util
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from protocols.loading.loader import load, parse_yaml
from protocols.loading.published import read_targets
from protocols.loading.search_space import at_point, dimensions
from protocols.runs import run_directory, scratch
from protocols.runs.cli import (
    PROTOCOL_HELP,
    AllowCodeOption,
    Learner,
    ListOption,
    Options,
    check_device,
    kept_on_interruption,
    result_console,
    show_plan,
    targets_of,
)
from protocols.runs.machine import cores
from protocols.runs.processes import side_by_side
from protocols.search.answer import report
from protocols.search.cluster import connected, on_cluster
from protocols.search.loop import Leader, Workers, in_generations
from protocols.search.plans import grid_size
from protocols.search.study import Study, set_aside
from protocols.search.trial import Task, Trials, run_trial
from protocols.spec.faults import ProtocolFault, installation
from protocols.spec.protocol import Protocol
from protocols.spec.search import GridSampler

ClusterOption = Annotated[str | None, typer.Option(help="tcp://host:port of a Dask scheduler, or slurm.")]


def command(learner: Learner, trials: Trials) -> typer.Typer:
    """Command-line program that searches a learner's parameters."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

    @app.command()
    def search(
        protocol: Annotated[str, typer.Argument(help=f"{PROTOCOL_HELP} It has a 'search:' section.")],
        quick: Annotated[bool, typer.Option("--quick", help="The file's small version.")] = False,
        set_: Annotated[
            list[str] | None, typer.Option("--set", help="Override, for example search.budget.trials=20.")
        ] = None,
        jobs: Annotated[int | None, typer.Option(min=1, help="Trials at a time. Default: one a core.")] = None,
        cluster: ClusterOption = None,
        cluster_options: Annotated[
            Path | None, typer.Option(help="YAML file of dask-jobqueue's options, over those of 'search.cluster'.")
        ] = None,
        storage: Annotated[str | None, typer.Option(help="URL of a database to keep the trials in.")] = None,
        device: Annotated[str, typer.Option(help=" | ".join(learner.devices))] = "auto",
        out: Annotated[Path, typer.Option(help="Where studies and runs go.")] = Path("runs"),
        json_: Annotated[bool, typer.Option("--json", help="Print the answer as JSON, nothing else.")] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
        force: Annotated[bool, typer.Option("--force", help="Rename an earlier study and start a new one.")] = False,
        allow_code: AllowCodeOption = False,
        list_: ListOption = False,
    ) -> None:
        """Search for better parameters. An interrupted search resumes; several processes may share one."""
        check_device(device, learner.devices)
        if importlib.util.find_spec("optuna") is None:
            raise ProtocolFault([f"search: Optuna is not installed ({installation('search')})"])
        loaded = load(protocol, list(set_ or []), quick=quick, allow_code=allow_code)
        if cluster_options is not None:
            loaded = _with_options(loaded, cluster_options)
        options = Options(device, jobs, targets_of(protocol, loaded), out)
        messages = Console(stderr=True, highlight=False)
        folder = out / loaded.name / ("search_quick" if quick else "search")
        job = Job(learner, trials, loaded, options, folder, messages, cluster, storage)
        if dry_run:
            show_plan(loaded, job.plan)
            return
        scratch.claim()
        with kept_on_interruption(messages, out):
            found = job.run(force)
        if found is not None:
            print(json.dumps(found, indent=2)) if json_ else report.show(found, result_console())
            messages.print(f"Study: {job.folder}", soft_wrap=True)

    return app


def _with_options(protocol: Protocol, path: Path) -> Protocol:
    try:
        given = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not a text file"
        raise ProtocolFault([f"--cluster-options {path}: {reason}; allowed: a YAML file"]) from None
    if not isinstance(given, dict) or protocol.search is None:
        raise ProtocolFault([f"--cluster-options {path}: allowed: a mapping of dask-jobqueue's options"])
    search = protocol.search.model_copy(update={"cluster": protocol.search.cluster | given})
    return protocol.model_copy(update={"search": search})


class Job:
    """One search: from its protocol to its answer, resumed where an earlier call stopped."""

    def __init__(
        self,
        learner: Learner,
        trials: Trials,
        protocol: Protocol,
        options: Options,
        folder: Path,
        console: Console,
        cluster: str | None = None,
        storage: str | None = None,
    ) -> None:
        self.learner, self.trials, self.protocol, self.options = learner, trials, protocol, options
        self.folder, self.console, self.cluster, self.storage = folder, console, cluster, storage
        self.space = dimensions(protocol)
        self.code = run_directory.code_hash(*trials.packages)
        self.jobs = options.jobs or cores()
        self.prepares = cluster is None  # what the workers need is prepared by this process

    def plan(self) -> list[str]:
        """Text of a dry run: space, budget and one trial."""
        search = self.protocol.search
        assert search is not None  # noqa: S101  (dimensions() refused it)
        lines = ["space:"]
        for d in self.space:
            values = (
                ", ".join(d.choices)
                if d.choices is not None
                else f"{d.low:g} to {d.high:g} {d.unit}{', log' if d.log else ''}"
            )
            lines.append(f"  {d.path}: {values} (own: {'outside' if d.start is None else d.start})")
        if isinstance(search.sampler, GridSampler):
            lines.append(f"grid: at most {grid_size(self.space, search.sampler)} points")
        budget = [f"{search.budget.trials} trials"] if search.budget.trials is not None else []
        budget += [f"{search.budget.time / 60:g} min"] if search.budget.time is not None else []
        lines.append(f"budget: {' or '.join(budget)}, {search.seeds} seeds a trial, {self.jobs} at a time")
        trial = at_point(self.protocol, {}, seeds=range(search.first_seed, search.first_seed + 1), trial=True)
        return [*lines, "a trial, with the protocol's own values:", *self.learner.plan(trial, self.options)]

    def run(self, force: bool) -> dict[str, Any] | None:
        """Search and write the answer; None if another process that shares the study writes it."""
        own = at_point(self.protocol, {}, trial=True)
        self.learner.check(own, self.options)
        self.trials.needs(own, self.space)
        if force and self.storage is not None:
            raise ProtocolFault(["--force: the study is in a database; allowed: another database, or another name"])
        if force and (aside := set_aside(self.folder)) is not None:
            self.console.print(f"The earlier study is now {aside}.", soft_wrap=True)
        with (
            Study(self.folder, self.protocol, self.code, self.storage) as study,
            self._workers() as workers,
        ):
            n = len(study.finished())
            if n:
                self.console.print(f"Resuming: {n} trials are finished already.")
            started = time.monotonic()
            try:
                Leader(study, self._task, self.console).lead(workers)
            finally:
                study.spend(time.monotonic() - started)
            elsewhere = study.elsewhere()
            if elsewhere:
                self.console.print(
                    f"{elsewhere} trials still run elsewhere; the process that ends last writes the answer."
                )
                return None
            with open(self.folder / "answer.lock", "w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    self.console.print("Another process is writing the answer.")
                    return None
                found = report.answer(study, self.learner, self._task, workers, self.options, self.console, self.jobs)
                self.trials.figures(self.folder, self.console)
                return found

    def _task(self, protocol: Protocol, **watching: Any) -> Task:
        """Task of a trial; what workers need is prepared here if they run on this machine."""
        targets = read_targets(self.options.targets) if self.options.targets else []
        need = self.trials.needs(protocol, self.space)
        prepared = self.trials.prepare(need, self.options.device) if self.prepares else None
        return Task(protocol, targets, self.options.device, need, self.code, prepared, **watching)

    @contextlib.contextmanager
    def _workers(self) -> Iterator[Workers]:
        work = functools.partial(run_trial, self.trials)
        search = self.protocol.search
        if self.cluster is not None:
            with connected(self.cluster, search.cluster if search else {}) as client:
                yield lambda following: on_cluster(client, work, following, self.console)
            return
        own = at_point(self.protocol, {}, trial=True)
        generation = self.trials.generation(self.trials.needs(own, self.space), own, self.options.device)
        if generation is None:
            yield lambda following: side_by_side(work, following, self.jobs, lambda *_: None, self.trials.preload)
        else:
            self.prepares = False
            self.console.print(f"Up to {generation.size} trials at once.")
            yield lambda following: in_generations(generation, self.options.jobs, following)
