"""Whole runs of living dishes: results, repetition, measures that follow from the kept spikes."""

import json
from pathlib import Path

import numpy as np
import pytest

from culture_sim.analysis.panel import panel
from culture_sim.analysis.synchrony import sttc
from culture_sim.experiments.dish_measures import DishRecording
from culture_sim.formats import read
from culture_sim.run import app
from figures import make
from figures.culture.dish import activity, courses
from figures.runs.run import DishRun, read_run
from protocols.loading.loader import load
from protocols.loading.objectives import metric_names
from protocols.runs import cli
from tests.command import finished_run
from tests.protocols.spec.test_dish import GOOD, written

pytestmark = pytest.mark.whole


def run(protocol: str, out: Path, *more: str) -> Path:
    return finished_run(app, out, protocol, *more)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dish")
    text = GOOD + "record: {spikes: all, within: 150 um}\nseeds: 2\n"
    return run(written(folder, text), folder / "runs", "--jobs", "1")


def test_metrics_have_mean_interval_unit_and_definition(finished: Path) -> None:
    metrics = json.loads((finished / "metrics.json").read_text())
    for path in ("activity/rate", "response/before/left/early", "leaky/after/right/90ms", "ppr/first", "change/change"):
        assert set(metrics[path]) >= {"mean", "sd", "n", "ci95", "unit", "per_seed", "definition"}
    assert metrics["activity/rate"]["n"] == 2
    assert metrics["ppr/ratio"]["per_seed"][0] == pytest.approx(
        metrics["ppr/second"]["per_seed"][0] / metrics["ppr/first"]["per_seed"][0]
    )


def test_measures_follow_from_the_kept_spikes(finished: Path) -> None:
    """Recompute responses by loops over all neurons' spikes."""
    arrays = np.load(finished / "arrays.npz")
    metrics = json.loads((finished / "metrics.json").read_text())
    electrodes, positions = arrays["seed_1/electrodes"], arrays["seed_1/positions"]
    near = np.linalg.norm(electrodes[:, None] - positions[None], axis=2) <= 150e-6
    step, neuron = arrays["seed_1/spikes/step"], arrays["seed_1/spikes/neuron"]
    assert near[:, neuron].sum() == len(arrays["seed_1/heard/step"])
    resting = step < 2000
    rates = np.array([near[e, neuron[resting]].sum() for e in range(64)]) / 2.0
    assert metrics["activity/rate"]["per_seed"][1] == pytest.approx(rates[rates >= 0.01].mean())
    direct = set(
        zip(
            arrays["seed_1/heard/step"][arrays["seed_1/heard/direct"]].tolist(),
            arrays["seed_1/heard/electrode"][arrays["seed_1/heard/direct"]].tolist(),
            strict=True,
        )
    )
    counts = {}
    for turn, offset in (("first", 0), ("second", 50)):
        found = 0
        for at in (24000 + offset, 26000 + offset, 28000 + offset, 30000 + offset):
            for k in np.flatnonzero((step >= at + 1) & (step < at + 30)):
                found += sum((int(step[k]), int(e)) not in direct for e in np.flatnonzero(near[:, neuron[k]]))
        counts[turn] = found / (4 * 64)
    assert metrics["ppr/first"]["per_seed"][1] == pytest.approx(counts["first"])
    assert metrics["ppr/second"]["per_seed"][1] == pytest.approx(counts["second"])


def test_a_leaky_course_follows_from_the_kept_spikes(finished: Path) -> None:
    """Recompute it neuron by neuron from all spikes."""
    arrays = np.load(finished / "arrays.npz")
    metrics = json.loads((finished / "metrics.json").read_text())
    electrodes, positions = arrays["seed_1/electrodes"], arrays["seed_1/positions"]
    near = np.linalg.norm(electrodes[:, None] - positions[None], axis=2) <= 150e-6
    raster = np.zeros((len(positions), 33_000))
    raster[arrays["seed_1/spikes/neuron"], arrays["seed_1/spikes/step"]] = 1
    level = np.zeros((3, len(positions), 100))
    for k, at in enumerate((2000, 4000, 6000)):  # pulses of the first pattern of step "before"
        y = np.zeros(len(positions))
        for t in range(100):
            y = y * np.exp(-1 / 20) + raster[:, at + t]
            level[k, :, t] = y
    heard = [level[:, neurons].mean(axis=1) for neurons in near if neurons.any()]
    course = np.mean(heard, axis=(0, 1)).reshape(10, 10).mean(axis=1)
    assert course.max() > 0
    found = [metrics[f"leaky/before/left/{start}ms"]["per_seed"][1] for start in range(0, 100, 10)]
    np.testing.assert_allclose(found, course)


