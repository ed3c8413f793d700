"""Figures of retrieval against the metrics and arrays of their runs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from figures import make
from figures.networks import precision
from figures.networks import retrieval as fig_retrieval
from figures.runs.run import NetworkRun, read_run
from figures.style import AFTER, PUBLISHED
from protocols.spec.retrieval import NORMALISATIONS
from tests.figures.synthetic_networks import make_network_run, network_protocol

pytestmark = pytest.mark.whole

METHODS = ["none", "HPCA", "SWTA", "VAE"]
VALUES = """\
map/HPCA/1%/at_100/found,,0.37,,5,average precision,,Lagani 2024,Neurocomputing,table 3
map/HPCA/10%/at_100/found,,0.5,,5,average precision,,Lagani 2024,Neurocomputing,table 3
map/VAE/25%/at_per_class/found,,0.62,,5,average precision,,Lagani 2024,Neurocomputing,table 3
accuracy/HPCA/1%,,0.31,,5,fraction correct,,Lagani 2024,Neurocomputing,table 2
"""


def spec(**retrieval: Any) -> dict[str, Any]:
    return network_protocol().model_dump(mode="json")["network"] | {"retrieval": {"shown": 3} | retrieval}


def made(folder: Path, published: str = VALUES, **retrieval: Any) -> NetworkRun:
    run = read_run(make_network_run(folder, published, network=spec(**retrieval)))
    assert isinstance(run, NetworkRun)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> NetworkRun:
    return made(tmp_path_factory.mktemp("runs") / "abc")


def named(ax: Axes, label: str) -> list[Any]:
    return [line for line in ax.lines if line.get_label() == label]


def test_precision_draws_every_k_and_normalisation(run: NetworkRun) -> None:
    fig = precision.figure(run)
    assert fig is not None
    tops = [("at_100", 100), ("at_per_class", 200)]
    panels = [(normalisation, *top) for normalisation in NORMALISATIONS for top in tops]
    assert len(fig.axes) == len(panels)
    for ax, (normalisation, top, k) in zip(fig.axes, panels, strict=True):
        assert ax.get_title(loc="left").startswith(f"K = {k}")
        assert ax.get_title(loc="left").endswith("relevant found" if normalisation == "found" else "min(K, relevant)")
        for method in METHODS:
            arrays = [run.arrays[f"seed_{seed}/{method}/map/{top}/{normalisation}"] for seed in run.seeds]
            (mean,) = named(ax, method)
            np.testing.assert_allclose(mean.get_xydata(), np.stack([[0.01, 0.1, 1], 100 * np.mean(arrays, 0)], 1))
        chance = 100 * run.metrics[f"map/none/1%/{top}/{normalisation}"]["chance"]
        assert chance in [line.get_ydata()[0] for line in ax.lines if line.get_linewidth() == 0.9]
        assert [text.get_text() for text in ax.texts] == [f"chance {chance:.1f} %"]


def test_precision_dashes_what_was_published_where_it_is_compared(run: NetworkRun) -> None:
    fig = precision.figure(run)
    assert fig is not None
    expected = [
        {"HPCA, Lagani 2024": [(0.01, 37), (0.1, 50)]},
        {"VAE, Lagani 2024": [(0.25, 62)]},
        {},
        {},
    ]
    for ax, curves in zip(fig.axes, expected, strict=True):
        assert {line.get_label() for line in ax.lines if ", " in line.get_label()} == set(curves)
        for label, points in curves.items():
            (line,) = named(ax, label)
            np.testing.assert_allclose(line.get_xydata(), points)
            assert line.get_color() == named(ax, label.split(",")[0])[0].get_color()
    (key,) = fig.legends
    assert key.get_title().get_text() == (
        "published: Lagani 2024 (n=5): Neurocomputing, table 3; which K and divisor is not stated"
    )


def test_retrieval_marks_right_and_wrong_and_says_how_far(run: NetworkRun) -> None:
    fig = fig_retrieval.figure(run)
    assert fig is not None
    for ax, method in zip(fig.axes, METHODS, strict=True):
        kept = {key: run.arrays[f"seed_0/{method}/retrieved/{key}"][0] for key in ("label", "distance", "image")}
        right = kept["label"] == np.arange(3)[:, None]
        assert ax.get_title(loc="left") == f"{method}: {right.sum()} of 30 right"
        written = [text.get_text() for text in ax.texts]
        expected = []
        for row in range(3):
            marks = ["\N{CHECK MARK}" if is_right else "\N{BALLOT X}" for is_right in right[row]]
            expected += [f"class {row}", *(f"{d} {m}" for d, m in zip(kept["distance"][row], marks, strict=True))]
        assert written == expected
        frames = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
        for frame, is_right in zip(np.array(frames).reshape(3, 11)[:, 1:].flat, right.flat, strict=True):
            assert to_hex(frame.get_edgecolor()) == (AFTER if is_right else PUBLISHED)
            assert (frame.get_linestyle() in ("-", "solid")) == is_right
        shown = np.asarray(ax.images[11 + 1].get_array())  # the first image found for the second query
        np.testing.assert_array_equal(shown, kept["image"][1, 0].transpose(1, 2, 0))
    caption = fig.get_supxlabel()
    assert "with 1 % of the labels, seed 0" in caption
    assert "of 256 bits" in caption


def test_the_smallest_fraction_is_shown_wherever_it_stands(tmp_path: Path) -> None:
    content = spec() | {"regimes": [1.0, 0.1]}
    run = read_run(make_network_run(tmp_path / "run", VALUES, network=content))
    assert isinstance(run, NetworkRun)
    fig = fig_retrieval.figure(run)
    assert fig is not None
    assert "with 10 % of the labels" in fig.get_supxlabel()
    first = run.arrays["seed_0/none/retrieved/query_image"][1][0]
    np.testing.assert_array_equal(np.asarray(fig.axes[0].images[0].get_array()), first.transpose(1, 2, 0))


def test_make_draws_them_where_there_is_retrieval(run: NetworkRun, tmp_path: Path) -> None:
    assert {path.stem for path in make.make(run.path)} == {*make.NETWORK}
    without = read_run(make_network_run(tmp_path / "without"))
    nothing = made(tmp_path / "nothing", shown=0, at=[7])
    assert isinstance(without, NetworkRun)
    assert precision.figure(without) is None
    assert fig_retrieval.figure(without) is None
    assert fig_retrieval.figure(nothing) is None
    assert precision.figure(nothing) is not None


def test_grey_images_and_one_method(tmp_path: Path) -> None:
    content = spec(at=["per_class"]) | {"methods": {"none": {"pretraining": "none"}}}
    path = make_network_run(tmp_path / "run", "", network=content, source="digits", seeds=1)
    assert {figure.stem for figure in make.make(path)} == {"regimes", "filters", "precision", "retrieval"}


@pytest.mark.parametrize("edit", [None, {}, {"k": "many"}, {"per_seed": [0.1]}, {"chance": None}])
def test_a_precision_that_is_damaged_is_one_line(edit: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, key = made(tmp_path / "run"), "map/HPCA/10%/at_per_class/possible"
    content = run.metrics | {key: run.metrics[key] | edit if edit else edit}
    (run.path / "metrics.json").write_text(json.dumps(content))
    assert make.main([str(run.path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {run.path}: damaged run: metrics.json: ")
    assert key in line


def test_images_that_are_missing_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = made(tmp_path / "run")
    kept = {key: array for key, array in run.arrays.items() if key != "seed_0/SWTA/retrieved/image"}
    np.savez(run.path / "arrays.npz", **kept)  # type: ignore[arg-type]
    assert make.main([str(run.path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"error: {run.path}: damaged run: arrays.npz has no seed_0/SWTA/retrieved/image"
