"""Generated image files: reproducible, of the requested shape, identical in folders and in shards."""

import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from protocols.images import synthetic
from protocols.images.decode import CorruptImage, decode
from protocols.images.listing import ImageFiles
from protocols.images.splits import find_images, fingerprints
from protocols.runs import dry_run
from protocols.spec.faults import ProtocolFault
from protocols.spec.file_data import SyntheticData
from tests.protocols.images.files import folder_data, synthetic_data

pytestmark = pytest.mark.whole

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _own_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CULTURE_DATA", str(tmp_path / "data"))


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def readable(content: bytes) -> bool:
    try:
        decode(content, synthetic_data(), None)
    except CorruptImage:
        return False
    return True


def test_writes_so_many_images_of_sides_within_the_limits() -> None:
    data = synthetic_data(images=20)
    found = contents(synthetic.generated(data))
    names = [f"train/n{c:08d}/n{c:08d}_{i}.JPEG" for c in range(3) for i in range(20)]
    assert sorted(found) == sorted(names + [f"val/n{c:08d}/n{c:08d}_{i}.JPEG" for c in range(3) for i in range(2)])
    sizes = [Image.open(io.BytesIO(content)).size for content in found.values()]
    sides = np.array(sizes)
    assert (sides.min(), sides.max()) == (20, 40)
    assert len(set(sizes)) > 40
    assert len(set(found.values())) == len(found)


def test_the_section_alone_says_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = synthetic.generated(synthetic_data())
    assert synthetic.generated(synthetic_data(size=(32, 32), per_class=2, workers=0)) == first
    others = [synthetic.generated(synthetic_data(**change)) for change in ({"images": 6}, {"side": (20, 41)})]
    assert len({first, *others}) == 3
    monkeypatch.setenv("CULTURE_DATA", str(tmp_path / "again"))
    again = synthetic.generated(synthetic_data())
    assert again != first
    assert contents(again) == contents(first)
    assert contents(first).items() <= contents(others[0]).items()  # adding images does not change the others


def test_what_is_there_is_not_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic.generated(synthetic_data())
    monkeypatch.setattr(synthetic, "images", None)
    assert len(find_images(synthetic_data()).training) == 12


@pytest.mark.parametrize("corrupt", [0, 1, 3, 7, 15])
def test_so_many_training_images_are_corrupt(corrupt: int) -> None:
    plain, spoilt = (contents(synthetic.generated(synthetic_data(corrupt=n))) for n in (0, corrupt))
    different = {name: content for name, content in spoilt.items() if content != plain[name]}
    assert len(different) == corrupt
    assert all(name.startswith("train/") and not readable(content) for name, content in different.items())
    assert len({content[:5] for content in different.values()}) == min(corrupt, 3)  # empty, text, truncated
    assert all(map(readable, plain.values()))


def test_classes_can_be_learned_and_not_at_sight() -> None:
    data = synthetic_data(n_classes=5, images=24, test_images=10, validation=5, size=(32, 32), side=(60, 90))
    splits = find_images(data)

    def seen(part: ImageFiles) -> tuple[np.ndarray, np.ndarray]:
        pixels = np.stack([decode(part.read(i), data, None) for i in range(len(part))]).astype(float)
        return np.abs(np.fft.fft2(pixels - pixels.mean((2, 3), keepdims=True))).reshape(len(part), -1), part.labels

    (spectra, labels), (asked, truth) = seen(splits.training), seen(splits.test)
    nearest = labels[np.argmin(((asked[:, None] - spectra) ** 2).sum(2), 1)]
    assert (nearest == truth).mean() > 0.6  # chance: 0.2
    means = np.stack([splits_mean(splits.training, data, label) for label in range(5)])
    assert np.abs(means - means.mean(0)).max() < 30  # grey levels: mean colour alone does not separate the classes


def splits_mean(part: ImageFiles, data: SyntheticData, label: int) -> np.ndarray:
    own = np.flatnonzero(part.labels == label).tolist()
    return np.mean([decode(part.read(i), data, None).mean((1, 2)) for i in own], axis=0)


