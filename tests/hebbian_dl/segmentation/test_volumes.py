"""Segmentation in three dimensions, against two dimensions and literal formulas."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from hebbian_dl.images.in_memory import Examples
from hebbian_dl.run import app
from hebbian_dl.segment import app as segment_app
from hebbian_dl.segmentation.augmentation import augmented
from hebbian_dl.segmentation.patches import Patches, blended
from hebbian_dl.segmentation.segmenter import Segmenter, network_of
from protocols.images.masks import pairs, shapes
from protocols.loading.loader import load
from protocols.results import overlap
from protocols.spec.faults import ProtocolFault
from protocols.spec.nets.masks import MaskFolder, ShapesData
from protocols.spec.nets.segmentation import MaskAugmentation, Segmentation
from tests.command import exit_code

SPEC = Segmentation(network={"width": 3, "depth": 2}, methods={"none": {"pretraining": "none"}})


def shapes_data(*size: int, channels: int = 2) -> ShapesData:
    found = ShapesData(source="shapes_with_masks", validation=1, test=1, size=size)
    return found.model_copy(update={"channels": channels})


def folder_data(folder: Path, *size: int) -> MaskFolder:
    return MaskFolder(source="mask_folder", folder=str(folder), validation=1, test=1, size=size, channels=1)


def stack(path: Path, volume: np.ndarray) -> Path:
    """A volume as a TIFF file of several pages."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = map(Image.fromarray, volume)
    first.save(path, save_all=True, append_images=others)
    return path


