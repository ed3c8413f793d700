"""Figure of the layers in pre-training against the arrays of its run."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from figures.networks import layers
from figures.runs.run import NetworkRun, read_run
from tests.figures.synthetic import write_run
from tests.figures.synthetic_networks import PUBLISHED, make_network_run, network_arrays, network_protocol

TITLES = {
    "winner_entropy": "entropy of wins",
    "dead_neurons": "dead neurons, %",
    "cosine_to_initial": "cosine to the",
    "effective_rank": "effective rank",
    "stable_rank": "stable rank\nof the features",
    "weight_stable_rank": "stable rank\nof the weights",
    "softmax_entropy": "entropy of the softmax",
}


def network(path: Path) -> NetworkRun:
    run = read_run(path)
    assert isinstance(run, NetworkRun)
    return run


def drawn(fig: Figure, block: int) -> dict[str, Axes]:
    """The panels of a method with lines in them, by the start of their title."""
    axes = [ax for ax in fig.subfigs[block].axes if ax.lines]
    return {name: ax for ax in axes for name, title in TITLES.items() if ax.get_title("left").startswith(title)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> NetworkRun:
    return network(make_network_run(tmp_path_factory.mktemp("runs") / "abc"))


def test_a_block_per_method_with_a_line_per_layer_from_epoch_0_on(run: NetworkRun) -> None:
    fig = layers.figure(run)
    assert fig is not None
    assert [block.get_suptitle() for block in fig.subfigs] == ["HPCA", "SWTA"]
    for block, method in enumerate(("HPCA", "SWTA")):
        panels = drawn(fig, block)
        assert panels.keys() == TITLES.keys() - ({"softmax_entropy"} if method == "HPCA" else set())
        for measure, ax in panels.items():
            values = np.array([run.arrays[f"seed_{seed}/{method}/diagnostics/{measure}"] for seed in (0, 1, 2)])
            values *= 100 if measure == "dead_neurons" else 1
            assert len(ax.lines) == 2
            for layer, (line, band) in enumerate(zip(ax.lines, ax.collections, strict=True)):
                np.testing.assert_array_equal(line.get_xdata(), np.arange(5))
                np.testing.assert_allclose(line.get_ydata(), values[:, :, layer].mean(0))
                (path,) = band.get_paths()
                expected = values[:, :, layer].min(), values[:, :, layer].max()
                assert (path.vertices[:, 1].min(), path.vertices[:, 1].max()) == pytest.approx(expected)
                assert to_hex(band.get_facecolor()[0]) == to_hex(line.get_color())
            assert ax.lines[0].get_color() != ax.lines[1].get_color()


def test_methods_share_the_scale_of_a_measure_and_nothing_lies_outside(run: NetworkRun) -> None:
    fig = layers.figure(run)
    assert fig is not None
    both = [drawn(fig, block) for block in (0, 1)]
    for measure in both[0]:
        (low, high), other = (panels[measure].get_ylim() for panels in both)
        assert (low, high) == other
        shown = [line.get_ydata() for panels in both for line in panels[measure].lines]
        assert low <= np.min(shown) <= np.max(shown) <= high


def test_the_legend_names_layers_and_neurons_and_a_few_of_many(run: NetworkRun, tmp_path: Path) -> None:
    fig = layers.figure(run)
    assert fig is not None
    legend = [text.get_text() for text in fig.subfigs[1].axes[-1].get_legend().get_texts()]
    assert legend == ["layer 1: 100 neurons", "layer 2: 20 neurons", "mean, range of 3 seeds"]
    plan = network_protocol(seeds=1)
    arrays = network_arrays(plan, 0)
    for key, values in arrays.items():
        if key.startswith("HPCA/diagnostics/"):
            arrays[key] = np.repeat(values, 15, axis=-1)
    arrays["HPCA/diagnostics/layers"] = np.array([f"0.blocks.{k}" for k in range(30)])
    fig = layers.figure(network(write_run(tmp_path / "run", plan, {0: arrays}, PUBLISHED)))
    assert fig is not None
    legend = [text.get_text() for text in fig.subfigs[0].axes[-1].get_legend().get_texts()]
    assert (legend[0], legend[-2], legend[-1]) == (
        *("blocks.0: 100 neurons", "blocks.29: 20 neurons", "(30 layers in all)"),
    )
    assert len(legend) == layers.NAMED + 1
    assert len(drawn(fig, 0)["dead_neurons"].lines) == 30


def test_a_run_of_an_earlier_version_has_no_such_figure(tmp_path: Path) -> None:
    plan = network_protocol(seeds=1)
    arrays = {key: value for key, value in network_arrays(plan, 0).items() if "/diagnostics/" not in key}
    assert layers.figure(network(write_run(tmp_path / "run", plan, {0: arrays}, PUBLISHED))) is None
