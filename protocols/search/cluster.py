"""Trials on a cluster by Dask distributed: a scheduler at an address, or workers as Slurm jobs."""

import contextlib
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console

from protocols.runs.processes import Failed, Next, Work
from protocols.runs.reporting import unheard
from protocols.spec.faults import ProtocolFault, installation

PATIENCE_S = 10.0  # timeout of a scheduler that does not answer
POLL_S = 0.05


@contextlib.contextmanager
def connected(where: str, options: Mapping[str, Any]) -> Iterator[Any]:
    """Client of a Dask scheduler, closed on exit.

    Parameters
    ----------
    where
        Address of the scheduler, ``tcp://host:port``; or ``slurm``: a scheduler here, and workers as batch jobs.
    options
        For ``slurm``: those of dask-jobqueue's SLURMCluster, and ``jobs``, the number of jobs to submit.

    Raises
    ------
    ProtocolFault
        If Dask is not installed, an option is unknown, or no scheduler answers.
    """
    try:
        import dask
        from distributed import Client
    except ImportError:
        raise ProtocolFault([f"--cluster: Dask is not installed ({installation('search')})"]) from None
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set({"distributed.comm.timeouts.connect": f"{PATIENCE_S}s"}))
        target: Any = where
        if where == "slurm":
            target = stack.enter_context(slurm(options))
            target.scale(jobs=options.get("jobs", 1))
        try:
            client = stack.enter_context(Client(target, timeout=PATIENCE_S, set_as_default=False))
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ProtocolFault(
                [f"--cluster {where}: no scheduler answers ({reason}); allowed: tcp://host:port, slurm"]
            ) from None
        yield client


def slurm(options: Mapping[str, Any]) -> Any:
    """Cluster of workers that run as Slurm jobs.

    Raises
    ------
    ProtocolFault
        If dask-jobqueue is not installed or refuses an option.
    """
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError:
        raise ProtocolFault([f"--cluster slurm: dask-jobqueue is not installed ({installation('search')})"]) from None
    if shutil.which("sbatch") is None:
        raise ProtocolFault(["--cluster slurm: there is no sbatch here; allowed: on a machine that submits to Slurm"])
    own: dict[str, Any] = {"cores": 1, "processes": 1, "memory": "4GB"} | dict(options)
    jobs = own.pop("jobs", 1)
    if not isinstance(jobs, int) or jobs < 1:
        raise ProtocolFault([f"search.cluster.jobs: {jobs!r}; allowed: a number of jobs, at least 1"])
    try:
        return SLURMCluster(**own)
    except (TypeError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ProtocolFault([f"search.cluster: {reason} Allowed: options of dask-jobqueue's SLURMCluster"]) from None


def on_cluster(client: Any, work: Work, following: Next, console: Console) -> Iterator[tuple[int, Any]]:
    """Run tasks on the cluster, one on each worker thread, and yield (key, result) as each ends.

    The scheduler runs a task again on another worker if its worker dies.

    Raises
    ------
    RuntimeError
        If the scheduler is gone.
    """
    running: dict[Any, int] = {}
    alone = False
    try:
        while True:
            workers = _workers(client)
            if not workers and not alone:
                console.print("Waiting for workers ...")
            alone, spent = not workers, False
            while len(running) < workers:
                piece = following()
                if piece is None:
                    spent = True
                    break
                key, argument = piece
                name = f"trial-{key}-{uuid.uuid4().hex}"
                running[client.submit(work, argument, unheard, key=name, pure=False)] = key
            if spent and not running:
                return
            time.sleep(POLL_S)
            for future in [future for future in running if future.done()]:
                key, result = running.pop(future), _result(client, future)
                future.release()  # else it would be computed again if its worker died now
                yield key, result
    finally:
        with contextlib.suppress(Exception):  # the scheduler may be gone
            client.cancel(list(running))


def _workers(client: Any) -> int:
    """Number of threads of all workers."""
    if client.status != "running":
        raise _gone(client)
    try:
        return sum(client.nthreads().values())
    except Exception as error:
        raise _gone(client) from error


def _result(client: Any, future: Any) -> Any:
    from distributed.scheduler import KilledWorker

    if future.status == "finished":
        try:
            return future.result(timeout=PATIENCE_S)
        except (OSError, TimeoutError) as error:
            raise _gone(client) from error
    if future.status in {"cancelled", "lost"}:
        raise _gone(client)
    reason = future.exception(timeout=PATIENCE_S)
    if isinstance(reason, KilledWorker):
        return Failed("was lost with its worker, several times", died=True)
    return Failed(str(reason) or type(reason).__name__)


def _gone(client: Any) -> RuntimeError:
    return RuntimeError(
        f"the scheduler {client.scheduler.address if client.scheduler else ''} is gone; "
        "finished trials are kept: the same command goes on from there"
    )
