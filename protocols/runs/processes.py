"""Parallel execution of independent tasks, each in its own process."""

import contextlib
import functools
import math
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from protocols.runs import interruption, scratch

#: A task: called with its argument and a callback that takes the fraction done; returns the result.
Work = Callable[[Any, Callable[[float], None]], Any]

#: Returns the next task as (key, argument); None if none is waiting.
Next = Callable[[], tuple[int, Any] | None]


@dataclass(frozen=True)
class Failed:
    """Replaces the result of a failed task; `died`: the process ended without reporting an error."""

    reason: str
    died: bool = False


def side_by_side(
    work: Work,
    following: Next,
    jobs: int,
    report: Callable[[int, float], None],
    preload: Sequence[str] = (),
    limit: Callable[[int], float] = lambda key: math.inf,
) -> Generator[tuple[int, Any], None, None]:
    """Run tasks in parallel processes, at most `jobs` at a time, and yield each result as its task ends.

    Parameters
    ----------
    work
        The function that does a task. It must be picklable, because every process gets a copy.
    following
        Called whenever a process is free; the generator ends when it returns None and no task is running.
    jobs
        Maximum number of tasks at a time.
    report
        Progress callback, called with (key, fraction done).
    preload
        Modules that are slow to import and needed by every process: they are imported once, in the server process that
        the others are forked from. Importing them must not start threads.
    limit
        Seconds that a task may take, by its key; after them its process is killed, and its result is a `Failed`.

    Yields
    ------
    tuple
        Key and result of a task; the result is a `Failed` if the task failed. Closing the generator kills the running
        processes and the programs they started.
    """
    context: Any = multiprocessing.get_context("forkserver" if preload else "spawn")
    context.set_forkserver_preload(list(preload))
    running = dict[Connection, tuple[int, Any]]()
    until = dict[Any, float]()
    with scratch.new_folder() as folder:  # in the parent, because a killed process cleans up nothing
        # Signals are only noted and acted on between steps: no process is left half started, no result half written.
        interrupted = threading.Event()
        handlers = {number: signal.signal(number, lambda *_: interrupted.set()) for number in interruption.SIGNALS}
        try:
            while True:
                while len(running) < jobs and (piece := following()) is not None:
                    until[_start(context, running, folder, work, *piece)] = time.monotonic() + limit(piece[0])
                if not running:
                    return
                for connection in wait(list(running), timeout=0.2):
                    key, process = running[connection]  # type: ignore[index]
                    message = _receive(connection, process)
                    if isinstance(message, float):
                        report(key, message)
                        continue
                    process.join()
                    del running[connection]  # type: ignore[arg-type]
                    yield key, message
                late = [connection for connection in running if time.monotonic() > until[connection]]
                for key, process in [running.pop(connection) for connection in late]:
                    _end(process)
                    yield key, Failed(f"not done after {limit(key):.0f} s", died=True)
                if interrupted.is_set():
                    raise KeyboardInterrupt
        finally:
            for _, process in running.values():
                _end(process)
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _start(context: Any, running: dict[Connection, tuple[int, Any]], folder: Path, work: Work, *piece: Any) -> Any:
    key, argument = piece
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, str(folder), functools.partial(work, argument)))
    running[ours] = key, process
    process.start()
    theirs.close()
    return ours


def _receive(connection: Any, process: Any) -> Any:
    """Next message of a process: the fraction done, or the result."""
    try:
        return connection.recv()
    except (EOFError, OSError):
        process.join()
        return Failed(f"ended with code {process.exitcode}", died=True)


def _end(process: Any) -> None:
    """Kill a process and its process group, which includes the programs it started."""
    if process.pid is None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()


def _work(connection: Any, folder: str, work: Callable[[Callable[[float], None]], Any]) -> None:
    """Do one task in a new process group, which is killed when the parent process ends."""
    os.setsid()
    threading.Thread(target=_follow_parent, daemon=True).start()
    tempfile.tempdir = os.environ["TMPDIR"] = folder
    try:
        connection.send(work(connection.send))
    except (RuntimeError, ValueError, OSError, MemoryError) as error:
        connection.send(Failed(str(error) or type(error).__name__))


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.killpg(os.getpid(), signal.SIGKILL)
