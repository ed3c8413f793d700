"""Figures of pre-trained networks against the metrics and arrays of their runs."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from figures import make, report
from figures.networks import filters, pretraining
from figures.networks import regimes as fig_regimes
from figures.runs.run import NetworkRun, read_run
from figures.style import GREY, by_rows
from tests.figures.synthetic import write_run
from tests.figures.synthetic_networks import PUBLISHED, make_network_run, network_arrays, network_protocol

pytestmark = pytest.mark.whole

METHODS = ["none", "HPCA", "SWTA", "VAE"]


def network(path: Path) -> NetworkRun:
    run = read_run(path)
    assert isinstance(run, NetworkRun)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> NetworkRun:
    return network(make_network_run(tmp_path_factory.mktemp("runs") / "abc"))


def named(ax: Axes, label: str) -> list[Any]:
    return [line for line in ax.lines if line.get_label() == label]


def test_regimes_draws_the_accuracies_of_every_method_and_seed(run: NetworkRun) -> None:
    ax = fig_regimes.figure(run).axes[0]
    for method in METHODS:
        (mean,) = named(ax, method)
        top1 = np.array([run.arrays[f"seed_{seed}/{method}/top1"] for seed in (0, 1, 2)])
        np.testing.assert_allclose(mean.get_xdata(), [0.01, 0.1, 1])
        np.testing.assert_allclose(mean.get_ydata(), 100 * top1.mean(axis=0))
        seeds = [line for line in named(ax, "_seed") if line.get_color() == mean.get_color()]
        np.testing.assert_allclose([line.get_ydata() for line in seeds], 100 * top1)
        (band,) = [c for c in ax.collections if to_hex(c.get_facecolor()[0]) == to_hex(mean.get_color())]
        (path,) = band.get_paths()
        bounds = [run.metrics[f"accuracy/{method}/{regime}"]["ci95"] for regime in ("1%", "10%", "100%")]
        for x, interval in zip((0.01, 0.1, 1), bounds, strict=True):
            drawn = path.vertices[np.isclose(path.vertices[:, 0], x), 1]
            assert (drawn.min(), drawn.max()) == pytest.approx((100 * interval[0], 100 * interval[1]))
    assert len({named(ax, method)[0].get_color() for method in METHODS}) == 4
    assert named(ax, "none")[0].get_color() == GREY


def test_regimes_names_fractions_numbers_of_images_chance_and_seeds(run: NetworkRun) -> None:
    ax = fig_regimes.figure(run).axes[0]
    assert ax.get_xscale() == "log"
    np.testing.assert_allclose(ax.get_xticks(), [0.01, 0.03, 0.1, 1])  # 3 %: published only
    written = [text.get_text() for text in ax.get_xticklabels()]
    assert written == ["1 %\n20", "3 %\n", "10 %\n200", "100 %\n2,000"]
    assert [text.get_text() for text in ax.texts] == ["chance 10 %"]
    assert 10 in [line.get_ydata()[0] for line in ax.lines if line.get_linewidth() == 0.9]
    assert ax.get_ylim()[0] < 10
    legend = {text.get_text() for text in ax.get_legend().get_texts()}
    assert legend == {*METHODS, "mean of 3 seeds, 95 % interval", "one seed", "Lagani 2024", "their program"}


def test_regimes_dashes_what_each_source_published_of_the_same_method(run: NetworkRun) -> None:
    fig = fig_regimes.figure(run)
    ax = fig.axes[0]
    expected = {
        "HPCA, Lagani 2024": [(0.01, 31), (0.03, 40), (0.1, 52)],
        "VAE, Lagani 2024": [(0.1, 45)],
        "HPCA, their program": [(0.1, 50)],
    }
    assert {line.get_label() for line in ax.lines if ", " in line.get_label()} == set(expected)
    for label, points in expected.items():
        (line,) = named(ax, label)
        np.testing.assert_allclose(line.get_xydata(), points)
        assert line.get_linestyle() == "--"
        assert line.get_color() == named(ax, label.split(",")[0])[0].get_color()
    assert "published: Lagani 2024 (n=5): Neurocomputing, table 2" in fig.get_supxlabel()
    assert "published: their program (n=1): their program, run today" in fig.get_supxlabel()


def test_regimes_of_one_seed_without_published_values(tmp_path: Path) -> None:
    path = make_network_run(tmp_path / "run", seeds=1, targets=None)
    fig = fig_regimes.figure(network(path))
    ax = fig.axes[0]
    assert not ax.collections
    assert not named(ax, "_seed")
    assert fig.get_supxlabel() == ""
    assert len(ax.lines) == len(METHODS) + 1  # and chance
    assert "one seed" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_regimes_shows_top5_where_top5_was_published(tmp_path: Path) -> None:
    published = PUBLISHED.replace("accuracy/", "top5/")
    path = make_network_run(tmp_path / "run", published, source="cifar100")
    run = network(path)
    fig = fig_regimes.figure(run)
    ax = fig.axes[0]
    top5 = np.mean([run.arrays[f"seed_{seed}/HPCA/top5"] for seed in run.seeds], axis=0)
    np.testing.assert_allclose(named(ax, "HPCA")[0].get_ydata(), 100 * top5)
    np.testing.assert_allclose(named(ax, "HPCA, Lagani 2024")[0].get_ydata(), [31, 40, 52])
    assert "top-5" in ax.get_ylabel()
    assert [text.get_text() for text in ax.texts] == ["chance 5 %"]
    both = make_network_run(tmp_path / "both", published + PUBLISHED, source="cifar100")
    assert network(both).measure == "accuracy"


def test_labels_that_do_not_fit_are_left_out_but_for_the_first_and_last() -> None:
    fractions = [0.01, 0.02, 0.03, 0.04, 0.05, 0.1, 0.25, 1.0]
    labels = [f"{100 * f:g} %\n{40_000 * f:.0f}" for f in fractions]
    assert fig_regimes.fitting(fractions, labels) == labels
    dense = np.linspace(0.01, 0.1, 40).tolist()
    kept = fig_regimes.fitting(dense, [f"{100 * f:.2f} %\n{40_000 * f:.0f}" for f in dense])
    assert kept[0]
    assert kept[-1]
    assert 5 < sum(map(bool, kept)) < 20
    assert fig_regimes.fitting([0.1], ["10 %"]) == ["10 %"]


def test_legends_read_by_rows() -> None:
    assert by_rows(list("abcdefg"), 3) == list("adgbecf")  # type: ignore[arg-type,comparison-overlap]


def test_filters_shows_weights_symmetric_about_grey_in_their_order(run: NetworkRun) -> None:
    fig = filters.figure(run)
    assert fig is not None
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["none", "HPCA", "SWTA, of whitened images", "VAE"]
    for ax, method in zip(fig.axes, METHODS, strict=True):
        (image,) = ax.images
        shown = np.asarray(image.get_array())
        high, wide = 5 * 5 + filters.GAP, 5 * 5 + filters.GAP  # 5 pixels a weight
        assert shown.shape == (8 * high + filters.GAP, 12 * wide + filters.GAP, 3)
        weights = run.arrays[f"seed_0/{method}/filters"]
        for k in (0, 1, 12, 95):
            top, left = (k // 12) * high + filters.GAP, (k % 12) * wide + filters.GAP
            tile = shown[top + 2 : top + 25 : 5, left + 2 : left + 25 : 5]
            expected = 0.5 + 0.5 * weights[k].transpose(1, 2, 0) / abs(weights[k]).max()
            np.testing.assert_allclose(tile, expected, rtol=1e-5)
    assert "first 96 of 100 neurons of the first layer, seed 0" in fig.get_supxlabel()
    assert "largest absolute weight" in fig.get_supxlabel()


def test_filters_of_grey_images_a_dense_layer_and_a_silent_neuron() -> None:
    weights = np.array([[1.0, -4.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    images = filters.as_images(weights, (1, 2, 2))
    assert images is not None
    assert images.shape == (2, 2, 2, 3)
    np.testing.assert_allclose(images[0, :, :, 0], [[0.625, 0.0], [0.75, 0.5]])
    assert (images[..., 0] == images[..., 2]).all()
    assert (images[1] == 0.5).all()
    colour = filters.as_images(np.arange(12.0)[None], (3, 2, 2))  # channel by channel
    assert colour is not None
    np.testing.assert_allclose(colour[0, 0, 1], 0.5 + np.array([1, 5, 9]) / 22)
    assert filters.as_images(weights, (1, 3, 3)) is None
    assert filters.as_images(np.ones((2, 7, 3, 3)), (7, 9, 9)) is None


def test_weights_that_are_no_images_have_no_figure(tmp_path: Path) -> None:
    plan = network_protocol(seeds=1)
    arrays = network_arrays(plan, 0) | {f"{method}/filters": np.ones((4, 10)) for method in METHODS}
    path = write_run(tmp_path / "run", plan, {0: arrays}, PUBLISHED)
    assert filters.figure(network(path)) is None
    assert {figure.stem for figure in make.make(path)} == {"regimes", "pretraining", "layers"}


def test_pretraining_draws_both_scores_and_rings_the_epoch_kept(run: NetworkRun) -> None:
    fig = pretraining.figure(run)
    assert fig is not None
    for ax, (record, factor) in zip(fig.axes, (("effective_rank", 1), ("class_mean_accuracy", 100)), strict=True):
        for method in ("HPCA", "SWTA"):
            scores = factor * np.array([run.arrays[f"seed_{s}/{method}/pretraining/{record}"] for s in (0, 1, 2)])
            (mean,), (rings,) = named(ax, method), named(ax, f"{method}, kept")
            np.testing.assert_array_equal(mean.get_xdata(), [1, 2, 3, 4])
            np.testing.assert_allclose(mean.get_ydata(), scores.mean(axis=0))
            kept = [int(run.arrays[f"seed_{seed}/{method}/pretraining/epoch"]) for seed in (0, 1, 2)]
            expected = [(epoch + 1, scores[seed, epoch]) for seed, epoch in enumerate(kept)]
            np.testing.assert_allclose(rings.get_xydata(), expected)
        assert not named(ax, "VAE")
    written = [text.get_text() for text in fig.legends[0].get_texts()]
    assert written[:2] == ["HPCA (kept: the last)", "SWTA (kept: the best with labels)"]


def test_pretraining_layer_by_layer_starts_where_the_last_layer_learns(tmp_path: Path) -> None:
    spec = network_protocol().model_dump(mode="json")["network"]
    spec["methods"]["HPCA"]["layers"] = "one_by_one"
    fig = pretraining.figure(network(make_network_run(tmp_path / "run", network=spec, seeds=1)))
    assert fig is not None
    (mean,) = named(fig.axes[0], "HPCA")
    np.testing.assert_array_equal(mean.get_xdata(), [5, 6, 7, 8])
    assert (mean.get_ydata() > 0).all()


def test_without_hebbian_methods_there_is_no_figure_of_pretraining(tmp_path: Path) -> None:
    spec = network_protocol().model_dump(mode="json")["network"]
    spec["methods"] = {name: spec["methods"][name] for name in ("none", "VAE")}
    path = make_network_run(tmp_path / "run", network=spec)
    assert pretraining.figure(network(path)) is None
    assert {figure.stem for figure in make.make(path)} == {"regimes", "filters"}


@pytest.mark.parametrize(("n_methods", "seeds", "regimes"), [(1, 1, [1.0]), (7, 2, [0.001, 0.01, 0.5, 0.6])])
def test_make_draws_few_and_many_methods(tmp_path: Path, n_methods: int, seeds: int, regimes: list[float]) -> None:
    spec = network_protocol().model_dump(mode="json")["network"]
    spec["methods"] = {f"method {k}": spec["methods"]["HPCA"] for k in range(n_methods)}
    spec["regimes"], spec["retrieval"] = regimes, {"shown": 2}
    path = make_network_run(tmp_path / "run", network=spec, seeds=seeds, targets=None)
    assert make.main([str(path)]) == 0
    for name in make.NETWORK:
        width, _ = plt.imread(path / "figures" / f"{name}.png").shape[1::-1]
        assert width == 1440  # 7.2 inches
    ax = fig_regimes.figure(network(path)).axes[0]
    first = next(text.get_text() for text in ax.get_xticklabels() if text.get_text())
    assert first.startswith(f"{100 * regimes[0]:g} %")


def change(path: Path, key: str, edit: Callable[[Any], object]) -> None:
    content = json.loads((path / "metrics.json").read_text())
    content[key] = edit(content[key])
    (path / "metrics.json").write_text(json.dumps(content))


def without(key: str) -> Callable[[Any], object]:
    return lambda value: {name: part for name, part in value.items() if name != key}


@pytest.mark.parametrize(
    ("key", "edit"),
    [
        ("accuracy/HPCA/10%", lambda value: None),
        ("accuracy/HPCA/10%", without("labels")),
        ("accuracy/none/1%", without("ci95")),
        ("accuracy/none/1%", lambda value: value | {"mean": "high"}),
        ("accuracy/VAE/100%", lambda value: value | {"per_seed": value["per_seed"][:2]}),
        ("accuracy/VAE/100%", lambda value: value | {"ci95": [0.1]}),
        ("accuracy/VAE/100%", lambda value: value | {"validation_per_seed": None}),
        ("top5/VAE/100%", without("sd")),
        ("pretraining/SWTA", without("kept_epoch_per_seed")),
    ],
)
def test_metrics_that_are_damaged_are_one_line(
    tmp_path: Path, key: str, edit: Callable[[Any], object], capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_network_run(tmp_path / "run")
    change(path, key, edit)
    assert make.main([str(path)]) == 2
    assert report.main([str(path), "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()
    first, second = capsys.readouterr().err.splitlines()
    assert first == second
    assert first.startswith(f"error: {path}: damaged run: metrics.json: ")
    assert key in first


def test_arrays_and_published_values_that_are_damaged_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_network_run(tmp_path / "no_filters")
    with np.load(path / "arrays.npz") as stored:
        kept = {key: stored[key] for key in stored.files if key != "seed_0/SWTA/filters"}
    np.savez(path / "arrays.npz", **kept)  # type: ignore[arg-type]
    late = make_network_run(tmp_path / "late")
    change(late, "pretraining/SWTA", lambda value: value | {"kept_epoch_per_seed": [0, 1, 99]})
    no_targets = make_network_run(tmp_path / "no_targets")
    (no_targets / "targets" / "small.csv").unlink()
    for damaged in (path, late, no_targets):
        assert make.main([str(damaged)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {damaged}: damaged run: ")


def test_figures_load_neither_torch_nor_brian2() -> None:
    code = "import sys, figures.make, figures.report; sys.exit('torch' in sys.modules or 'brian2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
