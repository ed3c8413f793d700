"""CIFAR: format of the records, all-or-nothing unpacking of the archive, reduced copies."""

import io
import os
import re
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from protocols.images import cifar, datasets
from protocols.images.datasets import load
from protocols.images.download import Published
from tests.protocols.images import test_datasets as local
from tests.protocols.images.test_datasets import NOBODY, Server, fault, md5

root = local.root
serve = local.serve

NAMES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
FOLDER = "cifar-10-batches-bin"
ARCHIVE = "cifar-10-binary.tar.gz"


def record(*labels: int, red: int = 0, green: int = 0, blue: int = 0) -> bytes:
    """Record of an image with a single colour."""
    return bytes(labels) + bytes([red]) * 1024 + bytes([green]) * 1024 + bytes([blue]) * 1024


#: CIFAR-10 with two images in each training file and one test image
FILES = {name: record(i, red=10 + i) + record(9 - i, green=20 + i) for i, name in enumerate(NAMES[:5])}
FILES |= {NAMES[5]: record(7, blue=30)}


def put(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def members(files: dict[str, bytes]) -> list[tuple[tarfile.TarInfo, bytes]]:
    directory = tarfile.TarInfo(FOLDER)
    directory.type = tarfile.DIRTYPE
    return [(directory, b""), *((tarfile.TarInfo(f"{FOLDER}/{name}"), content) for name, content in files.items())]


def packed(content: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    with tarfile.open(fileobj=(target := io.BytesIO()), mode="w:gz") as archive:
        for member, body in content:
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return target.getvalue()


def link(name: str, target: Path | str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, str(target)
    return member, b""


def publish(monkeypatch: pytest.MonkeyPatch, archive: bytes, *mirrors: str) -> None:
    published = Published(mirrors or (NOBODY,), {ARCHIVE: md5(archive)})
    monkeypatch.setitem(cifar.DATA_SETS, "cifar10", replace(cifar.DATA_SETS["cifar10"], published=published))


def is_loaded() -> bool:
    training, test = load("cifar10")
    colours = [colour for i in range(5) for colour in ((10 + i, 0, 0), (0, 20 + i, 0))]
    return (
        training.labels.tolist() == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]
        and np.array_equal(training.images, np.broadcast_to(np.array(colours)[:, :, None, None], (10, 3, 32, 32)))
        and test.labels.tolist() == [7]
        and np.array_equal(test.images, np.broadcast_to(np.array([0, 0, 30])[:, None, None], (1, 3, 32, 32)))
    )


# reading


@pytest.mark.parametrize("parent", ["cifar10", "."])
def test_reads_what_was_written(parent: str, root: Path) -> None:
    put(root / parent / FOLDER, FILES)
    assert is_loaded()
    training, _ = load("cifar10")
    assert (training.images.dtype, training.labels.dtype) == (np.uint8, np.int64)
    for array in (training.images, training.labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    assert not (root / parent / ".lock").exists()  # no lock file: the folder may be read-only


def test_the_folder_of_the_source_comes_first(root: Path) -> None:
    put(root / "cifar10" / FOLDER, FILES)
    put(root / FOLDER, dict.fromkeys(NAMES, record(3)))
    assert is_loaded()


def test_planes_and_rows(root: Path) -> None:
    image = bytearray(record(0))
    image[1 + 5 * 32 + 7] = 200  # red, row 5, column 7
    image[1 + 1024 + 31] = 201  # green, row 0, column 31
    image[1 + 2 * 1024 + 31 * 32] = 202  # blue, row 31, column 0
    put(root / FOLDER, FILES | {"test_batch.bin": bytes(image)})
    expected = np.zeros((3, 32, 32), np.uint8)
    expected[0, 5, 7], expected[1, 0, 31], expected[2, 31, 0] = 200, 201, 202
    np.testing.assert_array_equal(load("cifar10")[1].images[0], expected)


def test_the_fine_label_is_the_second(root: Path) -> None:
    files = {"train.bin": record(19, 99, red=1) + record(0, 42, red=2), "test.bin": record(11, 3, blue=4)}
    put(root / "cifar100" / "cifar-100-binary", files)
    training, test = load("cifar100")
    assert (training.labels.tolist(), test.labels.tolist()) == ([99, 42], [3])
    assert training.images[:, 0].reshape(2, -1).tolist() == [[1] * 1024, [2] * 1024]
    assert test.images[0, :, 0, 0].tolist() == [0, 0, 4]
    assert datasets.checksums("cifar100") == {name: md5(content) for name, content in files.items()}


def test_files_are_read_once(root: Path) -> None:
    folder = put(root / FOLDER, FILES)
    checksums = datasets.checksums("cifar10")
    assert checksums == {name: md5(content) for name, content in FILES.items()}
    for name in NAMES:
        (folder / name).unlink()
    assert is_loaded()
    checksums.clear()
    assert datasets.checksums("cifar10") == {name: md5(content) for name, content in FILES.items()}


def test_fewer_images_than_published_are_said_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = put(root / FOLDER, FILES)
    for _ in range(2):
        load("cifar10")
        datasets.checksums("cifar10")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"cifar10: 10 of 50000 published training images, 1 of 10000 test images in {folder}\n"


def test_as_many_as_published_are_not(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cifar, "N_TRAINING", 10)
    monkeypatch.setattr(cifar, "N_TEST", 1)
    put(root / FOLDER, FILES)
    load("cifar10")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "data_batch_2.bin",
            FILES["data_batch_2.bin"][:-1],
            "6145 bytes; allowed: records of 3073 bytes, at least one",
        ),
        ("test_batch.bin", b"", "0 bytes; allowed: records of 3073 bytes, at least one"),
        ("data_batch_5.bin", record(9) + record(10), "label 10 in record 1; allowed: 0 to 9"),
    ],
    ids=["truncated", "empty", "label"],
)
def test_damage_is_named(name: str, content: bytes, says: str, root: Path) -> None:
    folder = put(root / "cifar10" / FOLDER, FILES | {name: content})
    assert fault("cifar10") == f"{folder}/{name}: {says}"


