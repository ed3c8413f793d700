"""Segmentation from the command: a folder of ten images, resumption, predictions, figures, wrong input."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from figures.make import make
from figures.runs.run import SegmentationRun, read_run
from hebbian_dl.experiments import segmentation
from hebbian_dl.run import app
from hebbian_dl.segment import app as segment_app
from hebbian_dl.segmentation.saved import load_segmenter
from protocols.images.masks.shapes import draw
from protocols.results import overlap
from tests.command import exit_code

pytestmark = [pytest.mark.usefixtures("alone"), pytest.mark.whole]

command, segment = partial(exit_code, app), partial(exit_code, segment_app)
TINY = """
name: tiny_masks
title: a U-Net that is trained in seconds
citation: nobody
data: {{source: mask_folder, folder: {folder}, values: [0, 200], validation: 2, test: 2, size: [16, 16]}}
segmentation:
  network: {{width: 4, depth: 2}}
  methods:
    none: {{pretraining: none}}
    SWTA: {{pretraining: hebbian, rule: {{rule: swta}}, learning_rate: 0.01, epochs: 2, batch: 4}}
  finetuning: {{epochs: 12, batch: 4, learning_rate: 0.02, epoch_images: 8}}
  regimes: [0.2, 1.0]
seeds: 2
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten easy images with masks, and one without."""
    root = tmp_path_factory.mktemp("data")
    for part in ("images", "masks"):
        (root / part).mkdir()
    for index in range(11):
        image, mask = draw("lesion", (24, 28), 0.0, np.random.default_rng(index))
        Image.fromarray(image).save(root / f"images/{index}.png")
        if index < 10:
            Image.fromarray(mask * np.uint8(200)).save(root / f"masks/{index}.png")
    return root


@pytest.fixture(scope="module")
def protocol(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("protocol") / "tiny.yaml"
    path.write_text(TINY.format(folder=folder))
    return str(path)


@pytest.fixture(scope="module")
def finished(protocol: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    assert command(protocol, "--out", str(out), "--jobs", "1") == 0
    return only_run(out)


def only_run(out: Path) -> Path:
    (found,) = [path for path in (out / "tiny_masks").iterdir() if path.is_dir()]
    return found


def arrays_of(run: Path) -> dict[str, np.ndarray]:
    with np.load(run / "arrays.npz") as file:
        return dict(file)


def test_ten_images_give_a_model_and_its_measures(finished: Path) -> None:
    run = read_run(finished)
    assert isinstance(run, SegmentationRun)
    for method in ("none", "SWTA"):
        value = run.value("dice", method, "100%")
        assert value["mean"] > 0.6  # everything foreground would give about 0.3
        assert value["masks"] == 6
        assert run.value("dice", method, "20%")["masks"] == 1
        dice, jaccard = (np.stack(run.per_seed(f"{method}/{key}")) for key in ("dice", "jaccard"))
        assert np.allclose(jaccard, dice / (2 - dice))
        assert value["mean"] == pytest.approx(dice[:, 1].mean())
    gain = run.metrics["gain/SWTA/100%"]["per_seed"]
    both = (run.value("dice", method, "100%")["per_seed"] for method in ("SWTA", "none"))
    assert gain == pytest.approx([one - other for one, other in zip(*both, strict=True)])


def test_what_is_shown_is_what_was_measured(finished: Path) -> None:
    arrays = arrays_of(finished)
    shown = {key: arrays[f"seed_0/SWTA/shown/{key}"][1] for key in ("index", "mask", "predicted")}
    dice = arrays["seed_0/SWTA/dice"][1]
    assert dice[shown["index"][0]] == dice.max()
    assert dice[shown["index"][2]] == dice.min()
    found = overlap.of_images(shown["predicted"], shown["mask"], 2)["dice"]
    assert np.array_equal(found, dice[shown["index"]])


def test_figures_are_drawn(finished: Path) -> None:
    assert sorted(path.name for path in make(finished)) == ["predictions.png", "regimes.png"]


def test_an_interrupted_run_continues_bit_for_bit(
    protocol: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure, calls = segmentation._tested, []

    def interrupted(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 3:  # in the second method
            raise KeyboardInterrupt
        return measure(*given)

    with monkeypatch.context() as patched:
        patched.setattr(segmentation, "_tested", interrupted)
        assert command(protocol, "--out", str(tmp_path), "--jobs", "1") == 130
    assert list((tmp_path / "tiny_masks").glob("*.partial/seed_0_SWTA_20%.safetensors"))  # its checkpoint
    assert command(protocol, "--out", str(tmp_path), "--jobs", "1") == 0
    one, other = arrays_of(finished), arrays_of(only_run(tmp_path))
    assert one.keys() == other.keys()
    for key in one.keys() - {key for key in one if key.endswith("wall_s")}:
        assert np.array_equal(one[key], other[key], equal_nan=one[key].dtype.kind == "f"), key


def test_a_folder_without_masks_gets_some(finished: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "masks"
    assert segment(str(finished), str(folder / "images"), "--out", str(out)) == 0
    found = {path.stem: np.asarray(Image.open(path)) for path in out.iterdir()}
    assert set(found) == {str(index) for index in range(11)}
    dice = []
    for index in range(10):
        mask = np.asarray(Image.open(folder / f"masks/{index}.png"))
        assert found[str(index)].shape == mask.shape
        assert set(np.unique(found[str(index)])) <= {0, 200}
        dice.append(overlap.dice(found[str(index)] > 0, mask > 0))
    assert np.mean(dice) > 0.6


def test_predictions_at_the_size_of_the_network_are_those_of_the_run(finished: Path, tmp_path: Path) -> None:
    arrays = arrays_of(finished)
    (tmp_path / "images").mkdir()
    for index, image in enumerate(arrays["seed_1/none/shown/image"][1]):
        Image.fromarray(image).save(tmp_path / f"images/{index}.png")
    options = ("--method", "none", "--seed", "1", "--out", str(tmp_path / "out"))
    assert segment(str(finished), str(tmp_path / "images"), *options) == 0
    for index, predicted in enumerate(arrays["seed_1/none/shown/predicted"][1]):
        found = np.asarray(Image.open(tmp_path / f"out/{index}.png")) // 200
        assert (found != predicted).mean() < 0.02  # the run's input was not rounded to 8 bits


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--method", "HPCA"), "--method HPCA: allowed: none, SWTA"),
        (("--seed", "7"), "--seed 7: allowed: 0, 1"),
        (("--out", "."), "--out .: is there already; allowed: a new folder, or an empty one"),
    ],
)
def test_wrong_options_are_one_line(
    options: tuple[str, str], line: str, finished: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment(str(finished), str(folder / "images"), *options) == 2
    assert line in capsys.readouterr().err


def test_a_missing_folder_of_images_is_one_line(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment(str(finished), str(tmp_path / "none"), "--out", str(tmp_path / "out")) == 2
    assert "No such file or directory; allowed: a folder of image files" in capsys.readouterr().err


def test_other_masks_are_not_taken_for_those_of_the_run(
    protocol: str, finished: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "masks/3.png"
    before = path.read_bytes()
    try:
        Image.open(path).rotate(180).save(path)
        assert command(protocol, "--out", str(finished.parents[1])) == 2
    finally:
        path.write_bytes(before)
    assert "data.folder: images and masks in" in capsys.readouterr().err


def test_the_plan_says_masks_and_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("segmentation_shapes", "--dry-run") == 0
    printed = capsys.readouterr().out
    assert "masks: 1% (2), 2% (4), 5% (10), 10% (20), 100% (200)" in printed
    assert "U-Net: 8 maps, 3 times halved" in printed
    assert "for a step of its fine-tuning at batch 8" in printed


@pytest.mark.parametrize("method", ["entropy", "mean_teacher", "uncertainty", "cross_pseudo"])
def test_images_without_masks_are_learned_from(method: str, protocol: str, tmp_path: Path) -> None:
    """By any method, after Hebbian pre-training; the segmenter that is saved has no companion."""
    changes = [
        f"segmentation.finetuning.unlabelled={{method: {method}, passes: 2}}",
        "segmentation.finetuning.epochs=1",
    ]
    options = [word for change in changes for word in ("--set", change)]
    assert command(protocol, *options, "--seeds", "1", "--jobs", "1", "--out", str(tmp_path)) == 0
    found = load_segmenter(only_run(tmp_path), "SWTA")
    assert found.protocol.segmentation.finetuning.unlabelled is not None
    assert not found.model.training


def test_patches_train_all_methods_and_predict_as_in_the_run(protocol: str, tmp_path: Path) -> None:
    """Also with images without masks; predictions of the command are blended from the same tiles."""
    methods = {
        "HPCA": {"pretraining": "hebbian", "rule": {"rule": "hpca"}, "learning_rate": 0.01, "epochs": 1, "batch": 4}
        | {"keep_norm": True},
        "denoising": {"pretraining": "denoising", "epochs": 1, "batch": 4},
        "VAE": {"pretraining": "vae", "epochs": 1, "batch": 4, "learning_rate": 1e-5},
    }
    sets = [
        "data.size=[24, 28]",
        "segmentation.patch=[12, 16]",
        f"segmentation.methods={json.dumps(methods)}",
        "segmentation.finetuning.epochs=1",
        "segmentation.finetuning.unlabelled={method: mean_teacher}",
        "segmentation.regimes=[0.5]",
    ]
    options = [word for change in sets for word in ("--set", change)]
    assert command(protocol, *options, "--seeds", "1", "--jobs", "1", "--out", str(tmp_path)) == 0
    run = only_run(tmp_path)
    arrays = arrays_of(run)
    (tmp_path / "images").mkdir()
    for index, image in enumerate(arrays["seed_0/HPCA/shown/image"][0]):
        Image.fromarray(image).save(tmp_path / f"images/{index}.png")
    assert segment(str(run), str(tmp_path / "images"), "--method", "HPCA", "--out", str(tmp_path / "out")) == 0
    for index, predicted in enumerate(arrays["seed_0/HPCA/shown/predicted"][0]):
        assert predicted.shape == (24, 28)
        found = np.asarray(Image.open(tmp_path / f"out/{index}.png")) // 200
        assert (found != predicted).mean() < 0.02  # the run's input was not rounded to 8 bits


def test_the_quick_version_of_the_built_in_protocol_runs(tmp_path: Path) -> None:
    assert command("segmentation_shapes", "--quick", "--seeds", "1", "--out", str(tmp_path), "--jobs", "1") == 0
    (found,) = (tmp_path / "segmentation_shapes").glob("*/metrics.json")
    metrics = json.loads(found.read_text())
    methods = {path.split("/")[1] for path in metrics if path.startswith("dice/")}
    assert methods == {"none", "HPCA", "SWTA", "denoising", "VAE"}
