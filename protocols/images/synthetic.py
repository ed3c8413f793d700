"""Generated image files in ImageNet's layout: ``python -m protocols.images.synthetic OUT --classes 10 --images 20``.

Each class is a grating with its own orientation, spatial frequency and colour. Phase, contrast, a blotchy background,
noise and the size vary between images; all are determined by the class, the part and the number of the image.
"""

import contextlib
import hashlib
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from protocols.images import datasets
from protocols.images.download import needs
from protocols.images.listing import ImageFiles, Labelled
from protocols.runs import dry_run
from protocols.spec.faults import ProtocolFault, faults_of
from protocols.spec.file_data import SyntheticData
from protocols.spec.random_streams import stream

RECIPE = 1  # version of the generated images, to be raised with every change
QUALITY = 90  # of JPEG
TEXT = b"This is a text, not an image.\n"
MOST_SHARDS = 500  # limited because all are open at the same time
PARTS = ("train", "val")
MEAN_PERIOD = 0.08  # of a grating, as a fraction of the shorter side


def generated(data: SyntheticData) -> Path:
    """Folder of a protocol's generated images; they are written if they do not exist yet, except in a dry run.

    Raises
    ------
    ProtocolFault
        If they cannot be written.
    """
    recipe = data.model_dump(mode="json", include={"n_classes", "images", "test_images", "side", "corrupt"})
    text = json.dumps([RECIPE, recipe], sort_keys=True)
    folder = datasets.data_dir().absolute() / "synthetic" / hashlib.sha256(text.encode()).hexdigest()[:16]
    if not folder.is_dir() and not dry_run.active():
        write_tree(folder, data)
    return folder


def planned(data: SyntheticData, folder: Path) -> Labelled:
    """Listing of the images to be generated; they have labels, but no names yet."""
    classes = np.arange(data.n_classes)

    def files(each: int) -> ImageFiles:
        labels = np.repeat(classes, each)
        none = np.zeros_like(labels)
        return ImageFiles(str(folder), np.array([b""]), none, np.full(len(labels), b""), none, none, labels)

    names = tuple(f"n{label:08d}" for label in classes)
    return Labelled(files(data.images), files(data.test_images), names)


def write_tree(folder: Path, data: SyntheticData) -> None:
    """Write ``train/<class>/`` and ``val/<class>/``; the folder appears only when it is complete.

    Several processes may do this at the same time: all write the same images, and the first to finish is kept.

    Raises
    ------
    ProtocolFault
        If it cannot be written.
    """
    with _at_once(folder) as whole:
        for name, content in images(data):
            path = whole / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def write_shards(folder: Path, data: SyntheticData, n_shards: int) -> None:
    """Write the images as ``train/*.tar`` and ``val/*.tar``, `n_shards` of each, filled in turn.

    Raises
    ------
    ProtocolFault
        If they cannot be written.
    """
    with _at_once(folder) as whole, contextlib.ExitStack() as opened:
        shards: dict[str, list[tarfile.TarFile]] = {}
        for part in PARTS:
            (whole / part).mkdir(parents=True)
            paths = [whole / part / f"shard-{k:06d}.tar" for k in range(n_shards)]
            shards[part] = [opened.enter_context(tarfile.open(path, "w")) for path in paths]
        for turn, (name, content) in enumerate(images(data)):
            part, key = name.removesuffix(".JPEG").split("/", 1)
            label = str(int(key[1:9])).encode()
            for suffix, inside in (("jpg", content), ("cls", label)):
                member = tarfile.TarInfo(f"{key}.{suffix}")
                member.size = len(inside)
                shards[part][turn % n_shards].addfile(member, BytesIO(inside))


