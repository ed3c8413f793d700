"""The command ``run`` of both packages: load a protocol, check it, run it or reuse a finished run, show the result."""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import numpy as np
import typer
from rich.console import Console

from protocols.loading.loader import load, targets_file, titles
from protocols.runs import dry_run as dry_runs
from protocols.runs import interruption, run_directory, scratch
from protocols.spec.faults import ProtocolFault, limited, short
from protocols.spec.protocol import Protocol as Experiment

UsageError: Any = typer.BadParameter.__bases__[0]  # click's, or typer's own copy of click in later versions


def _list_protocols(asked: bool) -> None:
    if asked:
        found = titles()
        width = max(map(len, found))
        print("\n".join(f"{name:{width}}  {title}" for name, title in found.items()))
        raise typer.Exit


PROTOCOL_HELP = "A protocol file, the bare name of a built-in one, or - for standard input."
AllowCodeOption = Annotated[
    bool,
    typer.Option("--allow-code", help="Let the file name Python code that runs (a network's, a loop's)."),
]
ListOption = Annotated[
    bool, typer.Option("--list", is_eager=True, callback=_list_protocols, help="List the built-in protocols and stop.")
]


@dataclass(frozen=True)
class Options:
    """Options of a run that are not part of its protocol."""

    device: str
    jobs: int | None
    targets: Path | None
    out: Path = Path("runs")  # folder of run directories


class Learner(Protocol):
    """The part of the command that differs between the packages."""

    packages: tuple[str, ...]
    devices: tuple[str, ...]

    def check(self, protocol: Experiment, options: Options) -> None:
        """Raise `ProtocolFault` for what cannot run on this machine."""

    def check_data(self, protocol: Experiment, run: run_directory.Run) -> None:
        """Raise `ProtocolFault` if the data are not those of the run, finished or not, that was found."""

    def plan(self, protocol: Experiment, options: Options) -> list[str]:
        """Lines that ``--dry-run`` prints after the resolved protocol; nothing is written."""

    def execute(
        self, protocol: Experiment, run: run_directory.Run, options: Options, console: Console
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, np.ndarray]]:
        """Run it; returns metrics, facts for the provenance, and arrays."""

    def show(self, metrics: dict[str, Any], console: Console) -> None:
        """Print the result for a person."""

    def figures(self, run_dir: Path, console: Console) -> None:
        """Draw the run's figures."""


#: Runs a protocol and shows its result; called with learner, protocol, options, the folder of runs, --json, --force.
CarryOut = Callable[[Learner, Experiment, Options, Path, bool, bool], None]


