"""Which images of a folder train, validate and test: drawn at random, images of one group together."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from protocols.images.masks.pairs import Pairs, root_of
from protocols.spec.faults import ProtocolFault, short
from protocols.spec.nets.masks import MaskFolder
from protocols.spec.random_streams import stream

COLUMNS = ("image", "group")  # of a table of groups


@dataclass(frozen=True)
class Division:
    """Indices among the images with masks, ascending; `unpaired`: among those without, of the groups that train."""

    training: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    unpaired: np.ndarray


def divide(data: MaskFolder, found: Pairs) -> Division:
    """Draw groups for the test, then for the validation, until these have as many images as asked for, or more.

    Without groups, each image is one of its own. An image without a mask trains, unless its group does not.

    Raises
    ------
    ProtocolFault
        If none is left for training, or an image has no group.
    """
    paired = _groups(data, [image for image, _ in found.paired])
    names = sorted(set(paired))
    members = {name: [index for index, own in enumerate(paired) if own == name] for name in names}
    waiting = [names[k] for k in np.random.default_rng(stream("mask_folder/split")).permutation(len(names))]
    taken: list[list[int]] = []
    for n in (data.test, data.validation):
        part: list[int] = []
        while len(part) < n and waiting:
            part += members[waiting.pop(0)]
        taken.append(sorted(part))
    test, validation = taken
    training = sorted(index for name in waiting for index in members[name])
    if not training:
        together = f" in {len(names)} groups, which stay together," if data.grouped else ""
        asked = f"{data.validation} and data.test: {data.test} of {len(paired)} images with masks{together}"
        raise ProtocolFault([f"data.validation: {asked} leave none; allowed: at least 1 for training"])
    elsewhere = {paired[index] for index in (*test, *validation)}
    free = [index for index, own in enumerate(_groups(data, found.unpaired)) if own not in elsewhere]
    return Division(*(np.array(part, dtype=int) for part in (training, validation, test, free)))


def _groups(data: MaskFolder, images: Sequence[Path]) -> list[str]:
    """The group of each image; its name where there are none."""
    if data.group_pattern is not None:
        return [_matched(data.group_pattern, path) for path in images]
    if data.group_table is None:
        return [path.stem for path in images]
    table, groups = table_of(data), []
    known = read_table(table)
    for path in images:
        if (group := known.get(path.name, known.get(path.stem))) is None:
            raise ProtocolFault([f"{table}: has no group of {path.name}; allowed: a line for each image"])
        groups.append(group)
    return groups


def _matched(pattern: str, path: Path) -> str:
    found = re.search(pattern, path.stem)
    if found is None:
        raise ProtocolFault(
            [f"{path}: the name does not have data.group_pattern '{short(pattern)}' in it; allowed: all names have it"]
        )
    return "\0".join(part or "" for part in found.groups()) if found.groups() else found[0]


def table_of(data: MaskFolder) -> Path:
    """File of the table of groups."""
    return root_of(data) / str(data.group_table)


def read_table(path: Path) -> dict[str, str]:
    """Group by name of an image, with or without its suffix.

    Raises
    ------
    ProtocolFault
        If the file cannot be read, lacks a column, has an empty cell, or gives an image two groups.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise ProtocolFault([f"{path}: {error.strerror}; allowed: a CSV file (data.group_table)"]) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ProtocolFault([f"{path}: {short(str(error))}; allowed: a CSV file in UTF-8"]) from None
    known: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        name, group = ((row.get(column) or "").strip() for column in COLUMNS)
        if not name or not group:
            raise ProtocolFault([f"{path}: line {number} lacks a value; allowed: columns image and group"])
        if known.setdefault(name, group) != group:
            raise ProtocolFault(
                [f"{path}: line {number}: {short(name)} in a second group; allowed: one group an image"]
            )
    return known
