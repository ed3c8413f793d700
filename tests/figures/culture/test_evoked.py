"""Figures of an evoked-response run against the arrays in its directory."""

from pathlib import Path

import numpy as np
import pytest

from culture_sim.bench import drawing
from culture_sim.run import app
from figures import make
from figures.culture import array, evoked, raster, weights
from figures.runs.run import EvokedRun, read_run
from protocols.runs import cli
from tests.culture_sim.test_run import SMALL, only_run
from tests.figures.html.test_subjects import check_ruaro

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> EvokedRun:
    out = tmp_path_factory.mktemp("runs")
    with pytest.raises(SystemExit) as exit_:
        cli.main(app, ["ruaro2005", "--quick", *SMALL, "--out", str(out), "--jobs", "1"])
    assert not exit_.value.code
    found = read_run(only_run(out))
    assert isinstance(found, EvokedRun)
    return found


def test_evoked_bars_are_the_mean_counts_and_points_the_published_values(run: EvokedRun) -> None:
    ax = evoked.figure(run).axes[2]  # L, after
    assert ax.get_title(loc="left") == "L, after"
    heights = {round(p.get_x() + p.get_width() / 2): p.get_height() for p in ax.patches}
    expected = np.mean([run.arrays[f"seed_{s}/leaky/L/after"][50:60].mean() for s in run.seeds])
    assert heights[5] == pytest.approx(expected)
    assert expected > 0
    line = next(c.lines[0] for c in ax.containers if c.get_label().startswith("Ruaro 2005"))
    time, published = np.transpose(line.get_xydata())
    np.testing.assert_allclose(published, [0.7, 1.1, 0.8, 0.6, 0.5, 0.4, 0.4, 0.3, 0.3, 0.2])
    np.testing.assert_allclose(time, np.arange(5, 100, 10))


def test_array_maps_outline_the_stimulated_electrodes(run: EvokedRun) -> None:
    fig = array.figure(run)
    ax = next(a for a in fig.axes if a.get_title() == "L, before")
    outlined = {(round(p.get_y() + 0.5), round(p.get_x() + 0.5)) for p in ax.patches}
    assert outlined == set(run.protocol.stimuli["L"].electrodes)
    image = np.asarray(ax.images[0].get_array())
    assert image.shape == (6, 10)
    stimulated = run.drawn("L")
    assert image[stimulated].mean() > image[~stimulated].mean()


def test_raster_has_a_dot_for_every_kept_spike_of_the_presentation(run: EvokedRun) -> None:
    axes = raster.figure(run).axes  # type: ignore[union-attr]
    assert [ax.get_title("left").split("\n")[1] for ax in axes] == [
        "L 1", "inverted L 1", "tetanus 1", f"tetanus {run.protocol.phases[1].repetitions}", "L 1", "inverted L 1"
    ]  # fmt: skip
    ax = axes[2]
    dots = sum(len(c.get_segments()) for c in ax.collections)
    step, neuron, units = (run.arrays[f"seed_0/{k}"] for k in ("spikes/step", "spikes/neuron", "units"))
    units = units[:, : raster.MOST_UNITS]
    inside = (step >= 2 * 400) & (step < 3 * 400)
    heard_by = np.bincount(units.ravel(), minlength=neuron.max() + 1)
    assert dots == heard_by[neuron[inside]].sum()
    assert dots > 1000


def test_raster_draws_no_more_lines_for_more_neurons(tmp_path: Path) -> None:
    """Every neuron fires as often, so the lines are those of the units: at most `MOST_UNITS` per electrode."""
    lines = set()
    for n_neurons in (300, 3000):
        path, n_spikes = drawing.write_run(
            tmp_path / str(n_neurons), n_neurons, "seeds=1", "culture.readout.units_per_electrode=6"
        )
        assert n_spikes == n_neurons * 8 * 400 / drawing.INTERVAL
        crowded = read_run(path)
        assert isinstance(crowded, EvokedRun)
        fig = raster.figure(crowded)
        assert fig is not None
        lines |= {sum(len(c.get_segments()) for c in ax.collections) for ax in fig.axes}
    assert lines == {60 * raster.MOST_UNITS * 400 // drawing.INTERVAL}


def test_weights_change_towards_the_tetanised_electrodes(run: EvokedRun) -> None:
    fig = weights.figure(run)
    assert fig is not None
    ax = next(a for a in fig.axes if a.get_title() == "electrode, change")
    change = np.asarray(ax.images[0].get_array())
    assert change[run.drawn("L")].mean() > 0 > change[~run.drawn("L")].mean()


def test_the_html_page_holds_the_spikes_and_responses_of_the_run(run: EvokedRun, tmp_path: Path) -> None:
    check_ruaro(run, tmp_path)


def test_make_writes_every_figure_and_refuses_what_is_no_run(
    run: EvokedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make.main([str(run.path)]) == 0
    for name in make.EVOKED:
        assert (run.path / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert make.main([str(tmp_path)]) == 2
    assert make.main([str(tmp_path / "absent")]) == 2
    assert make.main([]) == 2
    assert capsys.readouterr().err.count("error: ") == 2
