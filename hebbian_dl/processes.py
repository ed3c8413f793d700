"""Processes that train one network together: what each takes of a batch, and what they exchange.

Of every batch each process takes its own images: those at its rank, and from there on every so-manyth as there are
processes. What is summed over images is summed over processes, so that many processes compute what one computes, but
for rounding; weights, statistics and torch's generators are the same in all of them. All call these functions in the
same order. Without `torch.distributed` there is one process, and nothing is exchanged.
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
LARGE = 2**16  # values, of tensors that are exchanged by themselves: joining them is two more passes over memory
ENDED = "another process of this run ended, or does not answer; the same command goes on from the last checkpoint"

_by_itself = ContextVar("by itself", default=False)


class Lost(RuntimeError):
    """Another process ended, or does not answer."""


def world() -> int:
    """The number of processes."""
    if _by_itself.get():
        return 1
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Within, this process works by itself: for what the others do not do."""
    token = _by_itself.set(True)
    try:
        yield
    finally:
        _by_itself.reset(token)


def rank() -> int:
    """The number of this process, from 0; the one of rank 0 leads, and alone writes files."""
    return dist.get_rank() if world() > 1 else 0


def join(timeout: timedelta) -> "dist.Store":
    """Meet the processes that torchrun started; gives the store that torchrun keeps, which outlives each of them.

    Raises
    ------
    RuntimeError, ValueError
        If they cannot be met.
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
    """What the first process that called this said: a last word, which needs no answer of the others."""
    with contextlib.suppress(RuntimeError):  # where all of it ended, this is the last
        return store.compare_set("first said", "", text).decode()
    return text


def leave() -> None:
    """Part from the others."""
    dist.destroy_process_group()


def end(code: int) -> NoReturn:
    """End this process, which has left and has nothing more to do.

    At once: the threads that exchange may outlive the group, and hold tensors of Python's; while the interpreter takes
    itself down they abort it now and then, after the work is done ("terminate called without an active exception").
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def own(batch: Tensor) -> Tensor:
    """The rows of a batch that are this process's, perhaps none."""
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
    """What each process has of a batch, this one `n` images."""
    if world() == 1:
        return [n]
    found = torch.zeros(world(), dtype=torch.int64)
    found[rank()] = n
    add_up(found)
    return found.tolist()


def bounds(each: list[int], size: int) -> list[list[int]]:
    """How many images each process has before every so-manyth of the batch, from none to all.

    Parameters
    ----------
    each
        As `counts` gives it.
    size
        A multiple of the number of processes, so that each part of the batch is shared as a batch is.
    """
    places = [*range(0, sum(each), size), sum(each)]
    return [[min(n, -(-(place - number) // len(each))) for number, n in enumerate(each)] for place in places]


def anywhere(condition: bool) -> bool:
    """Whether a condition holds in any process."""
    return any(counts(int(condition)))


def agreed(value: T, by: int = 0) -> T:
    """The value of one process, the leader, of what JSON can spell, given to all."""
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
    """The values of all processes, of what JSON can spell; mostly none."""
    if world() == 1:
        return values
    return [value for place, n in enumerate(counts(len(values))) if n for value in agreed(values, place)]


def gathered(rows: Tensor) -> Tensor:
    """The rows of all processes, in the order of the batch that they are the own parts of.

    Shape (n_own, ...) -> (n, ...).
    """
    if world() == 1:
        return rows
    whole = rows.new_zeros(sum(counts(len(rows))), *rows.shape[1:])
    whole[rank() :: world()] = rows
    add_up(whole)
    return whole


def drawn(draw: Callable[[int], Tensor], n: int) -> Tensor:
    """Random numbers for `n` own images: `draw` is asked for those of the whole batch.

    So all processes' generators stay in step, and every image gets the numbers that it would get in one process.
    """
    return own(draw(sum(counts(n))))


@contextlib.contextmanager
def _lost() -> Iterator[None]:
    """Say what torch says in many words: the other side of a connection is gone."""
    try:
        yield
    except RuntimeError as error:
        raise Lost(ENDED) from error