def command(learner: Learner, carry_out: CarryOut | None = None) -> typer.Typer:
    """The command-line program of a learner; `carry_out` replaces `run_and_show`."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

    @app.command()
    def run(
        protocol: Annotated[str, typer.Argument(help=PROTOCOL_HELP)],
        quick: Annotated[bool, typer.Option("--quick", help="The file's small version, under a minute.")] = False,
        set_: Annotated[
            list[str] | None, typer.Option("--set", help="Override, for example culture.neurons.count=2000.")
        ] = None,
        seeds: Annotated[int | None, typer.Option(min=1, help="Number of seeds.")] = None,
        jobs: Annotated[int | None, typer.Option(min=1, help="Seeds run at a time. Default: one a core.")] = None,
        device: Annotated[str, typer.Option(help=" | ".join(learner.devices))] = "auto",
        out: Annotated[Path, typer.Option(help="Where run directories go.")] = Path("runs"),
        json_: Annotated[bool, typer.Option("--json", help="Print the metrics as JSON, nothing else.")] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
        force: Annotated[bool, typer.Option("--force", help="Run again even if the run exists.")] = False,
        allow_code: AllowCodeOption = False,
        list_: ListOption = False,
    ) -> None:
        """Run an experiment and leave a run directory with metrics, arrays and figures."""
        check_device(device, learner.devices)
        overrides = list(set_ or []) + ([f"seeds={seeds}"] if seeds is not None else [])
        loaded = load(protocol, overrides, quick=quick, allow_code=allow_code)
        options = Options(device, jobs, targets_of(protocol, loaded), out)
        if dry_run:
            show_plan(loaded, lambda: learner.plan(loaded, options))
            return
        scratch.claim()
        (carry_out or run_and_show)(learner, loaded, options, out, json_, force)

    return app


def check_device(device: str, allowed: Sequence[str]) -> None:
    """Refuse a device that a command does not know."""
    if device not in allowed:
        raise ProtocolFault([f"--device {short(device)}: allowed: {', '.join(allowed)}"])


def show_plan(protocol: Experiment, plan: Callable[[], list[str]]) -> None:
    """Print the resolved protocol and the plan of a dry run."""
    print(run_directory.resolved(protocol))
    with dry_runs.nothing_written():
        print("\n".join(plan()))


def targets_of(name: str, protocol: Experiment) -> Path | None:
    """The file of published values of a protocol that was loaded by this name."""
    return None if protocol.targets is None else targets_file(name, protocol.targets)


def run_and_show(
    learner: Learner, protocol: Experiment, options: Options, out: Path, as_json: bool, force: bool
) -> None:
    """Run an experiment, or find it finished, and print its result."""
    messages = Console(stderr=True, highlight=False)
    with kept_on_interruption(messages, out):
        run = perform(learner, protocol, options, out, messages, force=force)
    metrics = run.metrics()
    if as_json:
        print(json.dumps(metrics, indent=2))
    else:
        learner.show(metrics, result_console())
        messages.print(f"Run directory: {run.path}", soft_wrap=True)


def perform(
    learner: Learner, protocol: Experiment, options: Options, out: Path, messages: Console, *, force: bool = False
) -> run_directory.Run:
    """Run an experiment unless a finished run exists; `force` runs it in any case."""
    inputs = inputs_of(protocol, options)
    run = run_of(learner, protocol, options, out)
    if not force:
        learner.check_data(protocol, run)
    if run.complete and not force:
        messages.print(f"Reusing the finished run {run.path} (--force runs it again).", soft_wrap=True)
        return run
    learner.check(protocol, options)
    with run.writing(afresh=force):
        if force or not run.complete:  # another process may have finished it by now
            started = time.monotonic()
            metrics, facts, arrays = learner.execute(protocol, run, options, messages)
            facts = run_directory.provenance(learner.packages, wall_s=round(time.monotonic() - started, 3), **facts)
            run.finish(metrics, facts, arrays, inputs)
    messages.print("Drawing figures ...")
    learner.figures(run.path, messages)
    return run


def inputs_of(protocol: Experiment, options: Options) -> dict[str, bytes]:
    """Content of the files, apart from the protocol, that a result depends on."""
    return {protocol.targets: options.targets.read_bytes()} if options.targets and protocol.targets else {}


def run_of(learner: Learner, protocol: Experiment, options: Options, out: Path) -> run_directory.Run:
    """The run directory, existing or not."""
    return run_directory.Run(
        out, protocol, run_directory.run_hash(protocol, inputs_of(protocol, options), learner.packages)
    )


@contextlib.contextmanager
def kept_on_interruption(messages: Console, out: Path) -> Iterator[None]:
    """On an interruption, say that finished parts are kept; on an error of the system, name the file."""
    try:
        yield
    except KeyboardInterrupt:
        messages.print("Finished parts are kept: the same command continues from there.")
        raise
    except OSError as error:
        raise RuntimeError(f"{error.filename or out}: {error.strerror or error}") from None


def result_console() -> Console:
    """Console for result tables: wide enough for them if the output is not a terminal."""
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 120)


def main(app: typer.Typer, arguments: Sequence[str] | None = None) -> None:
    """Run the command in this process, print what went wrong, exit."""
    scratch.own_process()
    code, lines = outcome(app, arguments)
    tell(lines)
    sys.exit(code)


def outcome(app: typer.Typer, arguments: Sequence[str] | None = None) -> tuple[int, list[str]]:
    """Run the command: error messages and exit code (0 done, 1 failed running, 2 wrong input, 130 interrupted)."""
    try:
        with interruption.noted():
            code = typer.main.get_command(app).main(
                args=None if arguments is None else list(arguments), standalone_mode=False
            )
    except ProtocolFault as fault:
        return 2, fault.lines
    except UsageError as error:
        return 2, [error.format_message().replace("\n", " ")]
    except (KeyboardInterrupt, typer.Abort):
        return 130, ["interrupted"]
    except (RuntimeError, run_directory.RunInUse, MemoryError, OSError) as error:
        return 1, [str(error) or type(error).__name__]
    return code or 0, []


def tell(lines: Sequence[str]) -> None:
    """Print error messages to stderr."""
    for line in lines:
        print(f"error: {limited(line)}", file=sys.stderr)