def test_a_volume_that_is_the_same_in_every_slice_is_segmented_as_the_slice() -> None:
    """Kernels that look at one slice, and whose transposed ones copy it, make the 3-D U-Net the 2-D one."""
    torch.manual_seed(0)
    flat = Segmenter(network_of(SPEC, shapes_data(16, 24)), 2).eval()
    deep = Segmenter(network_of(SPEC, shapes_data(8, 16, 24)), 2).eval()
    for module in flat.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    weights = flat.state_dict()
    assert weights.keys() == deep.state_dict().keys()
    for name, of in deep.state_dict().items():
        given = weights[name]
        if of.dim() == 5 and ("enlarge" in name or of.shape[2] == 1):
            of.copy_(given[:, :, None].expand_as(of))
        elif of.dim() == 5:
            of.zero_()[:, :, 1] = given
        else:
            of.copy_(given)
    image = torch.randn(2, 2, 16, 24)
    with torch.no_grad():
        expected, found = flat(image), deep(image[:, :, None].expand(-1, -1, 8, -1, -1))
    torch.testing.assert_close(found, expected[:, :, None].expand_as(found), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("flips", [("slices",), ("horizontal", "vertical", "transpose", "slices")])
def test_augmentation_keeps_every_voxel_under_its_mask(flips: tuple[Any, ...]) -> None:
    torch.manual_seed(0)
    masks = torch.randint(0, 9, (60, 4, 6, 6))
    images = masks[:, None].expand(-1, 2, -1, -1, -1).double()
    found, moved = augmented(images, masks, MaskAugmentation(flips=flips, contrast=0, brightness=0))
    assert torch.equal(found, moved[:, None].expand_as(found).double())
    reversed_ = [torch.equal(after, before.flip(0)) for before, after in zip(masks, moved, strict=True)]
    same = [torch.equal(after, before) for before, after in zip(masks, moved, strict=True)]
    assert len(flips) > 1 or (
        any(reversed_) and any(same) and all(a or b for a, b in zip(reversed_, same, strict=True))
    )


def test_crops_are_cut_where_they_say_and_tiles_blend_back_to_the_volume() -> None:
    places = torch.stack(torch.meshgrid(torch.arange(6), torch.arange(9), torch.arange(8), indexing="ij"))
    volumes = torch.stack([places + 100 * n for n in range(5)]).double()
    crops = next(iter(Patches(volumes, volumes[:, 0].long(), (4, 4, 8)).batches(5, draw=3)))
    assert crops.images.shape == (5, 3, 4, 4, 8)
    for n, (image, label) in enumerate(zip(crops.images, crops.labels, strict=True)):
        first = (image[:, 0, 0, 0] - 100 * n).long()
        z, y, x = first.tolist()
        assert torch.equal(image, volumes[n, :, z : z + 4, y : y + 4, x : x + 8])
        assert torch.equal(label, image[0].long())
    middle = Patches(volumes, volumes[:, 0].long(), (4, 4, 8)).central()
    assert torch.equal(middle.images[0], volumes[0, :, 1:5, 2:6, :])
    torch.testing.assert_close(blended(lambda tiles: tiles, volumes, (4, 4, 8)), volumes)
    assert isinstance(crops, Examples)


def test_the_distance_of_surfaces_is_that_of_their_voxels() -> None:
    rng = np.random.default_rng(0)
    one, other = np.zeros((2, 7, 8, 9), bool)
    one[1:5, 2:6, 2:7], other[2:6, 2:7, 1:6] = True, True
    one[3, 7, 8] = True
    other &= rng.random(other.shape) < 0.9

    def surface(shape: np.ndarray) -> np.ndarray:
        padded = np.pad(shape, 1)
        steps = [step for step in itertools.product((-1, 0, 1), repeat=3) if np.abs(step).sum() == 1]
        inner = [all(padded[tuple(np.add(place, 1) + step)] for step in steps) for place in np.argwhere(shape)]
        return np.argwhere(shape)[~np.array(inner)]

    a, b = surface(one), surface(other)
    between = np.linalg.norm(a[:, None] - b[None], axis=2)
    literal = max(np.percentile(between.min(1), 95), np.percentile(between.min(0), 95))
    assert overlap.hausdorff95(one, other) == pytest.approx(literal)
    assert overlap.hausdorff95(one, np.zeros_like(one)) == pytest.approx(np.sqrt(7**2 + 8**2 + 9**2))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_stack_is_read_slice_by_slice(dtype: Any, tmp_path: Path) -> None:
    rng, top = np.random.default_rng(0), np.iinfo(dtype).max
    volume = rng.integers(0, top, (8, 10, 12), dtype, endpoint=True)
    mask = rng.integers(0, 2, (8, 10, 12), np.uint8) * np.uint8(255)
    image_path, mask_path = stack(tmp_path / "images/a.tif", volume), stack(tmp_path / "masks/a.tif", mask)
    image, classes = pairs.read_pair(image_path, mask_path, folder_data(tmp_path, 8, 10, 12))
    np.testing.assert_allclose(image[0], volume / top, atol=1e-7)
    np.testing.assert_array_equal(classes, mask // 255)
    # other sizes: slices change by the filter that changes rows
    small = pairs.read_image(image_path, folder_data(tmp_path, 12, 10, 12))
    turned = [
        Image.fromarray(volume[:, :, k] / np.float32(top)).resize((10, 12), Image.Resampling.BILINEAR) for k in (0, 7)
    ]
    np.testing.assert_allclose(small[0][:, :, 0], turned[0], atol=1e-6)
    np.testing.assert_allclose(small[0][:, :, 7], turned[1], atol=1e-6)


def test_what_is_no_volume_is_one_line(tmp_path: Path) -> None:
    volume = np.zeros((8, 10, 12), np.uint8)
    several, single = stack(tmp_path / "images/a.tif", volume), stack(tmp_path / "images/b.tif", volume[:1])
    fewer = stack(tmp_path / "masks/a.tif", volume[:7])
    odd = tmp_path / "images/c.tif"
    Image.fromarray(volume[0]).save(odd, save_all=True, append_images=[Image.fromarray(volume[0, :9])])
    flat, deep = folder_data(tmp_path, 8, 8), folder_data(tmp_path, 8, 8, 8)
    for read, expected in (
        (lambda: pairs.read_image(several, flat), "8 pages; allowed: one image a file; of volumes data.size has three"),
        (lambda: pairs.read_image(single, deep), "1 page; allowed: several, the slices of a volume (data.size)"),
        (lambda: pairs.read_image(odd, deep), "pages of 10 x 12 and 9 x 12 pixels; allowed: one size"),
        (
            lambda: pairs.read_pair(several, fewer, deep),
            "mask and image are 7 x 10 x 12 and 8 x 10 x 12 pixels; allowed",
        ),
    ):
        with pytest.raises(ProtocolFault) as caught:
            read()
        (line,) = caught.value.lines
        assert expected in line


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("segmentation.patch=[16, 16]", "segmentation.patch: 16 x 16; allowed: 3 numbers, as data.size has"),
        (
            "segmentation.patch=[16, 16, 64]",
            "segmentation.patch: 16 x 16 x 64; allowed: at most data.size, 16 x 32 x 32",
        ),
        ("data.size=[18, 32, 32]", "segmentation.network.depth: 2; allowed: 2^depth divides data.size of 18 x 32 x 32"),
        ("data.size=[16, 32, 36]", "flips: transpose; not for 16 x 32 x 36 pixels"),
        ("data.size=[32, 32]", "flips: slices; allowed: of volumes, data.size of three"),
        ("data.size=[16, 32, 32, 32]", "data.size: "),
    ],
)
def test_sizes_that_do_not_fit_are_refused(override: str, expected: str) -> None:
    with pytest.raises(ProtocolFault) as caught:
        load("segmentation_volumes", [override])
    assert expected in caught.value.lines[0]


