"""Work that shares nothing runs side by side, every piece in a process of its own."""

import contextlib
import functools
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from protocols.runs import interruption

#: The work of a piece: called with its argument and with what to tell the fraction done.
Work = Callable[[Any, Callable[[float], None]], Any]

#: Gives the next piece, (key, argument); None while there is none.
Next = Callable[[], tuple[int, Any] | None]


@dataclass(frozen=True)
class Failed:
    """What is given instead of a result; `died`: the process ended without a word."""

    reason: str
    died: bool = False


def side_by_side(
    work: Work, following: Next, jobs: int, report: Callable[[int, float], None], preload: Sequence[str] = ()
) -> Generator[tuple[int, Any], None, None]:
    """Run pieces as they come, up to `jobs` at a time, giving (key, result) of each as it ends.

    Parameters
    ----------
    work
        Picklable: every process is given a copy.
    following
        Asked whenever a process is free; the work is over when it has none and none is running.
    jobs
        How many at a time.
    report
        Told (key, fraction done).
    preload
        Modules that every process needs and that are slow to import: imported once, by the process that the others
        are forked from. They must start no threads when imported.

    Yields
    ------
    tuple
        Key and result, `Failed` where there is none. When the generator is closed, what runs is ended, the programs
        it started included.
    """
    context: Any = multiprocessing.get_context("forkserver" if preload else "spawn")
    context.set_forkserver_preload(list(preload))
    running = dict[Connection, tuple[int, Any]]()
    with tempfile.TemporaryDirectory(prefix="culture_sim_") as scratch:  # ours: a killed process cleans up nothing
        # An interruption is taken while waiting only: no process is half started, no result half written.
        interrupted = threading.Event()
        handlers = {number: signal.signal(number, lambda *_: interrupted.set()) for number in interruption.SIGNALS}
        try:
            while True:
                while len(running) < jobs and (piece := following()) is not None:
                    _start(context, running, scratch, work, *piece)
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
                if interrupted.is_set():
                    raise KeyboardInterrupt
        finally:
            for _, process in running.values():
                _end(process)
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _start(context: Any, running: dict[Connection, tuple[int, Any]], scratch: str, work: Work, *piece: Any) -> None:
    key, argument = piece
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, scratch, functools.partial(work, argument)))
    running[ours] = key, process
    process.start()
    theirs.close()


def _receive(connection: Any, process: Any) -> Any:
    """The next message: the fraction done, or the result."""
    try:
        return connection.recv()
    except (EOFError, OSError):
        process.join()
        return Failed(f"ended with code {process.exitcode}", died=True)


def _end(process: Any) -> None:
    """End a process and the program it may have started."""
    if process.pid is None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()


def _work(connection: Any, scratch: str, work: Callable[[Callable[[float], None]], Any]) -> None:
    """Do one piece in a process group of its own, which ends with the parent."""
    os.setsid()
    threading.Thread(target=_follow_parent, daemon=True).start()
    tempfile.tempdir = scratch
    try:
        connection.send(work(connection.send))
    except (RuntimeError, ValueError, OSError, MemoryError) as error:
        connection.send(Failed(str(error) or type(error).__name__))


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.killpg(os.getpid(), signal.SIGKILL)
