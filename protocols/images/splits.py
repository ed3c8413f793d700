"""Image files of a ``data:`` section: listed, checked, and split into training, validation and test images."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from protocols.images import datasets, folders, shard_index, shards, synthetic
from protocols.images.listing import FileSplits, Labelled, fingerprint
from protocols.spec.faults import ProtocolFault
from protocols.spec.file_data import FileData, FolderData, SyntheticData

Index = npt.NDArray[np.intp]


def find_images(data: FileData) -> FileSplits:
    """List all image files and split them; no image is read.

    Raises
    ------
    ProtocolFault
        If files are missing or their layout is wrong, or if there are too few images.
    """
    found = _found(data)
    if len(found.classes) != data.n_classes:
        names = f"{len(found.classes)} classes, '{found.classes[0]}' to '{found.classes[-1]}'"
        raise ProtocolFault(
            [f"data.n_classes: {data.n_classes}; {found.training.root} holds {names}; allowed: as many"]
        )
    training, validation, test = _split(data, found)
    return FileSplits(
        found.training.take(training), found.training.take(validation), found.test.take(test), found.classes
    )


def fingerprints(data: FileData) -> dict[str, str]:
    """Hash of names, sizes and labels of each part, for the run's provenance."""
    splits = find_images(data)
    return {part: fingerprint(getattr(splits, part)) for part in ("training", "validation", "test")}


def check_unchanged(data: FileData, known: Mapping[str, str], run: Path) -> None:
    """Refuse images that changed since a run began; images that are not there any more are not compared.

    Parameters
    ----------
    data
        Where the images are. Generated ones follow from the protocol and are not compared.
    known
        `fingerprints` of the images that the run read.
    run
        The run, for the message.

    Raises
    ------
    ProtocolFault
        If names, sizes or classes differ from those of the run.
    """
    if not isinstance(data, FolderData) or not (folder := _place(data)).is_dir():
        return
    if fingerprints(data) != known:
        raise ProtocolFault(
            [
                f"data.folder: the images in {folder} are not those of {run}; "
                "allowed: the same files, another --out, or --force, which runs it again"
            ]
        )


def _found(data: FileData) -> Labelled:
    match data:
        case SyntheticData():
            folder = synthetic.generated(data)
            return folders.read_folders(folder) if folder.is_dir() else synthetic.planned(data, folder)
        case FolderData(source="image_folder"):
            return folders.read_folders(_root(data, folders.HOW))
        case FolderData(source="shards"):
            root = _root(data, shards.HOW)
            return shard_index.kept(root, data.n_classes, lambda: shards.read_shards(root, data.n_classes))
    raise TypeError(type(data))


def _place(data: FolderData) -> Path:
    """Absolute path of the folder, existing or not."""
    return (datasets.data_dir() / Path(data.folder).expanduser()).absolute()


def _root(data: FolderData, how: str) -> Path:
    """Folder of the images, checked to exist."""
    place = f"or let $CULTURE_DATA name a folder that holds {data.folder}/"
    if Path(data.folder).expanduser().is_absolute():
        place = "or name another folder"
    root = _place(data)
    if not root.is_dir():
        raise ProtocolFault([f"data.folder: {root} is no folder; put the images there, {place}; {how}"])
    return root


def _split(data: FileData, found: Labelled) -> tuple[Index, Index, Index]:
    """Indices of training, validation and test images, ascending."""
    held_back, learned, tested = [], [], []
    for index, (members, others, name) in enumerate(
        zip(_by_class(found.training.labels, data), _by_class(found.test.labels, data), found.classes, strict=True)
    ):
        own = _spread(members, _share(data, "validation", index, len(members) - 1, name))
        rest = np.setdiff1d(members, own, assume_unique=True)
        held_back.append(own)
        learned.append(rest if data.per_class is None else _spread(rest, min(data.per_class, len(rest))))
        tested.append(others if data.test is None else _spread(others, _share(data, "test", index, len(others), name)))
    training, validation, test = (np.sort(np.concatenate(part)) for part in (learned, held_back, tested))
    return training, validation, test


def _by_class(labels: npt.NDArray[np.int64], data: FileData) -> list[Index]:
    """Indices of the images of each class, ascending."""
    return np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels, minlength=data.n_classes))[:-1])


def _spread(members: Index, count: int) -> Index:
    """`count` of the images, evenly spread."""
    return members[np.arange(count) * len(members) // max(1, count)]


def _share(data: FileData, key: str, index: int, most: int, name: str) -> int:
    """Number of images that a class contributes to ``data.validation`` or ``data.test``."""
    given = getattr(data, key)
    count = (given + index) // data.n_classes
    if count < 1:
        raise ProtocolFault([f"data.{key}: {given}; no image of class '{name}' is among them; allowed: more"])
    if count > most:
        whole = most + (key == "validation")
        raise ProtocolFault([f"data.{key}: {given}; class '{name}' has {whole} images; allowed: fewer"])
    return int(count)