@contextlib.contextmanager
def _at_once(folder: Path) -> Iterator[Path]:
    """A temporary folder to write to, renamed to `folder` at the end unless another process has created that."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".making-", dir=folder.parent) as temporary:
            whole = Path(temporary) / "images"
            yield whole
            try:
                os.rename(whole, folder)
            except OSError:
                if not (folder / PARTS[1]).is_dir():
                    raise
    except OSError as error:
        raise ProtocolFault(
            [f"{folder}: cannot be written: {error.strerror or error}; allowed: a new folder, with space"]
        ) from None


def images(data: SyntheticData) -> Iterator[tuple[str, bytes]]:
    """Generate the path and content of each file, class by class."""
    total = data.n_classes * data.images
    spoilt = {(2 * k + 1) * total // (2 * data.corrupt): k for k in range(data.corrupt)}  # evenly spread
    for part, count in zip(PARTS, (data.images, data.test_images), strict=True):
        for label in range(data.n_classes):
            for number in range(count):
                name = f"n{label:08d}"
                content = image(label, number, part, data)
                if part == "train" and (k := spoilt.get(label * count + number)) is not None:
                    content = (b"", TEXT, content[: len(content) // 2])[k % 3]
                yield f"{part}/{name}/{name}_{number}.JPEG", content


def image(label: int, number: int, part: str, data: SyntheticData) -> bytes:
    """Content of one image as a JPEG file."""
    with needs("Pillow"):
        from PIL import Image
    rng = np.random.default_rng(stream(f"synthetic/{part}", label, number))
    low, high = data.side
    width, height = (int(side) for side in rng.integers(low, high, 2, endpoint=True))
    pixels = _grating(label, data.n_classes, width, height, rng)
    blotches = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((width, height))
    pixels += 0.4 * (np.asarray(blotches, np.float32) - 128)
    pixels += rng.standard_normal((height, width, 1), np.float32) * 8
    content = BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(content, "JPEG", quality=QUALITY)
    return content.getvalue()


def _grating(label: int, n_classes: int, width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Grating of a class, shape (height, width, 3); cos(a + b) = cos a cos b - sin a sin b, as outer products."""
    own = np.random.default_rng(stream("synthetic/class", label))
    angle = np.pi * label / n_classes + rng.normal(0, 0.03)
    period = MEAN_PERIOD * 2 ** own.uniform(-1, 1) * min(width, height)
    colour = own.uniform(-1, 1, 3).astype(np.float32)
    colour *= rng.uniform(50, 80) / np.abs(colour).max()
    across = (2 * np.pi / period * np.cos(angle) * np.arange(width)).astype(np.float32)
    down = (2 * np.pi / period * np.sin(angle) * np.arange(height) + rng.uniform(0, 2 * np.pi)).astype(np.float32)
    wave = np.outer(np.cos(down), np.cos(across)) - np.outer(np.sin(down), np.sin(across))
    return 128 + wave[:, :, None] * colour


def write(
    out: Path,
    classes: int = 10,
    images: int = 20,
    test_images: int = 5,
    side: tuple[int, int] = (300, 500),
    corrupt: int = 0,
    shards: int = 0,
) -> None:
    """Write generated images to a new folder, as folders of classes or as tar shards."""
    if out.exists():
        raise ProtocolFault([f"{out}: is there already; allowed: a new folder"])
    if not 0 <= shards <= MOST_SHARDS:
        raise ProtocolFault([f"--shards: {shards}; allowed: 0 (none) to {MOST_SHARDS}"])
    given = {"n_classes": classes, "images": images, "test_images": test_images, "side": side, "corrupt": corrupt}
    try:
        data = SyntheticData(source="synthetic", validation=1, size=(224, 224), **given)
    except ValidationError as error:
        lines = faults_of(error, SyntheticData)
        raise ProtocolFault(
            f"--{line}".replace("n_classes", "classes").replace("_", "-", 1) for line in lines
        ) from None
    if shards:
        write_shards(out, data, shards)
    else:
        write_tree(out, data)


if __name__ == "__main__":
    import typer

    from protocols.runs import cli

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(write)
    cli.main(app)
