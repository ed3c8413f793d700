"""Images in folders: complete listing, one error line for anything missing."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from protocols.images import folders
from protocols.images.splits import find_images, fingerprints
from protocols.spec.faults import ProtocolFault
from tests.protocols.images.files import PIXEL, TREE, folder_data, names, put


def fault(root: Path | str, **changes: object) -> str:
    with pytest.raises(ProtocolFault) as raised:
        find_images(folder_data(root, **changes))
    (line,) = raised.value.lines
    assert "\n" not in line
    return line


def test_finds_every_image_with_its_class(tmp_path: Path) -> None:
    put(
        tmp_path, [*TREE, "train/cat/deeper/still/x.png", "train/cat/notes.txt", "train/dog/.hidden.jpg", "train/x.jpg"]
    )
    splits = find_images(folder_data(tmp_path))
    assert splits.classes == ("cat", "dog")
    assert names(splits.test) == [
        "val/cat/cat_0.JPEG",
        "val/cat/cat_1.JPEG",
        "val/dog/dog_0.JPEG",
        "val/dog/dog_1.JPEG",
    ]
    assert splits.test.labels.tolist() == [0, 0, 1, 1]
    training = dict(zip(names(splits.training), splits.training.labels.tolist(), strict=True))
    held_back = dict(zip(names(splits.validation), splits.validation.labels.tolist(), strict=True))
    assert training | held_back == {
        **{f"train/cat/cat_{i}.JPEG": 0 for i in range(3)},
        **{f"train/dog/dog_{i}.JPEG": 1 for i in range(3)},
        "train/cat/deeper/still/x.png": 0,
    }
    assert splits.training.read(0) == PIXEL


def test_names_of_any_bytes_and_lengths(tmp_path: Path) -> None:
    odd = ["train/cat/ä ö.jpg", "train/dog/" + "x" * 200 + ".JPG", os.fsdecode(b"train/dog/\xff.jpg")]
    put(tmp_path, [*TREE, *odd])
    splits = find_images(folder_data(tmp_path))
    assert set(odd) <= set(names(splits.training) + names(splits.validation))
    assert all(splits.training.read(i) == PIXEL for i in range(len(splits.training)))


def test_the_folder_lies_below_the_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "tiny", TREE)
    monkeypatch.setenv("CULTURE_DATA", str(tmp_path))
    assert len(find_images(folder_data("tiny")).training) == 4


def test_tiny_imagenet_as_published(tmp_path: Path) -> None:
    put(tmp_path, [f"train/{c}/images/{c}_{i}.JPEG" for c in ("n02", "n01") for i in range(3)])
    put(tmp_path, ["train/n01/n01_boxes.txt", *(f"val/images/val_{i}.JPEG" for i in range(4))])
    rows = [(2, "n01"), (0, "n02"), (3, "n02"), (1, "n01")]
    (tmp_path / "val/val_annotations.txt").write_text("".join(f"val_{i}.JPEG\t{c}\t0\t0\t9\t9\n" for i, c in rows))
    splits = find_images(folder_data(tmp_path))
    assert splits.classes == ("n01", "n02")
    assert names(splits.test) == [f"val/images/val_{i}.JPEG" for i in range(4)]
    assert splits.test.labels.tolist() == [1, 0, 0, 1]
    assert len(splits.training) == 4


@pytest.mark.parametrize(
    ("annotations", "says"),
    [
        ("a.png\tcat\nb.png\tdog\nc.png\tcat\n", "val/images/c.png: not there; allowed: the 3 images of"),
        ("a.png\tcat\n", "val/images/b.png: not annotated; allowed: the 1 images of"),
        ("a.png\tcat\nb.png\tcow\n", "val_annotations.txt line 2: class 'cow' is no folder of train"),
        ("a.png cat\n", "val_annotations.txt line 1: no class; allowed: image, tab, class of train"),
        ("a.png\tcat\nb.png\tcat\n", "val_annotations.txt: no image of class 'dog'"),
        ("", "val/images/a.png: not annotated"),
    ],
)
def test_annotations_that_do_not_fit(annotations: str, says: str, tmp_path: Path) -> None:
    put(tmp_path, [*TREE, "val/images/a.png", "val/images/b.png"])
    (tmp_path / "val/val_annotations.txt").write_text(annotations)
    line = fault(tmp_path)
    assert line.startswith(str(tmp_path))
    assert says in line


def test_a_missing_folder_says_what_is_needed_and_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CULTURE_DATA", str(tmp_path))
    line = fault("imagenet")
    for words in (
        f"data.folder: {tmp_path}/imagenet is no folder; ",
        "train/<class>/<image> and val/<class>/<image>",
        "image-net.org",
        "tiny-imagenet-200.zip",
        "$CULTURE_DATA name a folder that holds imagenet/",
    ):
        assert words in line
    assert fault("/nowhere").startswith("data.folder: /nowhere is no folder; ")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda root: shutil.rmtree(root / "train"), "{root}/train: no such folder; allowed: train/<class>/<image>"),
        (lambda root: shutil.rmtree(root / "val"), "{root}/val: no such folder; allowed: train/<class>/<image> and"),
        (lambda root: shutil.rmtree(root / "val/dog"), "{root}/val: no folder 'dog', a class of train; allowed: the"),
        (lambda root: shutil.rmtree(root / "train/cat"), "{root}/train: no folder 'cat', a class of val; allowed: the"),
        (
            lambda root: put(root, ["train/cow/x.jpg", "train/elk/x.jpg"]),
            "{root}/val: no folder 'cow' and 1 more, a class of train",
        ),
        (
            lambda root: put(root, ["train/cow/x.jpg", "val/cow/x.jpg"]),
            "data.n_classes: 2; {root} holds 3 classes, 'cat' to 'dog'; allowed: as many",
        ),
        (
            lambda root: [shutil.rmtree(root / part / "dog") for part in ("train", "val")],
            "data.n_classes: 2; {root} holds 1 classes, 'cat' to 'cat'; allowed: as many",
        ),
        (lambda root: [p.unlink() for p in (root / "val/dog").iterdir()], "{root}/val/dog: no image; allowed: at"),
        (
            lambda root: [p.rename(p.with_suffix(".txt")) for p in (root / "train/cat").iterdir()],
            "{root}/train/cat: no image; allowed: at least one, .jpg, .jpeg, .png",
        ),
        (
            lambda root: [shutil.rmtree(root / "val/dog"), shutil.rmtree(root / "val/cat"), put(root, ["val/1.JPEG"])],
            "{root}/val: no class folders; allowed: train/<class>/<image> and val/<class>/<image>",
        ),
        (
            lambda root: [shutil.rmtree(root / "train"), put(root, ["train"])],
            "{root}/train: cannot be read: Not a directory",
        ),
        (
            lambda root: (root / "train/cat/loop").symlink_to(root / "train"),
            "{root}/train/cat/loop/cat: a link to a folder above it",
        ),
        (lambda root: (root / "train/dog/own").symlink_to("own"), "{root}/train/dog: cannot be read: Too many levels"),
    ],
)  # fmt: skip
def test_what_is_missing_is_one_line(spoil: Callable[[Path], object], says: str, tmp_path: Path) -> None:
    spoil(put(tmp_path, TREE))
    assert fault(tmp_path).startswith(says.format(root=tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    put(tmp_path, TREE)
    (tmp_path / "val/dog").chmod(0)
    try:
        assert fault(tmp_path) == f"{tmp_path}/val/dog: cannot be read: Permission denied"
    finally:
        (tmp_path / "val/dog").chmod(0o700)


def test_links_to_folders_and_files_are_followed(tmp_path: Path) -> None:
    put(tmp_path / "a", TREE)
    put(tmp_path / "elsewhere", ["0.jpg", "1.jpg"])
    (tmp_path / "a/train/cat/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "a/train/cat/again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "a/train/dog/link.jpg").symlink_to(tmp_path / "elsewhere/0.jpg")
    splits = find_images(folder_data(tmp_path / "a"))
    assert len(splits.training) + len(splits.validation) == 6 + 4 + 1


def test_the_order_of_the_file_system_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "a", [*TREE, "train/cat/b/1.jpg", "train/cat/a/1.jpg"])
    put(tmp_path / "b", [*TREE, "train/cat/b/1.jpg", "train/cat/a/1.jpg"][::-1])
    first, own = find_images(folder_data(tmp_path / "a")), folders._entries
    monkeypatch.setattr(folders, "_entries", lambda path: own(path)[::-1])
    second = find_images(folder_data(tmp_path / "b"))
    for part in ("training", "validation", "test"):
        assert names(getattr(first, part)) == names(getattr(second, part))
        assert getattr(first, part).labels.tolist() == getattr(second, part).labels.tolist()
    assert fingerprints(folder_data(tmp_path / "a")) == fingerprints(folder_data(tmp_path / "b"))


def test_a_fingerprint_tells_names_sizes_and_classes(tmp_path: Path) -> None:
    def changed(spoil: Callable[[Path], object]) -> set[str]:
        shutil.rmtree(tmp_path / "a", ignore_errors=True)
        spoil(put(tmp_path / "a", TREE))
        after = fingerprints(folder_data(tmp_path / "a"))
        return {part for part in after if after[part] != before[part]}

    before = fingerprints(folder_data(put(tmp_path / "a", TREE)))
    assert changed(lambda root: None) == set()
    test, swap = tmp_path / "a/val/cat/cat_0.JPEG", tmp_path / "a/val"
    assert changed(lambda root: test.rename(test.with_name("cat_00.JPEG"))) == {"test"}
    assert changed(lambda root: test.write_bytes(b"")) == {"test"}
    assert changed(lambda root: put(root, ["train/dog/dog_3.JPEG"])) == {"training"}
    assert changed(lambda root: swap.joinpath("dog/dog_0.JPEG").rename(swap / "cat/dog_0.JPEG")) == {"test"}


def test_names_are_held_in_arrays(tmp_path: Path) -> None:
    files = find_images(folder_data(put(tmp_path, TREE))).training
    held = [value for value in vars(files).values() if not isinstance(value, str)]
    assert all(isinstance(value, np.ndarray) and not value.dtype.hasobject for value in held)
