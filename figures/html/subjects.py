"""Subjects of a page from run and study directories."""

from collections.abc import Sequence
from pathlib import Path

from figures.html import study
from figures.html.blocks import Subject
from figures.html.recording import MOST_SPIKES
from figures.html.runs import association, dish, evoked, network, reservoir, segmentation
from figures.runs.run import (
    AssociationRun,
    DishRun,
    EvokedRun,
    NetworkRun,
    PosteriorRun,
    ReservoirRun,
    SegmentationRun,
    read_run,
)
from figures.runs.study import FILE, read_answer
from protocols.spec.faults import ProtocolFault


def read(paths: Sequence[Path]) -> list[Subject]:
    """One subject a directory, in the order given.

    Raises
    ------
    ProtocolFault
        If one is no finished run or study.
    """
    names = _names(paths)
    return [_read(path, name, MOST_SPIKES // len(paths)) for path, name in zip(paths, names, strict=True)]


def _names(paths: Sequence[Path]) -> list[str]:
    """Names of the directories with that of the folder they are in: protocol and hash."""
    return [f"{path.resolve().parent.name} {path.resolve().name}" for path in paths]


def _read(path: Path, name: str, most: int) -> Subject:
    if path.is_file():
        page = f"python -m culture_sim.analyse {path} --html PAGE"
        raise ProtocolFault([f"{path}: a file; allowed: run and study directories; of a recording: {page}"])
    if (path / FILE).is_file():
        try:
            return study.subject(read_answer(path), path, name)
        except RuntimeError as error:
            raise ProtocolFault([str(error)]) from None
    match read_run(path):
        case EvokedRun() as run:
            return evoked.subject(run, name, most)
        case AssociationRun() as run:
            return association.subject(run, name)
        case PosteriorRun():
            raise ProtocolFault(
                [f"{path}: a trained posterior; allowed: runs of other kinds, and fits have pages of their own"]
            )
        case DishRun() as run:
            return dish.subject(run, name, most)
        case ReservoirRun() as run:
            return reservoir.subject(run, name)
        case NetworkRun() as run:
            return network.subject(run, name)
        case SegmentationRun() as run:
            return segmentation.subject(run, name)
