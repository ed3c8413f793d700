"""The command in several processes: ``torchrun --nproc-per-node 2 -m hebbian_dl.run PROTOCOL``.

All processes get the same command and share one file system. Rank 0 leads: it runs the command as a single process
would, and announces each training before it begins. The others follow: they take part in these trainings, and neither
write files nor print. The process that fails first reports the reason, once, and all end with its exit code.
"""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import typer

from hebbian_dl.environment import device_of, leads, n_processes, threads
from protocols.loading.loader import STDIN
from protocols.runs import cli, interruption, run_directory
from protocols.runs.reporting import unheard
from protocols.spec.faults import ProtocolFault
from protocols.spec.nets.descent import GradientDescent
from protocols.spec.nets.pretraining import Method, NoPretraining
from protocols.spec.network import Network
from protocols.spec.protocol import AssociationProtocol, NetworkProtocol, Protocol

TIMEOUT = timedelta(minutes=30)  # of a collective operation: after it, a process that does not respond counts as ended
BEGUN_BY = "processes"  # file in the directory of an unfinished run that holds the number of processes
Task = Callable[..., dict[str, np.ndarray]]


def check(protocol: Protocol, options: cli.Options) -> None:
    """Refuse options and trainings that cannot be shared by the processes of torchrun.

    Raises
    ------
    ProtocolFault
        With one line for each.
    """
    n = n_processes()
    if n > 1 and (options.jobs or 1) > 1:
        raise ProtocolFault([f"--jobs {options.jobs}: allowed: 1 with torchrun, whose processes share each training"])
    match protocol:
        case AssociationProtocol() if n > 1:
            raise ProtocolFault(["network: learns from one image at a time; allowed: 1 process, without torchrun"])
        case NetworkProtocol(network=Network(module=str(module))) if n > 1:
            raise ProtocolFault([f"network.module: {module}: allowed: 1 process, without torchrun"])
        case NetworkProtocol(network=network):
            methods = {f"network.methods.{name}": method for name, method in network.methods.items()}
            every = [*methods.items(), ("network.finetuning", network.finetuning)]
            if faults := [fault for path, method in every for fault in _not_shared(path, method, n)]:
                raise ProtocolFault(faults)


def _not_shared(path: str, training: Method | GradientDescent, n: int) -> list[str]:
    """Faults of a training whose batch cannot be shared by `n` processes."""
    if isinstance(training, NoPretraining):
        return []
    if training.batch < n:
        return [f"{path}.batch: {training.batch}; allowed: at least {n}, the number of processes"]
    if training.at_a_time is not None and training.at_a_time % n:
        return [f"{path}.at_a_time: {training.at_a_time}; allowed: a multiple of {n}, the number of processes"]
    return []


def main(app: typer.Typer) -> None:
    """Run the command, in one process or together with the others of torchrun."""
    if n_processes() == 1:
        cli.main(app)
    if STDIN in sys.argv[1:]:  # which only one of the processes could read
        if leads():
            cli.tell([f"{STDIN}: allowed: a protocol file; the processes of torchrun share no standard input"])
        sys.exit(2)
    from hebbian_dl import processes

    try:
        meeting = processes.join(TIMEOUT)
    except (RuntimeError, ValueError) as error:
        cli.tell([f"torchrun: {str(error).splitlines()[0]}"])
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    # once a process ended, torchrun sends a signal to all others, also to one that is reporting why it failed
    for number in interruption.SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    try:
        with _silence() if processes.rank() > 0 else contextlib.nullcontext():
            code, lines = cli.outcome(app)
        if code:
            code, lines = (1, [processes.ENDED]) if interruption.terminated() else (code, lines)
            code, lines = _first_failure(meeting, code, lines)
        cli.tell(lines)
    finally:
        processes.leave()
    processes.end(code)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Discard everything that is printed."""
    with (
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


def carry_out(
    learner: cli.Learner, protocol: Protocol, options: cli.Options, out: Path, as_json: bool, force: bool
) -> None:
    """Run the command as the leader or as a follower; a single process runs it as usual."""
    if n_processes() == 1:
        return cli.run_and_show(learner, protocol, options, out, as_json, force)
    from hebbian_dl import processes

    if processes.rank() == 0:
        cli.run_and_show(learner, protocol, options, out, as_json, force)
        processes.agreed(None)  # tells the followers that there are no more trainings
    else:
        _follow(learner, protocol, options, out)
    return None


def leading(task: Task, device: str) -> Task:
    """Wrap a task so that each training is announced to the other processes before it begins."""
    if n_processes() == 1:
        return task
    from hebbian_dl import processes

    def named(index: int, *given: Any) -> dict[str, np.ndarray]:
        processes.agreed({"training": index, "device": device})
        return task(index, *given)

    return named


def check_begun(run: run_directory.Run) -> None:
    """Refuse to resume a run that was begun by another number of processes: its results would mix both.

    Raises
    ------
    ProtocolFault
        If the number differs.
    """
    n, record = n_processes(), run.partial / BEGUN_BY
    unsaid = "1" if any(run.partial.iterdir()) else str(n)
    begun = record.read_text().strip() if record.exists() else unsaid
    if begun != str(n):
        raise ProtocolFault([f"{run.partial}: was begun by {_spelled(begun)}; allowed: {begun}, or --force"])
    if n > 1:
        unfinished = record.with_name(BEGUN_BY + ".unfinished")
        unfinished.write_text(f"{n}\n")
        unfinished.replace(record)


def end(run: run_directory.Run) -> None:
    """Delete the number of processes that began the run: all trainings are finished, none is to be resumed."""
    (run.partial / BEGUN_BY).unlink(missing_ok=True)


class _Reading(run_directory.Run):
    """A run directory that the leader writes and this process only reads."""

    def save_part(self, name: str, arrays: Any) -> None:
        """Do nothing: the leader saves it."""


def _follow(learner: cli.Learner, protocol: Protocol, options: cli.Options, out: Path) -> None:
    """Take part in the trainings that the leader announces, until there are no more."""
    from hebbian_dl import processes
    from hebbian_dl.experiments import dispatch

    run = _Reading(out, protocol, cli.run_of(learner, protocol, options, out).path.name)
    checked = False
    while (told := processes.agreed(None)) is not None:
        device = device_of(told["device"])
        if not checked:
            learner.check(protocol, options)
            if not run.partial.is_dir():
                raise RuntimeError(
                    f"{run.partial}: not there; allowed: the same code and file system for all processes"
                )
            checked = True
        dispatch.run_task(protocol, device, threads(), run, told["training"], unheard)


def _first_failure(meeting: Any, code: int, lines: list[str]) -> tuple[int, list[str]]:
    """Exit code of the process that failed first, and the lines to print: none, unless it is this one."""
    from hebbian_dl import processes

    own = json.dumps([os.environ.get("RANK"), code, lines])
    first = processes.first_said(meeting, own)
    return int(json.loads(first)[1]), lines if first == own else []


def _spelled(n: str) -> str:
    return "1 process" if n == "1" else f"{n} processes"
