"""Images in tar shards: round trips in any member order, one error line for each kind of damage, the cached index."""

import gzip
import io
import os
import random
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.images import shards as image_shards
from protocols.images.decode import CorruptImage
from protocols.images.listing import Labelled
from protocols.images.splits import find_images, fingerprints
from protocols.spec.faults import ProtocolFault
from tests.protocols.images.files import PIXEL, folder_data, names, pairs, put_shard


@pytest.fixture(autouse=True)
def _own_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CULTURE_DATA", str(tmp_path / "data"))


def shards(root: Path) -> Path:
    """Two training shards and one test shard, with three training images and one test image per class."""
    put_shard(root / "train/a.tar", pairs("x", [0, 1, 0]))
    put_shard(root / "train/b.tar", pairs("x", [1, 0, 1]))
    put_shard(root / "val/a.tar", pairs("y", [0, 1]))
    return root


def fault(root: Path, **changes: object) -> str:
    with pytest.raises(ProtocolFault) as raised:
        find_images(folder_data(root, "shards", **changes))
    (line,) = raised.value.lines
    assert "\n" not in line
    return line


def test_finds_every_image_with_its_class(tmp_path: Path) -> None:
    splits = find_images(folder_data(shards(tmp_path), "shards"))
    assert splits.classes == ("0", "1")
    assert names(splits.test) == ["val/a.tar: y0.png", "val/a.tar: y1.png"]
    found = {
        name: label
        for part in (splits.training, splits.validation)
        for name, label in zip(names(part), part.labels.tolist(), strict=True)
    }
    assert found == {
        **{f"train/a.tar: x{i}.png": label for i, label in enumerate([0, 1, 0])},
        **{f"train/b.tar: x{i}.png": label for i, label in enumerate([1, 0, 1])},
    }


def test_bytes_are_those_of_the_member(tmp_path: Path) -> None:
    content = {f"k{i}": random.Random(i).randbytes(size) for i, size in enumerate([1, 511, 512, 513, 70_000, 0])}
    members = [(f"{key}.jpg", value) for key, value in content.items()] + [(f"{key}.cls", b"1\n") for key in content]
    random.Random(0).shuffle(members)
    put_shard(shards(tmp_path) / "val/more.tar", members)
    test = find_images(folder_data(tmp_path, "shards")).test
    read = {name: test.read(i) for i, name in enumerate(names(test)) if "more" in name}
    assert read == {f"val/more.tar: {key}.jpg": value for key, value in content.items()}


def test_members_of_a_key_come_in_any_order_with_others_between(tmp_path: Path) -> None:
    members = [*pairs("deep/er/x", [0, 1, 1]), ("deep/er/x0.json", b"{}"), ("x.seg.png", b""), ("README", b"")]
    orders = []
    for seed in range(3):
        root = shards(tmp_path / str(seed))
        random.Random(seed).shuffle(members)
        put_shard(root / "train/c.tar", members)
        files = find_images(folder_data(root, "shards"))
        orders.append([(names(part), part.labels.tolist()) for part in (files.training, files.validation)])
    assert orders[0] == orders[1] == orders[2]
    assert sum("deep/er/x" in name for part, _ in orders[0] for name in part) == 3