@pytest.mark.parametrize(("labels", "says"), [((20, 0), "20 in record 0; allowed: 0 to 19"), ((19, 100), "100 in")])
def test_both_labels_of_cifar100_are_checked(labels: tuple[int, int], says: str, root: Path) -> None:
    folder = put(root / "cifar-100-binary", {"train.bin": record(*labels), "test.bin": record(0, 0)})
    assert fault("cifar100").startswith(f"{folder}/train.bin: label {says}")


def test_a_missing_file_is_named(root: Path) -> None:
    folder = put(root / FOLDER, {name: content for name, content in FILES.items() if name != "data_batch_3.bin"})
    assert fault("cifar10") == f"{folder}: data_batch_3.bin missing; allowed: all of {', '.join(NAMES)}"


def test_a_folder_in_place_of_a_file(root: Path) -> None:
    folder = put(root / FOLDER, FILES)
    (folder / NAMES[0]).unlink()
    (folder / NAMES[0]).mkdir()
    assert fault("cifar10") == f"{folder}/{NAMES[0]}: cannot be read: Is a directory"


# the archive


def test_downloads_and_unpacks(root: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    archive = packed(members(FILES | {"batches.meta.txt": b"airplane\n", "readme.html": b"<html>"}))
    mirror = serve({ARCHIVE: archive})
    publish(monkeypatch, archive, NOBODY, mirror.url)
    (root / "cifar10").mkdir(parents=True)
    (root / "cifar10" / f"{ARCHIVE}.part").write_bytes(archive[:100])
    assert is_loaded()
    assert mirror.asked_for(ARCHIVE) == [("bytes=100-", 206)]
    assert {path.name for path in (root / "cifar10").iterdir()} == {ARCHIVE, FOLDER, ".lock"}
    unpacked = {path.name: path.read_bytes() for path in (root / "cifar10" / FOLDER).iterdir()}
    assert unpacked == FILES | {"batches.meta.txt": b"airplane\n"}


def test_an_archive_that_is_there_is_unpacked(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = packed(members(FILES))
    publish(monkeypatch, archive)
    put(root / "cifar10", {ARCHIVE: archive})
    assert is_loaded()


def test_another_archive_is_neither_used_nor_touched(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, mine = packed(members(FILES)), packed(members({"mine": b"1"}))
    publish(monkeypatch, archive)
    path = put(root / "cifar10", {ARCHIVE: mine}) / ARCHIVE
    assert fault("cifar10") == f"{path}: md5 {md5(mine)}; allowed: {md5(archive)}; delete it to download it again"
    assert path.read_bytes() == mine
    assert not (root / "cifar10" / FOLDER).exists()


def test_an_archive_that_cannot_be_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, b"")
    (root / "cifar10" / ARCHIVE).mkdir(parents=True)
    assert fault("cifar10") == f"{root}/cifar10/{ARCHIVE}: cannot be read: Is a directory"


def test_several_at_once_unpack_once(root: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    archive = packed(members(FILES))
    mirror = serve({ARCHIVE: archive})
    publish(monkeypatch, archive, mirror.url)
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(is_loaded) for _ in range(4)]:
            assert done.result()
    assert mirror.asked_for(ARCHIVE) == [(None, 200)]
    assert {path.name for path in (root / "cifar10").iterdir()} == {ARCHIVE, FOLDER, ".lock"}


def test_without_a_network_one_line_says_what_is_needed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, b"")
    folder = root / "cifar10"
    assert fault("cifar10") == (
        f"{folder}/{ARCHIVE}: cannot be downloaded (127.0.0.1:9: ConnectionError); put {ARCHIVE} into {folder}, "
        "or let $CULTURE_DATA name a folder that holds them in cifar10/"
    )


def test_a_malicious_archive_writes_nothing_of_its_own(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = put(tmp_path / "outside", {"victim": b"mine"})
    evil = [
        *((tarfile.TarInfo(name), b"evil") for name in ("../evil", f"{FOLDER}/../../evil", f"{outside}/evil")),
        *((tarfile.TarInfo(f"{FOLDER}/{name}"), b"evil") for name in ("evil", "../data_batch_1.bin")),
        link(f"{FOLDER}/batches.meta.txt", outside / "victim"),
        link("way", outside),
        (tarfile.TarInfo("way/evil"), b"evil"),
    ]
    archive = packed(evil + members(FILES) + [link(f"{FOLDER}/{NAMES[0]}", outside / "victim")])
    publish(monkeypatch, archive)
    put(root / "cifar10", {ARCHIVE: archive})
    assert is_loaded()
    assert {path.name for path in (root / "cifar10" / FOLDER).iterdir()} == set(NAMES)
    assert {path.name for path in (root / "cifar10").iterdir()} == {ARCHIVE, FOLDER, ".lock"}
    assert [path.name for path in root.iterdir()] == ["cifar10"]
    assert {path.name for path in tmp_path.iterdir()} == {"data", "outside"}
    assert [(path.name, path.read_bytes()) for path in outside.iterdir()] == [("victim", b"mine")]


SMALLER = {name: content for name, content in FILES.items() if name != NAMES[2]}


@pytest.mark.parametrize(
    ("archive", "says"),
    [
        (packed(members(SMALLER)), f"no file {FOLDER}/{NAMES[2]}; "),
        (packed([*members(SMALLER), link(f"{FOLDER}/{NAMES[2]}", "/dev/zero")]), f"no file {FOLDER}/{NAMES[2]}; "),
        (
            packed([*members(SMALLER), link(f"{FOLDER}/{NAMES[2]}", f"{FOLDER}/{NAMES[1]}", tarfile.LNKTYPE)]),
            f"no file {FOLDER}/{NAMES[2]}; ",
        ),
        (packed(members(FILES))[:-40], "allowed: a whole .tar.gz archive"),
        (packed(members(FILES))[:60] + b"\xff" * 200, "allowed: a whole .tar.gz archive"),
        (b"<html>", "allowed: a whole .tar.gz archive"),
    ],
    ids=["missing", "link", "hard link", "truncated", "corrupt", "not gzip"],
)
def test_an_archive_is_unpacked_whole_or_not_at_all(
    archive: bytes, says: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, archive)
    put(root / "cifar10", {ARCHIVE: archive})
    line = fault("cifar10")
    assert line.startswith(f"{root}/cifar10/{ARCHIVE}: ")
    assert says in line
    assert {path.name for path in (root / "cifar10").iterdir()} == {ARCHIVE, ".lock"}


def test_the_published_tables_are_whole() -> None:
    for source, other in cifar.DATA_SETS.items():
        assert datasets.is_colour(source)
        (checksum,) = other.published.md5.values()
        assert len(bytes.fromhex(checksum)) == 16
        assert all(mirror.endswith("/") for mirror in other.published.mirrors)
    assert cifar.DATA_SETS["cifar10"].training + cifar.DATA_SETS["cifar10"].test == tuple(NAMES)
    assert not any(datasets.is_colour(source) for source in ("mnist", "fashion_mnist", "digits"))


# the published images

OWN_DATA = os.environ.get("CULTURE_DATA")


def test_cifar10_is_cifar10(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    beside = Path(__file__).parents[4] / "shared" / "data"
    for folder in [Path(OWN_DATA).expanduser(), beside] if OWN_DATA else [beside]:
        if any((parent / FOLDER).is_dir() for parent in (folder / "cifar10", folder)):
            monkeypatch.setenv("CULTURE_DATA", str(folder))
            break
    else:
        pytest.skip("needs CIFAR-10 in $CULTURE_DATA/cifar10")
    training, test = load("cifar10")
    said = re.search("cifar10: .* of 50000", capsys.readouterr().err)
    assert bool(said) == ((len(training.labels), len(test.labels)) != (50_000, 10_000))
    assert training.labels[:5].tolist() == [6, 9, 9, 4, 1]  # frog, truck, truck, deer, automobile
    assert test.labels[:5].tolist() == [3, 8, 8, 0, 6]
    # published means and sds of red, green and blue, scaled to 0..1; a reduced copy comes close
    mean, sd = training.images.mean((0, 2, 3)) / 255, training.images.std((0, 2, 3)) / 255
    assert mean.tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-3)
    assert sd.tolist() == pytest.approx([0.2470, 0.2435, 0.2616], abs=1e-3)