@pytest.mark.parametrize("kind", ["glands", "lesion", "vessels"])
def test_generated_volumes_hold_their_shape(kind: Any) -> None:
    image, mask = shapes.draw(kind, (16, 32, 32), 0.2, np.random.default_rng(1))
    assert (image.shape, mask.shape) == ((16, 32, 32, 3), (16, 32, 32))
    assert 0 < mask.mean() < 0.5
    assert mask.any((1, 2)).sum() > 2
    grey = image.mean(-1)
    assert abs(grey[mask].mean() - grey[~mask].mean()) > grey[~mask].std() / 2


@pytest.mark.whole
def test_stacks_of_ones_own_are_learned_and_predicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By every pre-training, in patches, also from volumes without masks; predictions are stacks of the same size."""
    monkeypatch.chdir(tmp_path)
    for index in range(9):
        image, mask = shapes.draw("lesion", (8, 16, 16), 0.1, np.random.default_rng(index))
        stack(tmp_path / f"stacks/images/{index}.tif", image.mean(-1).astype(np.uint8))
        if index < 7:
            stack(tmp_path / f"stacks/masks/{index}.tif", np.uint8(255) * mask)
    hebbian = {"pretraining": "hebbian", "learning_rate": 0.01, "epochs": 1, "batch": 4, "keep_norm": True}
    methods = {
        "none": {"pretraining": "none"},
        "HPCA": hebbian | {"rule": {"rule": "hpca"}},
        "SWTA": hebbian | {"rule": {"rule": "swta"}},
        "denoising": {"pretraining": "denoising", "epochs": 1, "batch": 4},
        "VAE": {"pretraining": "vae", "epochs": 1, "batch": 4, "learning_rate": 1e-5},
    }
    finetuning = {"epochs": 1, "batch": 4, "unlabelled": {"method": "mean_teacher"}}
    content = {
        "name": "stacks",
        "title": "Stacks",
        "citation": "none",
        "seeds": 1,
        "data": {"source": "mask_folder", "folder": "stacks", "validation": 2, "test": 2, "size": [8, 16, 16]}
        | {"channels": 1},
        "segmentation": {"network": {"width": 2, "depth": 1}, "patch": [8, 8, 8], "regimes": [1.0]}
        | {"methods": methods, "finetuning": finetuning},
    }
    Path("stacks.yaml").write_text(json.dumps(content))
    monkeypatch.setenv("CULTURE_DATA", str(tmp_path))
    assert exit_code(app, "stacks.yaml", "--jobs", "1", "--out", "runs") == 0
    run = next(Path("runs/stacks").glob("*/metrics.json")).parent
    with np.load(run / "arrays.npz") as arrays:
        for name in methods:
            assert arrays[f"seed_0/{name}/shown/image"].shape == (1, 3, 16, 16, 1)
            areas = arrays[f"seed_0/{name}/shown/mask"].astype(bool).sum((2, 3))
            assert areas.min() > 0
    assert {path.name for path in (run / "figures").iterdir()} >= {"predictions.png", "regimes.png"}
    assert exit_code(segment_app, str(run), "stacks/images", "--out", "masks") == 0
    assert len(list(Path("masks").iterdir())) == 9
    with Image.open("masks/8.tif") as found:
        assert (found.n_frames, found.size) == (8, (16, 16))  # type: ignore[attr-defined]
        assert set(np.unique(found)) <= {0, 255}
