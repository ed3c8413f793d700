"""Features of new images: those of the run itself, from pixels, files, arrays and in a pipeline of scikit-learn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from hebbian_dl import HebbianFeatures, load_network
from hebbian_dl.features.__main__ import app
from hebbian_dl.features.extract import Extractor
from hebbian_dl.features.pixels import from_array, from_files
from hebbian_dl.images.prepared import inputs_of
from hebbian_dl.training.evaluation import outputs
from protocols.images.examples import load_images
from protocols.loading.loader import load
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import NetworkProtocol
from tests.command import exit_code


def pixels_of(run: Path) -> np.ndarray:
    return load_images(load(str(run / "protocol.yaml")).data).test.images


@pytest.mark.parametrize("method", ["HPCA", "SWTA", "VAE"])
def test_features_are_those_that_the_run_computes_of_its_test_images(run: Path, method: str) -> None:
    protocol = load(str(run / "protocol.yaml"))
    assert isinstance(protocol, NetworkProtocol)
    splits = inputs_of(protocol.data, protocol.network.methods[method], torch.device("cpu"))
    wanted, _ = outputs(load_network(run, method), splits.test)
    found = Extractor.of_run(run, method)(pixels_of(run))
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-4, atol=1e-4)


def test_what_a_run_of_an_earlier_version_did_not_save_is_computed_from_its_images(run: Path, tmp_path: Path) -> None:
    wanted = Extractor.of_run(run, "HPCA")(pixels_of(run))
    files = {path: path.read_bytes() for path in run.glob("networks/inputs_*")}
    assert len(files) == 3
    try:
        for path in files:
            path.unlink()
        np.testing.assert_allclose(Extractor.of_run(run, "HPCA")(pixels_of(run)), wanted, rtol=1e-5, atol=1e-5)
    finally:
        for path, content in files.items():
            path.write_bytes(content)


def test_a_layer_gives_what_the_next_one_is_given(run: Path) -> None:
    extractor, pixels = Extractor.of_run(run, "SWTA"), pixels_of(run)[:5]
    seen: list[torch.Tensor] = []
    extractor.network[1].register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    found = extractor(pixels, "0")
    assert not seen  # what comes after the layer is not computed
    extractor(pixels)
    np.testing.assert_array_equal(found, seen[0].flatten(1).numpy())
    assert extractor(pixels[:0], "0").shape == (0, found.shape[1])
    with pytest.raises(ProtocolFault, match=r"layer 'x': not in the network; allowed: 0, 1, 1\.norm, 2, "):
        extractor(pixels, "x")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ((None,), "no method given; allowed: HPCA, SWTA, VAE"),
        (("none",), "method 'none'; allowed: HPCA, SWTA, VAE"),
        (("HPCA", 7), "seed_7_HPCA.safetensors: no such network; allowed: seed_0_HPCA, seed_0_SWTA, seed_0_VAE"),
    ],
)
def test_a_network_that_is_not_there_is_one_line(run: Path, given: tuple, line: str) -> None:
    with pytest.raises(ProtocolFault) as fault:
        Extractor.of_run(run, *given)
    assert len(fault.value.lines) == 1
    assert line in fault.value.lines[0]


def test_arrays_of_every_layout_and_range_are_the_same_pixels() -> None:
    grey = np.arange(2 * 12, dtype=np.uint8).reshape(2, 1, 3, 4) * 10
    colour = np.arange(2 * 36, dtype=np.uint8).reshape(2, 3, 3, 4)
    for given in (
        grey,
        grey[:, 0],
        grey.reshape(2, -1),
        grey.astype(int),
        grey / 255,
        list(grey[:, 0]),
        grey[:, 0, :, :, None],
    ):
        np.testing.assert_array_equal(from_array(given, (1, 3, 4)), grey)
    for given in (colour, colour.transpose(0, 2, 3, 1), (colour / 255).astype(np.float32), colour.reshape(2, -1)):
        np.testing.assert_array_equal(from_array(given, (3, 3, 4)), colour)


@pytest.mark.parametrize(
    ("images", "line"),
    [
        ([np.zeros((8, 8)), np.zeros((9, 8))], r"images of changing size: \(8, 8\) and \(9, 8\); allowed: one size"),
        (np.zeros((2, 9, 8)), r"images of shape \(2, 9, 8\); allowed: \(n, 1, 8, 8\)"),
        (np.zeros((2, 3, 8, 8)), r"images of shape \(2, 3, 8, 8\)"),
        (np.full((2, 8, 8), 16.0), "images of float64 from 16 to 16; allowed: 0 to 1"),
        (np.full((2, 8, 8), -1), "images of int64 from -1 to -1; allowed: 0 to 255"),
        (np.full((2, 8, 8), np.nan), "images of float64 from nan to nan; allowed: 0 to 1"),
        (np.full((2, 8, 8), "a"), "images of <U1; allowed: numbers"),
    ],
)
def test_other_images_are_refused_in_one_line(images: object, line: str) -> None:
    with pytest.raises(ValueError, match=f"^{line}") as fault:
        from_array(images, (1, 8, 8))
    assert "\n" not in str(fault.value)


def written(pixels: np.ndarray, folder: Path) -> list[Path]:
    folder.mkdir()
    for index, image in enumerate(pixels[:, 0]):
        Image.fromarray(image).save(folder / f"{index:02}.png")
    return sorted(folder.iterdir())


def test_files_are_the_pixels_they_were_written_from(run: Path, tmp_path: Path) -> None:
    pixels = pixels_of(run)[:4]
    data = load(str(run / "protocol.yaml")).data
    np.testing.assert_array_equal(from_files(written(pixels, tmp_path / "images"), data), pixels)


def test_the_command_writes_the_features_of_files_and_of_arrays(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = pixels_of(run)[:4]
    files, array = written(pixels, tmp_path / "images"), tmp_path / "images.npy"
    np.save(array, pixels)
    options = ["--method", "HPCA", "--out"]
    assert exit_code(app, str(run), str(tmp_path / "images"), *options, str(tmp_path / "f.npz")) == 0
    assert exit_code(app, str(run), str(array), *options, str(tmp_path / "f.npy")) == 0
    assert capsys.readouterr().out.endswith("f.npy: 4 images, 6 features, HPCA, seed 0\n")
    found, wanted = np.load(tmp_path / "f.npz"), Extractor.of_run(run, "HPCA")(pixels)
    np.testing.assert_array_equal(found["features"], wanted)
    assert found["names"].tolist() == [str(path) for path in files]
    np.testing.assert_array_equal(np.load(tmp_path / "f.npy"), wanted)


@pytest.mark.parametrize(
    ("images", "out", "line"),
    [
        ("nowhere", "f.npz", "no such file; allowed: image files, folders of them, .npy, .npz"),
        ("empty", "f.npz", "no image in it; allowed: "),
        ("broken.png", "f.npz", "broken.png: not an image; allowed: an image"),
        ("broken.npy", "f.npz", "allowed: an array of images"),
        ("large.npy", "f.npz", "images of shape (2, 9, 9); allowed: (n, 1, 8, 8), or flattened"),
        ("empty", "f.csv", "allowed: a .npz or .npy file in a directory that exists"),
    ],
)
def test_mistakes_of_the_command_are_one_line(
    run: Path, tmp_path: Path, images: str, out: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("broken.png", "broken.npy"):
        (tmp_path / name).write_text("this is no image")
    np.save(tmp_path / "large.npy", np.zeros((2, 9, 9)))
    assert exit_code(app, str(run), str(tmp_path / images), "--method", "HPCA", "--out", str(tmp_path / out)) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert line in said


def test_the_estimator_keeps_the_conventions_of_scikit_learn(run: Path) -> None:
    pixels, labels = pixels_of(run), load_images(load(str(run / "protocol.yaml")).data).test.labels
    features = HebbianFeatures(run, method="HPCA")
    assert features.get_params() == {"run_dir": run, "method": "HPCA", "seed": None, "layer": None, "allow_code": False}
    again = clone(features).set_params(method="SWTA", layer="0")
    assert (again.method, features.method) == ("SWTA", "HPCA")
    with pytest.raises(Exception, match="not fitted"):
        features.transform(pixels)
    found = features.fit_transform(pixels)
    np.testing.assert_array_equal(found, Extractor.of_run(run, "HPCA")(pixels))
    assert (features.n_features_in_, features.n_features_out_) == (64, 6)
    pipeline = make_pipeline(HebbianFeatures(run, method="HPCA"), LogisticRegression(max_iter=2000))
    flat = pixels.reshape(len(pixels), -1)
    assert pipeline.fit(flat[:40], labels[:40]).predict(flat[40:]).shape == (20,)
    named = features.set_output(transform="pandas").transform(pixels)
    assert list(named.columns) == [f"hebbian{index}" for index in range(6)]


def test_the_estimator_refuses_a_run_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ProtocolFault, match="no run directory; allowed: one that "):
        HebbianFeatures(tmp_path).fit(np.zeros((1, 8, 8)))