def test_long_names_and_folders(tmp_path: Path) -> None:
    path = shards(tmp_path) / "train/long.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as shard:
        folder = tarfile.TarInfo("d" * 150)
        folder.type = tarfile.DIRTYPE
        shard.addfile(folder)
        for name, content in ((f"{'d' * 150}/ä.JPG", PIXEL), (f"{'d' * 150}/ä.cls", b"1")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            shard.addfile(member, io.BytesIO(content))
        folder.name = "e" * 150 + ".jpg"
        shard.addfile(folder)
    splits = find_images(folder_data(tmp_path, "shards"))
    files = next(part for part in (splits.training, splits.validation) if any("ä" in name for name in names(part)))
    (at,) = [i for i, name in enumerate(names(files)) if "ä" in name]
    assert (files.read(at), files.labels[at]) == (PIXEL, 1)


def rewritten(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda root: (root / "train/b.tar").write_bytes(change((root / "train/b.tar").read_bytes()))


def extra(*members: tuple[str, bytes]) -> Callable[[Path], object]:
    return lambda root: put_shard(root / "train/b.tar", [*pairs("x", [1, 0, 1]), *members])


END = 3 * 4 * 512  # three images and three class files, each one block and a header


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (rewritten(lambda tar: tar[: END - 300]), "b.tar: unexpected end of data; allowed: a whole .tar file"),
        (rewritten(lambda tar: tar[: END - 700]), "b.tar: cut short or damaged at byte 5120; allowed: a whole .tar"),
        (rewritten(lambda tar: tar[:END]), f"b.tar: cut short or damaged at byte {END}; allowed: a whole .tar file"),
        (rewritten(lambda tar: tar[: END // 2]), "b.tar: cut short or damaged at byte 3072; "),
        (rewritten(lambda tar: tar[:1024] + b"\xff" * 512 + tar[1536:]), "b.tar: cut short or damaged at byte 1024"),
        (rewritten(lambda tar: b""), "b.tar: empty file; allowed: a whole .tar file"),
        (rewritten(lambda tar: b"<html>" * 100), "b.tar: "),
        (rewritten(gzip.compress), "b.tar: is compressed (gzip); allowed: .tar"),
        (lambda root: (root / "train/c.tar.gz").write_bytes(b""), "c.tar.gz: is compressed; allowed: .tar"),
        (extra(("k.jpg", PIXEL)), "b.tar: k.jpg has no class; allowed: k.cls beside it"),
        (extra(("k.cls", b"0")), "b.tar: k.cls has no image; allowed: one of jpeg, jpg, png, webp beside it"),
        (extra(("k.jpg", PIXEL), ("k.cls", b"cat")), "b.tar: k.cls holds 'cat'; allowed: a class, 0 to 1"),
        (extra(("k.jpg", PIXEL), ("k.cls", b"2")), "b.tar: k.cls holds '2'; allowed: a class, 0 to 1"),
        (extra(("k.jpg", PIXEL), ("k.cls", b"-1")), "b.tar: k.cls holds '-1'; allowed: a class, 0 to 1"),
        (extra(("k.jpg", PIXEL), ("k.cls", b"1.0")), "b.tar: k.cls holds '1.0'; allowed: a class, 0 to 1"),
        (extra(("k.jpg", PIXEL), ("k.cls", b"")), "b.tar: k.cls holds ''; allowed: a class, 0 to 1"),
        (extra(("k.jpg", PIXEL), ("k.cls", b"9" * 9999)), "b.tar: k.cls holds '9999"),
        (extra(("k.jpg", PIXEL), ("k.cls", b"\xff\n\r")), "b.tar: k.cls holds '\ufffd'; allowed: a class, 0 to 1"),
        (extra(("x0.png", PIXEL)), "b.tar: x0.png comes twice; allowed: one image and one .cls a key"),
        (extra(("x0.jpg", PIXEL)), "b.tar: x0.jpg comes twice; allowed: one image and one .cls a key"),
        (extra(("x0.cls", b"1")), "b.tar: x0.cls comes twice; allowed: one image and one .cls a key"),
    ],
)
def test_what_is_wrong_is_one_line_with_shard_and_member(
    spoil: Callable[[Path], object], says: str, tmp_path: Path
) -> None:
    spoil(shards(tmp_path))
    assert fault(tmp_path).startswith(f"{tmp_path}/train/{says}")


def test_a_shard_cut_short_anywhere_is_a_fault(tmp_path: Path) -> None:
    path = shards(tmp_path) / "train/b.tar"
    whole = path.read_bytes()
    for length in range(0, END + 512, 128):
        path.write_bytes(whole[:length])
        assert fault(tmp_path).startswith(f"{path}: ")


@given(st.integers(0, 2**32), st.integers(1, 8))
def test_a_damaged_header_is_one_line(seed: int, bytes_changed: int) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = put_shard(Path(folder) / "a.tar", pairs("x", [1, 0, 1]))
        content = bytearray(path.read_bytes()[: END + 1024])
        headers = [512 * i + j for i in range(0, END // 512, 2) for j in range(512) if not 148 <= j < 156]
        for _ in range(bytes_changed):
            content[chance.choice(headers)] ^= chance.randrange(1, 256)
        path.write_bytes(content)
        with pytest.raises(ProtocolFault) as fault:  # detected by the header's checksum (bytes 148 to 155, left intact)
            image_shards._shard(path, 2)
        assert len(fault.value.lines) == 1
        assert fault.value.lines[0].startswith(f"{path}: ")


def test_links_in_place_of_images(tmp_path: Path) -> None:
    with tarfile.open(shards(tmp_path) / "train/c.tar", "w") as shard:
        link = tarfile.TarInfo("k.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        shard.addfile(link)
    assert fault(tmp_path) == f"{tmp_path}/train/c.tar: k.jpg is a link or a sparse file; allowed: a plain file"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda root: shutil.rmtree(root / "val"), "{root}/val: no such folder; allowed: train/*.tar and val/*.tar"),
        (lambda root: (root / "val/a.tar").unlink(), "{root}/val: no shard; allowed: train/*.tar and val/*.tar in it"),
        (lambda root: put_shard(root / "val/a.tar", pairs("y", [0])), "{root}/val: no image of class 1; allowed: at "),
        (lambda root: put_shard(root / "val/a.tar", []), "{root}/val: no image of class 0; allowed: at least one of"),
        (
            lambda root: shutil.rmtree(root),
            "data.folder: {root} is no folder; put the images there, or name another folder; allowed: train/*",
        ),
        (
            lambda root: [(root / "val/a.tar").unlink(), (root / "val/a.tar").mkdir()],
            "{root}/val/a.tar: cannot be read: Is a directory",
        ),
    ],
)
def test_what_is_missing_is_one_line(spoil: Callable[[Path], object], says: str, tmp_path: Path) -> None:
    spoil(shards(tmp_path / "s"))
    assert fault(tmp_path / "s").startswith(says.format(root=tmp_path / "s"))


def test_more_classes_than_the_shards_hold(tmp_path: Path) -> None:
    assert fault(shards(tmp_path), n_classes=3, validation=3) == (
        f"{tmp_path}/train: no image of class 2; allowed: at least one of each of 3"
    )


def test_an_image_of_a_shard_that_is_gone_is_a_corrupt_one(tmp_path: Path) -> None:
    test = find_images(folder_data(shards(tmp_path), "shards")).test
    (tmp_path / "val/a.tar").unlink()
    with pytest.raises(CorruptImage, match="cannot be read: No such file or directory"):
        test.read(0)


def test_headers_are_read_once_for_the_same_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, times, own = shards(tmp_path / "s"), [], image_shards.read_shards

    def counted(*given: Any) -> Labelled:
        times.append(1)
        return own(*given)

    def found() -> list[Any]:
        splits = find_images(folder_data(root, "shards"))
        parts = (splits.training, splits.validation, splits.test)
        return [splits.classes, [(names(part), part.labels.tolist(), part.read(0)) for part in parts]]

    monkeypatch.setattr(image_shards, "read_shards", counted)
    first = found()
    assert found() == first
    assert len(times) == 1
    (index,) = (tmp_path / "data/index").iterdir()
    index.write_bytes(index.read_bytes()[:700])  # a damaged index is replaced
    assert found() == first
    assert len(times) == 2
    put_shard(root / "val/a.tar", pairs("z", [0, 1]))  # other members, same size
    os.utime(root / "val/a.tar", ns=(0, 1))
    assert found() != first
    put_shard(root / "val/b.tar", pairs("z", [0, 1]))
    found()
    assert len(times) == 4
    with pytest.raises(ProtocolFault, match="no image of class 2"):
        find_images(folder_data(root, "shards", n_classes=3, validation=3))
    monkeypatch.setenv("CULTURE_DATA", str(root / "val/b.tar"))  # not a folder: no index can be written
    assert [found() == found(), len(times)] == [True, 7]


def test_a_fingerprint_tells_lengths_and_classes(tmp_path: Path) -> None:
    before = fingerprints(folder_data(shards(tmp_path), "shards"))
    assert fingerprints(folder_data(shards(tmp_path / "again"), "shards")) == before
    put_shard(tmp_path / "val/a.tar", pairs("y", [1, 0]))
    after = fingerprints(folder_data(tmp_path, "shards"))
    assert {part for part in after if after[part] != before[part]} == {"test"}
