"""Images in folders: ``train/<class>/.../<image>`` and ``val/<class>/.../<image>``.

This is the layout of ImageNet with its archives unpacked. The published layout of Tiny ImageNet is accepted too: its
test images are in ``val/images/``, and ``val/val_annotations.txt`` names the class of each.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from protocols.images.listing import ImageFiles, Labelled
from protocols.spec.faults import ProtocolFault

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
ANNOTATIONS = "val/val_annotations.txt"
HOW = (
    "allowed: train/<class>/<image> and val/<class>/<image> in it (ImageNet: ILSVRC2012_img_train.tar and "
    "ILSVRC2012_img_val.tar from image-net.org, a folder a class; Tiny ImageNet: "
    "http://cs231n.stanford.edu/tiny-imagenet-200.zip as it unpacks)"
)


def read_folders(root: Path) -> Labelled:
    """List the training and test images of each class; the classes are the folder names in ascending order.

    Raises
    ------
    ProtocolFault
        If a folder is missing or cannot be read, or a class is missing or has no image.
    """
    classes = _subfolders(root, "train")
    if not classes:
        raise ProtocolFault([f"{root / 'train'}: no class folders; {HOW}"])
    training = _of_classes(root, "train", classes)
    annotated = (root / ANNOTATIONS).is_file()
    if annotated:
        return Labelled(training, _annotated(root, classes), tuple(classes))
    tested = _subfolders(root, "val")
    if not tested:
        raise ProtocolFault([f"{root / 'val'}: no class folders; {HOW}"])
    for part, other, missing in (
        ("val", "train", sorted(set(classes) - set(tested))),
        ("train", "val", sorted(set(tested) - set(classes))),
    ):
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            where = f"{root / part}: no folder '{missing[0]}'{more}, a class of {other}"
            raise ProtocolFault([f"{where}; allowed: the same classes in both"])
    return Labelled(training, _of_classes(root, "val", classes), tuple(classes))


def _subfolders(root: Path, part: str) -> list[str]:
    """Names of the class folders in a part (``train`` or ``val``), ascending."""
    return sorted(name for name, folder in _entries(root / part) if folder)


def _of_classes(root: Path, part: str, classes: list[str]) -> ImageFiles:
    containers: list[bytes] = []
    names: list[np.ndarray] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        before = len(names)
        for folder, found in _images_below(root, f"{part}/{name}"):
            containers.append(os.fsencode(folder))
            names.append(np.array(found))
            labels.append(label)
        if len(names) == before:
            raise ProtocolFault([f"{root / part / name}: no image; allowed: at least one, {', '.join(SUFFIXES)}"])
    return _files(root, containers, names, np.repeat(labels, [len(found) for found in names]))


def _files(root: Path, containers: list[bytes], names: list[np.ndarray], labels: np.ndarray) -> ImageFiles:
    container = np.repeat(np.arange(len(containers)), [len(found) for found in names])
    nowhere = np.full(len(labels), -1, np.int64)
    return ImageFiles(
        str(root), np.array(containers), container, np.concatenate(names), nowhere, nowhere, labels.astype(np.int64)
    )


def _annotated(root: Path, classes: list[str]) -> ImageFiles:
    """Images in ``val/images``, with their classes from the annotations."""
    try:
        lines = (root / ANNOTATIONS).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise ProtocolFault(
            [f"{root / ANNOTATIONS}: is not a text file; allowed: image, tab, class of train"]
        ) from None
    except OSError as error:
        raise ProtocolFault([f"{root / ANNOTATIONS}: cannot be read: {error.strerror}"]) from None
    index = {name: label for label, name in enumerate(classes)}
    given: dict[bytes, int] = {}
    for number, line in enumerate(lines, start=1):
        image, *more = line.split("\t")
        if not more or more[0] not in index:
            found = f"class '{more[0]}' is no folder of train" if more else "no class"
            raise ProtocolFault([f"{root / ANNOTATIONS} line {number}: {found}; allowed: image, tab, class of train"])
        given[os.fsencode(image)] = index[more[0]]
    folders = list(_images_below(root, "val/images"))
    present = [name for _, found in folders for name in found]
    for what, missing in (("not there", set(given) - set(present)), ("not annotated", set(present) - set(given))):
        if missing:
            name = os.fsdecode(min(missing))
            raise ProtocolFault(
                [f"{root / 'val/images' / name}: {what}; allowed: the {len(given)} images of val_annotations.txt"]
            )
    if unseen := sorted(set(index.values()) - set(given.values())):
        raise ProtocolFault([f"{root / ANNOTATIONS}: no image of class '{classes[unseen[0]]}'; allowed: at least one"])
    labels = np.array([given[name] for name in present])
    return _files(root, [os.fsencode(f) for f, _ in folders], [np.array(found) for _, found in folders], labels)


def _images_below(
    root: Path, folder: str, above: tuple[tuple[int, int], ...] = ()
) -> Iterator[tuple[str, list[bytes]]]:
    """Folders and the names of their images, each sorted.

    `above` identifies the parent folders by device and inode, to detect links that form a loop.
    """
    path = root / folder
    try:
        status = os.stat(path)
    except OSError as error:
        raise ProtocolFault([f"{path}: cannot be read: {error.strerror}"]) from None
    own = (status.st_dev, status.st_ino)
    if own in above:
        raise ProtocolFault([f"{path}: a link to a folder above it; allowed: folders and links that end"])
    entries = sorted(_entries(path))
    if found := [os.fsencode(name) for name, is_folder in entries if not is_folder and name.lower().endswith(SUFFIXES)]:
        yield folder, found
    for name, is_folder in entries:
        if is_folder:
            yield from _images_below(root, f"{folder}/{name}", (*above, own))


def _entries(path: Path) -> list[tuple[str, bool]]:
    """Name of each entry in a folder, and whether it is a folder or a link to one; hidden entries are skipped."""
    try:
        with os.scandir(path) as entries:
            return [(entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith(".")]
    except FileNotFoundError:
        raise ProtocolFault([f"{path}: no such folder; {HOW}"]) from None
    except OSError as error:
        raise ProtocolFault([f"{path}: cannot be read: {error.strerror}"]) from None