def test_metrics_are_those_a_search_may_ask_for(finished: Path) -> None:
    metrics = json.loads((finished / "metrics.json").read_text())
    assert [*metric_names(load(str(finished / "protocol.yaml"))), "targets"] == list(metrics)


def test_synchrony_follows_from_the_kept_spikes(finished: Path) -> None:
    """Means over pairs by loops, from the tested matrix of all electrodes."""
    metrics = json.loads((finished / "metrics.json").read_text())
    dish = DishRecording.of(load(str(finished / "protocol.yaml")), np.load(finished / "arrays.npz"), "seed_1/")
    matrix, electrodes = sttc(dish.trains("pairs"), 0.1), dish.electrodes
    values: dict[str, list[float]] = {"near": [], "far": []}
    for a in range(64):
        for b in range(a):
            if np.isfinite(matrix[a, b]):
                values["near" if np.hypot(*(electrodes[a] - electrodes[b])) < 250e-6 else "far"].append(matrix[a, b])
    for key, of_pairs in values.items():
        assert metrics[f"synchrony/pairs/{key}"]["per_seed"][1] == pytest.approx(np.mean(of_pairs))
    before, after = (sttc(dish.trains(step), 0.05) for step in ("before", "after"))
    assert metrics["change/change"]["per_seed"][1] == pytest.approx(
        np.nanmean((after - before)[np.triu_indices(64, 1)])
    )


def test_the_same_seed_gives_the_same_arrays_side_by_side(finished: Path, tmp_path: Path) -> None:
    text = GOOD + "record: {spikes: all, within: 150 um}\nseeds: 2\n"
    other = run(written(tmp_path, text), tmp_path / "runs", "--jobs", "2")
    a, b = np.load(finished / "arrays.npz"), np.load(other / "arrays.npz")
    assert a.files == b.files
    for name in a.files:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_figures_show_the_raster_and_the_courses(finished: Path) -> None:
    found = read_run(finished)
    assert isinstance(found, DishRun)
    raster = activity.figure(found)
    assert raster is not None
    drawn = sum(len(line.get_xdata()) for line in raster.axes[0].lines)
    assert drawn == (found.array(0, "heard/step") < 2000).sum()
    fig = courses.figure(found)
    assert fig is not None
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["left", "right"]
    band, mean = (patch.get_data() for patch in fig.axes[0].patches[:2])
    courses_of = np.array([found.array(seed, "course/before/left") for seed in (0, 1)]) / 5e-3
    np.testing.assert_allclose(mean.values, courses_of.mean(axis=0))
    np.testing.assert_allclose(band.values - band.baseline, 2 * courses_of.std(axis=0, ddof=1))
    direct = found.metrics["response/before/left/direct"]["mean"] / 5e-3
    np.testing.assert_allclose(fig.axes[0].collections[0].get_segments()[0], [[0, direct], [5, direct]])
    drawn_figures = {path.stem for path in make.make(finished)}
    assert {"activity", "courses", "leaky"} <= drawn_figures <= {*make.DISH}


def test_network_bursts_are_those_of_the_panel(finished: Path) -> None:
    found = read_run(finished)
    for seed, rate in enumerate(found.metrics["activity/network burst rate"]["per_seed"]):
        start, end = (found.array(seed, f"network_bursts/activity/{edge}") for edge in ("start", "end"))
        assert len(start) / 2.0 * 60 == pytest.approx(rate)
        assert np.all((start >= 0) & (start <= end) & (end <= 2.0))


def test_a_device_that_living_cultures_lack_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(app, [written(tmp_path, GOOD), "--out", str(tmp_path), "--device", "cuda"])
    assert exit_.value.code == 1
    assert "living cultures have none; allowed: auto, cpp, runtime" in capsys.readouterr().err


def test_analysing_the_run_gives_its_own_panel(finished: Path) -> None:
    metrics = json.loads((finished / "metrics.json").read_text())
    found = {name: trains for name, trains in read(finished).items() if name.endswith(" rest")}
    assert list(found) == [f"{finished.name} seed 0 rest", f"{finished.name} seed 1 rest"]
    for seed, trains in enumerate(found.values()):
        for name, measure in panel(trains).items():
            values = metrics[f"activity/{name}"]["per_seed"]
            if len(values) == 2:
                assert measure.value == pytest.approx(values[seed]), name