def test_folders_and_shards_hold_the_same(tmp_path: Path) -> None:
    data = synthetic_data(corrupt=3)
    synthetic.write_tree(tmp_path / "tree", data)
    synthetic.write_shards(tmp_path / "shards", data, 4)
    assert len(list((tmp_path / "shards").glob("*/*.tar"))) == 8

    def held(source: str, root: Path, part: str) -> dict[str, tuple[bytes, int]]:
        files = getattr(find_images(folder_data(root, source, n_classes=3, validation=3)), part)
        keys = [name.decode().split("/")[-1].partition(".")[0] for name in files.names.tolist()]
        return {key: (files.read(i), int(files.labels[i])) for i, key in enumerate(keys)}

    trees, shards = ([held(*where, part) for part in ("training", "validation", "test")] for where in (
        ("image_folder", tmp_path / "tree"), ("shards", tmp_path / "shards")
    ))  # fmt: skip
    assert trees[2] == shards[2]
    assert trees[0] | trees[1] == shards[0] | shards[1]
    spec = folder_data("x", augmentation="crop_flip")
    for key, (content, label) in (shards[0] | shards[1] | shards[2]).items():
        assert key.startswith(f"n{label:08d}_")
        if readable(content):
            other = (trees[0] | trees[1] | trees[2])[key][0]
            for rng in (lambda: None, lambda: np.random.default_rng(1)):
                np.testing.assert_array_equal(decode(content, spec, rng()), decode(other, spec, rng()))


def test_several_at_once_write_once() -> None:
    with ThreadPoolExecutor(4) as pool:
        (folder,) = set(pool.map(synthetic.generated, [synthetic_data(images=40)] * 4))
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert len(contents(folder)) == 3 * 42


def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(data: SyntheticData) -> None:
        yield "train/n00000000/x.JPEG", b""
        raise KeyboardInterrupt

    monkeypatch.setattr(synthetic, "images", interrupted)
    with pytest.raises(KeyboardInterrupt):
        synthetic.generated(synthetic_data())
    assert contents(tmp_path) == {}


def test_a_data_directory_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("CULTURE_DATA", str(tmp_path / "file"))
    with pytest.raises(ProtocolFault) as fault:
        fingerprints(synthetic_data())
    (line,) = fault.value.lines
    assert line.startswith(f"{tmp_path}/file/synthetic/")
    assert "cannot be written: Not a directory; allowed: a new folder, with space" in line


# the command


def command(*arguments: object) -> tuple[int, str]:
    line = [sys.executable, "-m", "protocols.images.synthetic", *map(str, arguments)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stderr


def test_the_command_writes_what_the_section_says(tmp_path: Path) -> None:
    small = ("--classes", 3, "--images", 5, "--test-images", 2, "--side", 20, 40, "--corrupt", 3)
    assert command(tmp_path / "tree", *small) == (0, "")
    assert contents(tmp_path / "tree") == contents(synthetic.generated(synthetic_data(corrupt=3)))
    assert command(tmp_path / "shards", *small, "--shards", 2) == (0, "")
    assert len(find_images(folder_data(tmp_path / "shards", "shards", n_classes=3, validation=3)).training) == 12


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"classes": 1}, "--classes: 1 is not allowed: input should be greater than or equal to 2"),
        ({"side": (500, 300)}, "--side: 500 to 300; allowed: the smaller first"),
        ({"corrupt": 201}, "--corrupt: 201 is too many; allowed: at most 200, all training images"),
        ({"shards": -1}, "--shards: -1; allowed: 0 (none) to 500"),
    ],
)
def test_a_wrong_argument_is_one_line(arguments: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ProtocolFault) as fault:
        synthetic.write(tmp_path / "new", **arguments)
    assert fault.value.lines == [says]
    assert not (tmp_path / "new").exists()


def test_the_command_leaves_what_is_there(tmp_path: Path) -> None:
    assert command(tmp_path) == (2, f"error: {tmp_path}: is there already; allowed: a new folder\n")


def test_a_dry_run_counts_what_would_be_generated_and_generates_nothing(tmp_path: Path) -> None:
    data = synthetic_data()
    with dry_run.nothing_written():
        planned = find_images(data)
    assert not (tmp_path / "data").exists()
    found = find_images(data)
    assert planned.classes == found.classes
    for part in ("training", "validation", "test"):
        np.testing.assert_array_equal(getattr(planned, part).labels, getattr(found, part).labels)
