"""Images with masks: generated ones, and folders of any common format; one line for every fault."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from protocols.images.masks import examples, pairs
from protocols.images.masks.shapes import draw
from protocols.spec.faults import ProtocolFault
from protocols.spec.nets.masks import MaskFolder, ShapesData

SQUARE = np.zeros((12, 16), np.uint8)
SQUARE[3:9, 4:12] = 255
COLOURS = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)


def folder_data(root: Path, **changes: Any) -> MaskFolder:
    given = {"source": "mask_folder", "folder": str(root), "validation": 1, "test": 1, "size": (12, 16)}
    return MaskFolder(**(given | changes))


def put(root: Path, name: str, pixels: np.ndarray | Image.Image, **options: Any) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four images with masks, in four formats."""
    for index, suffix in enumerate(("png", "bmp", "tif", "png")):
        put(tmp_path, f"images/a{index}.{suffix}", np.roll(COLOURS, index, 0))
        put(tmp_path, f"masks/a{index}.png", np.roll(SQUARE, index, 1))
    return tmp_path


def fault(data: MaskFolder) -> str:
    with pytest.raises(ProtocolFault) as raised:
        examples.load_masks(data)
    (line,) = raised.value.lines
    return line


def test_every_image_comes_with_its_own_mask(root: Path) -> None:
    splits = examples.load_masks(folder_data(root))
    seen = {}
    for part in (splits.training, splits.validation, splits.test):
        seen |= dict(zip(part.names, zip(part.images, part.masks, strict=True), strict=True))
    assert sorted(seen) == ["a0.png", "a1.bmp", "a2.tif", "a3.png"]
    assert [len(part.names) for part in (splits.training, splits.validation, splits.test)] == [2, 1, 1]
    for name, (image, mask) in seen.items():
        index = int(name[1])
        assert np.array_equal(np.rint(255 * image).astype(np.uint8).transpose(1, 2, 0), np.roll(COLOURS, index, 0))
        assert np.array_equal(mask, np.roll(SQUARE, index, 1) // 255)
    again = examples.load_masks(folder_data(root))
    assert again.test.names == splits.test.names


def test_images_without_masks_serve_pretraining(root: Path) -> None:
    put(root, "images/more.jpg", COLOURS)
    splits = examples.load_masks(folder_data(root))
    assert splits.unlabelled.shape == (1, 3, 12, 16)
    assert "more.jpg" not in {*splits.training.names, *splits.validation.names, *splits.test.names}


def test_masks_with_a_suffix_and_values_of_their_own(root: Path) -> None:
    for path in (root / "masks").iterdir():
        values = np.asarray(Image.open(path)) // 255 * 7
        values[0, 0] = 3
        put(root, f"masks/{path.stem}_anno.png", values.astype(np.uint8))
        path.unlink()
    splits = examples.load_masks(folder_data(root, mask_suffix="_anno", values=(0, 7, 3)))
    assert np.unique(splits.training.masks).tolist() == [0, 1, 2]
    assert splits.training.masks[0, 0, 0] == 2


def test_sixteen_bits_palettes_transparency_and_greys_are_read(root: Path) -> None:
    data = folder_data(root, channels=1)
    fine = np.arange(192, dtype=np.uint16).reshape(12, 16) * 13
    found = pairs.read_image(put(root, "fine.tif", fine), data)
    assert found.shape == (1, 12, 16)
    assert np.allclose(found[0] * 65535, fine, atol=0.01)  # 8 bits would leave ten different values
    mask = put(root, "mask.png", Image.fromarray(SQUARE // 255 * np.uint8(1)).convert("P"))
    indexed = Image.fromarray(SQUARE // 255, "L").convert("P")
    indexed.putdata([int(v > 0) for v in SQUARE.ravel()])
    mask = put(root, "mask.png", indexed)
    image = put(root, "image.png", np.dstack([COLOURS, np.zeros((12, 16), np.uint8)]))
    pixels, classes = pairs.read_pair(image, mask, folder_data(root, values=(0, 1)))
    assert (pixels == 1).all()
    assert np.array_equal(classes, SQUARE // 255)
    assert np.array_equal(
        pairs.read_pair(image, put(root, "bits.png", Image.fromarray(SQUARE).convert("1")), data)[1], classes
    )
    wide = put(root, "wide.png", (SQUARE.astype(np.uint16) // 255) * 1000)
    assert np.array_equal(pairs.read_pair(image, wide, folder_data(root, values=(0, 1000)))[1], classes)


def test_a_sideways_photograph_is_turned(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    sideways = put(root, "photo.png", np.ascontiguousarray(np.rot90(COLOURS)), exif=exif)
    found = pairs.read_image(sideways, folder_data(root))
    assert np.array_equal(np.rint(255 * found).astype(np.uint8).transpose(1, 2, 0), COLOURS)


def test_resizing_keeps_masks_on_their_images(root: Path) -> None:
    image = put(root, "image.png", np.repeat(SQUARE[:, :, None], 3, 2))
    mask = put(root, "mask.png", SQUARE)
    pixels, classes = pairs.read_pair(image, mask, folder_data(root, size=(24, 8)))
    assert set(np.unique(classes)) == {0, 1}
    assert np.array_equal(pixels[0] > 0.5, classes == 1)


def test_images_of_a_group_stay_together_and_those_without_masks_follow(root: Path) -> None:
    """Twelve images of four patients; the groups of a pattern are those of a table, and splits those of the groups."""
    for index in range(12):
        put(root, f"images/p{index % 4}_{index}.png", np.roll(COLOURS, index, 0))
        if index < 8:
            put(root, f"masks/p{index % 4}_{index}.png", SQUARE)
    for folder in ("images", "masks"):
        for path in (root / folder).glob("a*"):
            path.unlink()
    by_name = folder_data(root, group_pattern=r"^p(\d)_", validation=1, test=2)
    splits = examples.load_masks(by_name)
    parts = [splits.training, splits.validation, splits.test]
    patients = [{name[:2] for name in part.names} for part in parts]
    assert sum(len(part.names) for part in parts) == 8
    assert [len(part) for part in patients] == [2, 1, 1]
    assert set.union(*patients) == {"p0", "p1", "p2", "p3"}
    assert examples.counts(by_name) == (4, 2, 2)  # a whole group where one image was asked for
    assert len(splits.unlabelled) == 2  # images without masks of patients that train
    trained = {int(name[1]) for name in splits.training.names}
    expected = [np.roll(COLOURS, index, 0) for index in range(8, 12) if index % 4 in trained]
    found = [np.rint(255 * image).astype(np.uint8).transpose(1, 2, 0) for image in splits.unlabelled]
    assert sorted(map(bytes, found)) == sorted(map(bytes, expected))
    lines = [f"p{index % 4}_{index}{'.png' * (index % 2)},{index % 4}" for index in range(12)]
    (root / "patients.csv").write_text("\n".join(["image,group", *lines]))
    table = folder_data(root, group_table="patients.csv", validation=1, test=2)
    assert examples.load_masks(table).test.names == splits.test.names
    known = examples.fingerprints(table)
    (root / "patients.csv").write_text("\n".join(["image,group", *reversed(lines)]))
    assert examples.fingerprints(table) != known


def test_without_groups_the_splits_are_those_of_single_images(root: Path) -> None:
    alone, each = (examples.load_masks(folder_data(root, group_pattern=pattern)) for pattern in (None, "a."))
    assert (alone.test.names, alone.validation.names) == (each.test.names, each.validation.names)


def write_table(*lines: str) -> Callable[[Path], object]:
    return lambda root: (root / "g.csv").write_text("\n".join(lines))


TABLE = {"group_table": "g.csv"}
UNGROUPED = ("image,group", "a0,1", "a1,1", "a2,2")


def two_pages(root: Path) -> None:
    pages = [Image.fromarray(COLOURS)] * 2
    put(root, "images/a2.tif", pages[0], save_all=True, append_images=pages[1:])


FAULTS: dict[str, tuple[Callable[[Path], object], dict[str, Any], str]] = {
    "no image": (lambda root: put(root, "masks/b.png", SQUARE), {}, "masks/b.png: a mask without its image; "),
    "sizes": (lambda root: put(root, "masks/a1.png", SQUARE[:, :8]), {}, "a1.png: mask and image are 12 x 8 and "),
    "value": (lambda root: put(root, "masks/a1.png", SQUARE // 255), {}, "a1.png: value 1 is no class; allowed: 0"),
    "empty": (lambda root: put(root, "masks/a1.png", 0 * SQUARE), {}, "a1.png: is all background; allowed: "),
    "one class": (lambda root: None, {"values": (0, 255, 9)}, "data.values: 9: in no mask of "),
    "coloured": (lambda root: put(root, "masks/a1.png", COLOURS), {}, "a1.png: is coloured; allowed: one grey"),
    "pages": (two_pages, {}, "images/a2.tif: 2 pages; allowed: one image a file"),
    "damaged": (lambda root: (root / "images/a0.png").write_bytes(b"x"), {}, "images/a0.png: is no complete image: "),
    "twice": (lambda root: put(root, "images/a0.bmp", COLOURS), {}, "images/a0.png: beside a0.bmp; allowed: "),
    "too few": (lambda root: None, {"validation": 2, "test": 2}, "data.validation: 2 and data.test: 2 of 4 "),
    "no folder": (lambda root: None, {"folder": "/nowhere"}, "/nowhere/images: No such file or directory; "),
    "no match": (lambda root: None, {"group_pattern": "x+"}, "the name does not have data.group_pattern 'x+' in it"),
    "one group": (lambda root: None, {"group_pattern": "a"}, "in 1 groups, which stay together, leave none; allowed: "),
    "no table": (lambda root: None, TABLE, "g.csv: No such file or directory; allowed: a CSV file (data.group_table)"),
    "no column": (write_table("image,patient", "a0,1"), TABLE, "g.csv: line 2 lacks a value; allowed: columns image"),
    "no line": (write_table(*UNGROUPED), TABLE, "g.csv: has no group of a3.png; allowed: a line for each image"),
    "two groups": (write_table(*UNGROUPED, "a0,2"), TABLE, "g.csv: line 5: a0 in a second group; allowed: one group"),
    "fractions": (
        lambda root: put(root, "images/a2.tif", Image.fromarray(SQUARE.astype(np.float32))),
        {},
        "images/a2.tif: holds fractional numbers; allowed: 8 or 16 bits",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_one_clear_line(name: str, root: Path) -> None:
    spoil, changes, expected = FAULTS[name]
    spoil(root)
    assert expected in fault(folder_data(root, **changes))


def test_empty_masks_are_kept_where_the_protocol_says_so(root: Path) -> None:
    put(root, "masks/a1.png", 0 * SQUARE)
    splits = examples.load_masks(folder_data(root, empty="keep"))
    masks = np.concatenate([splits.training.masks, splits.validation.masks, splits.test.masks])
    assert sorted(mask.any() for mask in masks) == [False, True, True, True]


def test_changed_files_are_noticed(root: Path) -> None:
    data = folder_data(root)
    known = examples.fingerprints(data)
    examples.check_unchanged(data, known, root)
    put(root, "masks/a1.png", np.roll(SQUARE, 2, 1))
    with pytest.raises(ProtocolFault, match=r"^data\.folder: images and masks in .* are not those of"):
        examples.check_unchanged(data, known, root)


def test_generated_images_come_back_and_grow_harder() -> None:
    data = ShapesData(source="shapes_with_masks", validation=2, test=3, images=6, size=(24, 32))
    one, other = examples.load_masks(data), examples.load_masks(data)
    assert [len(part.names) for part in (one.training, one.validation, one.test)] == list(examples.counts(data))
    assert np.array_equal(one.training.images, other.training.images)
    assert one.training.names[:3] == ("glands 0", "lesion 1", "vessels 2")
    assert not np.array_equal(one.training.images[0], one.test.images[0])
    more = examples.load_masks(data.model_copy(update={"images": 7}))
    assert np.array_equal(more.training.masks[:6], one.training.masks)


@pytest.mark.parametrize("kind", ["glands", "lesion", "vessels"])
def test_difficulty_hides_the_shape(kind: Any) -> None:
    """The mask has two classes at any difficulty; the better the colour tells them apart, the easier the image."""

    def told(difficulty: float) -> float:
        distances = []
        for seed in range(5):
            image, mask = draw(kind, (48, 48), difficulty, np.random.default_rng(seed))
            assert image.shape == (48, 48, 3)
            assert 0 < mask.mean() < 0.7
            inside, outside = (image[part].astype(float) for part in (mask, ~mask))
            distances.append(np.abs(inside.mean(0) - outside.mean(0)).max() / outside.std(0).mean())
        return float(np.mean(distances))

    assert told(0.0) > 1.5 * told(0.5) > 1.5 * 1.2 * told(1.0)
