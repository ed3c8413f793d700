"""Data parallelism: each process's share of a batch, and the collective operations between processes.

Of n processes, that of rank r takes the images r, r + n, r + 2n, ... of every batch. Sums over images are then summed
over processes, so that n processes compute what one does, up to rounding; weights, statistics and torch's generators
are the same in all of them. All processes must call these functions in the same order. Without `torch.distributed`
there is one process, and nothing is exchanged.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import timedelta
from typing import NoReturn, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

T = TypeVar("T")
LARGE = 2**16  # values; larger tensors are reduced one by one: concatenating them costs two more passes over memory
ENDED = "another process of this run ended, or does not answer; the same command goes on from the last checkpoint"

_by_itself = ContextVar("by itself", default=False)


class Lost(RuntimeError):
    """Another process ended or does not respond."""


def world() -> int:
    """Number of processes that train together; 1 within `alone`."""
    if _by_itself.get():
        return 1
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Context in which nothing is exchanged, for work that only this process does."""
    token = _by_itself.set(True)
    try:
        yield
    finally:
        _by_itself.reset(token)


def rank() -> int:
    """Rank of this process, from 0. Rank 0 leads, and is the only one that writes files."""
    return dist.get_rank() if world() > 1 else 0


def join(timeout: timedelta) -> "dist.Store":
    """Join the process group of torchrun; returns torchrun's key-value store, which outlives each process.

    Raises
    ------
    RuntimeError, ValueError
        If the other processes cannot be reached.
    """
    store, number, n = next(dist.rendezvous("env://", timeout=timeout))
    backend = "gloo"
    if torch.cuda.is_available():
        backend = "cpu:gloo,cuda:nccl"
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK") or 0) % torch.cuda.device_count())
    group = dist.PrefixStore("group", store)
    dist.init_process_group(backend, store=group, rank=number, world_size=n, timeout=timeout)
    return store


def first_said(store: "dist.Store", text: str) -> str:
    """The text of the first process that called this, for the reason of a failure; needs no reply of the others."""
    with contextlib.suppress(RuntimeError):  # the store is gone, too: this process is the last
        return store.compare_set("first said", "", text).decode()
    return text


def leave() -> None:
    """Leave the process group."""
    dist.destroy_process_group()


def end(code: int) -> NoReturn:
    """Exit at once, after `leave`, when no work is left.

    An orderly shutdown of the interpreter may abort after all work is done ("terminate called without an active
    exception"): communication threads can outlive the group while they hold Python's tensors.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def own(batch: Tensor) -> Tensor:
    """Rows of a batch that belong to this process, perhaps none."""
    return batch[rank() :: world()] if world() > 1 else batch


def add_up(*tensors: Tensor) -> None:
    """Sum each tensor over all processes, in place."""
    if world() == 1:
        return
    large = [[tensor] for tensor in tensors if tensor.numel() >= LARGE]
    small = [tensor for tensor in tensors if tensor.numel() < LARGE]
    for part in [*large, small]:
        if part:
            _add_up_at_once(part)


def _add_up_at_once(tensors: list[Tensor]) -> None:
    flat = tensors[0].reshape(-1) if len(tensors) == 1 else torch.cat([tensor.reshape(-1) for tensor in tensors])
    with _lost():
        dist.all_reduce(flat)
    for tensor, values in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        if values.data_ptr() != tensor.data_ptr():
            tensor.copy_(values.reshape(tensor.shape))


def counts(n: int) -> list[int]:
    """Number of images of a batch in each process, by rank; `n` of them in this one."""
    if world() == 1:
        return [n]
    found = torch.zeros(world(), dtype=torch.int64)
    found[rank()] = n
    add_up(found)
    return found.tolist()


def bounds(each: list[int], size: int) -> list[list[int]]:
    """Boundaries of the parts of a batch: of each, the number of images that every process has before it.

    The first boundary has none before it, the last all.

    Parameters
    ----------
    each
        Images of the batch in each process, from `counts`.
    size
        Images in a part, over all processes: a multiple of their number, so that a part is shared as a batch is.
    """
    places = [*range(0, sum(each), size), sum(each)]
    return [[min(n, -(-(place - number) // len(each))) for number, n in enumerate(each)] for place in places]


def anywhere(condition: bool) -> bool:
    """Whether a condition holds in any process."""
    return any(counts(int(condition)))


def agreed(value: T, by: int = 0) -> T:
    """Broadcast of a value that JSON can hold: that of rank `by`, in all processes."""
    if world() == 1:
        return value
    content = json.dumps(value).encode() if rank() == by else b""
    size = torch.tensor([len(content)])
    add_up(size)
    spelled = torch.zeros(int(size), dtype=torch.uint8)
    if rank() == by:
        spelled += torch.frombuffer(bytearray(content), dtype=torch.uint8)
    add_up(spelled)
    return json.loads(bytes(spelled.tolist()))


def joined(values: list[T]) -> list[T]:
    """The values of all processes in one list; fast where most lists are empty. JSON must be able to hold them."""
    if world() == 1:
        return values
    return [value for place, n in enumerate(counts(len(values))) if n for value in agreed(values, place)]


def gathered(rows: Tensor) -> Tensor:
    """The rows of all processes in the order of the whole batch: the inverse of `own`.

    Shape (n_own, ...) -> (n, ...).
    """
    if world() == 1:
        return rows
    whole = rows.new_zeros(sum(counts(len(rows))), *rows.shape[1:])
    whole[rank() :: world()] = rows
    add_up(whole)
    return whole


def drawn(draw: Callable[[int], Tensor], n: int) -> Tensor:
    """Random numbers for this process's `n` images: its rows of those that `draw` gives for the whole batch.

    All processes' generators therefore stay in the same state, and every image gets the numbers that it would get in
    a single process.
    """
    return own(draw(sum(counts(n))))


@contextlib.contextmanager
def _lost() -> Iterator[None]:
    """Replace torch's long error about a lost connection by `Lost`."""
    try:
        yield
    except RuntimeError as error:
        raise Lost(ENDED) from error
