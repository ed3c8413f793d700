"""Pages of runs of every kind against their arrays and metrics; mistakes are one line."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from figures import report
from figures.culture import kernels
from figures.html import page, subjects
from figures.html.blocks import Picture, Plot, Subject, Table
from figures.html.recording import Array
from figures.html.runs import dish
from figures.runs import repeat
from figures.runs.run import AssociationRun, DishRun, EvokedRun, NetworkRun, SegmentationRun, read_run
from protocols.loading.loader import load
from protocols.plan.dish import expand_dish
from protocols.spec.protocol import DishProtocol
from tests.figures.html.made import EVIL
from tests.figures.synthetic import make_run
from tests.figures.synthetic_masks import make_mask_run
from tests.figures.synthetic_networks import make_network_run
from tests.figures.synthetic_search import answer, write_study
from tests.protocols.spec.test_dish import GOOD, written


def blocks(subject: Subject, kind: type) -> list[Any]:
    return [block for section in subject.sections for block in section.blocks if isinstance(block, kind)]


def test_an_association_shows_its_curve_answers_and_weights(tmp_path: Path) -> None:
    path = make_run(tmp_path / "small" / "abc", title=EVIL)
    (found,), run = subjects.read([path]), read_run(path)
    assert isinstance(run, AssociationRun)
    assert found.name == "small abc"
    curve, *_ = blocks(found, Plot)
    mean = next(series for series in curve.series if series.look == "line")
    np.testing.assert_allclose(mean.y, run.metrics["accuracy/curve"]["mean"])
    assert len([series for series in curve.series if series.look == "thin"]) == 3
    learned = blocks(found, Array)[0].maps
    np.testing.assert_allclose(learned[1].values, kernels.kernel(run, 1).ravel())
    assert learned[1].outlined == np.flatnonzero(run.label_region(1)).tolist()
    assert report.main([str(path), "--html", "--out", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "small.html").read_text()
    assert EVIL not in text
    assert text.count("<script") == 2
    assert f"{run.metrics['accuracy/test']['mean']:.4g}" in text


def test_networks_show_their_regimes_beside_published_ones_and_filters(tmp_path: Path) -> None:
    path = make_network_run(tmp_path / "small_network" / "abc")
    (found,), run = subjects.read([path]), read_run(path)
    assert isinstance(run, NetworkRun)
    regimes, *scores = blocks(found, Plot)
    hpca = next(series for series in regimes.series if series.name == "HPCA")
    np.testing.assert_allclose(hpca.y, [100 * run.value("HPCA", regime)["mean"] for regime in run.regimes.values()])
    dashed = next(series for series in regimes.series if series.name == "HPCA, Lagani 2024")
    np.testing.assert_allclose(dashed.y, [31, 40, 52])
    assert {series.name for series in scores[0].series} == {"", "HPCA", "SWTA"}
    html = page.page([found])
    assert re.search(r'alt="Filters of the first layer" src="data:image/png;base64,iVBOR', html)


def test_segmentation_shows_curves_gains_and_predictions_with_the_fewest_and_the_most_masks(tmp_path: Path) -> None:
    path = make_mask_run(tmp_path / "small_masks" / "abc", title=EVIL)
    (found,), run = subjects.read([path]), read_run(path)
    assert isinstance(run, SegmentationRun)
    dice, _, hausdorff, rank, loss = blocks(found, Plot)
    for plot, measure, factor in ((dice, "dice", 100), (hausdorff, "hausdorff95", 1)):
        hpca = plot.series[1]
        values = [run.value(measure, "HPCA", regime) for regime in ("5%", "20%", "100%")]
        assert hpca.name == "HPCA"
        np.testing.assert_allclose(hpca.y, [factor * value["mean"] for value in values])
        np.testing.assert_allclose(hpca.low, [factor * value["ci95"][0] for value in values])
    assert dice.ticks == [(0.05, "5 %, 1"), (0.2, "20 %, 4"), (1.0, "100 %, 20")]
    np.testing.assert_allclose(rank.series[-1].y, run.stack("HPCA/pretraining/effective_rank").mean(0))
    np.testing.assert_allclose(loss.series[-1].y, -run.stack("denoising/pretraining/negative_loss").mean(0))
    gains = next(table for table in blocks(found, Table) if table.header[0] == "masks")
    expected = np.mean([(run.array(s, "HPCA/dice")[0] - run.array(s, "none/dice")[0]).mean() for s in run.seeds])
    assert gains.header == ("masks", "HPCA", "denoising")
    assert gains.rows[0][0] == "1 (5%)"
    assert float(re.split("\\s", gains.rows[0][1])[0]) == pytest.approx(expected, rel=1e-3)
    alts = [picture.alt for picture in blocks(found, Picture)]
    assert [re.findall(r"(\d+)%", alt) for alt in alts] == [["5"], ["100"]]
    assert EVIL not in page.page([found])


def test_a_study_shows_its_trials_and_its_recipe(tmp_path: Path) -> None:
    path = write_study(tmp_path / "study", answer() | {"title": EVIL})
    (found,) = subjects.read([path])
    history, *_ = blocks(found, Plot)
    trials, best, _ = history.series
    assert list(best.y) == list(np.maximum.accumulate(trials.y))
    assert found.headline["score, accuracy on validation images (fraction correct)"] == f"{max(trials.y):.4g}"
    assert EVIL not in page.page([found])


def test_a_dish_shows_pulses_with_the_electrodes_they_stimulate_and_their_responses(tmp_path: Path) -> None:
    protocol, rng = load(written(tmp_path, GOOD)), np.random.default_rng(0)
    assert isinstance(protocol, DishProtocol)
    plan, dt = expand_dish(protocol), protocol.culture.simulation.dt
    places = np.stack(np.divmod(np.arange(64), 8)[::-1], axis=1) * 200e-6
    step = np.sort(rng.integers(0, plan.n_steps, 60_000)).astype(np.int32)
    arrays = {
        "seed_0/electrodes": places,
        "seed_0/heard/step": step,
        "seed_0/heard/electrode": rng.integers(0, 64, len(step)).astype(np.int16),
    }
    for name in ("before", "after"):
        for pattern in ("left", "right"):
            courses = []
            for pulse in plan.pulses_of(name, pattern):
                edges = pulse + np.round(np.arange(-50, 301, 5) * 1e-3 / dt).astype(int)
                courses.append(np.diff(np.searchsorted(step, edges)) / 64)
            arrays[f"seed_0/course/{name}/{pattern}"] = np.mean(courses, axis=0)
    arrays["seed_0/heard/direct"] = np.zeros(len(step), bool)
    metrics = {"targets": [], "ppr/ratio": {"per_seed": [0.5]}}
    run = DishRun(tmp_path, protocol, arrays, metrics, {"code": {"dirty": True}})
    found = dish.subject(run, "mine", 1000)
    patterns, timeline = found.sections[0].blocks[1:3]
    assert patterns.rows[0] == ("left", "2", "0, 8", "30 uA", "200 us")  # type: ignore[attr-defined]
    given = {row[0]: row[4] for row in timeline.rows}  # type: ignore[attr-defined]
    assert given == {
        "rest": "",
        "before": "single pulses every 1 s",
        "tetanus": "2 trains of 10 pulses at 100 Hz, every 5 s",
        "after": "single pulses every 1 s",
        "pairs": "4 pairs 50 ms apart, every 2 s",
    }
    (ratio, responses) = (b for s in found.sections if s.heading == "Paired pulses" for b in s.blocks)
    assert list(ratio.series[0].y) == [0.5]  # type: ignore[attr-defined]
    assert [series.name for series in responses.series] == ["first pulse", "second pulse"]  # type: ignore[attr-defined]
    assert ("code, with uncommitted changes", "yes") in found.sections[-1].blocks[0].rows  # type: ignore[attr-defined]
    (recording,) = (b for s in found.sections if s.heading == "Recording and array" for b in s.blocks)
    assert [span.start for span in recording.spans] == [0, 2, 8, 18, 24]  # type: ignore[attr-defined]
    stimuli = {stimulus.name: stimulus for stimulus in recording.stimuli}  # type: ignore[attr-defined]
    expected = ["left, before", "right, before", "left, tetanus", "left, after", "right, after", "left, pairs"]
    assert list(stimuli) == expected
    assert stimuli["left, before"].electrodes.tolist() == [0, 8]
    assert stimuli["right, after"].electrodes.tolist() == [7]
    for (step_name, pattern), each in (((n.split(", ")[1], n.split(", ")[0]), s) for n, s in stimuli.items()):
        course = run.arrays.get(f"seed_0/course/{step_name}/{pattern}")
        assert (each.response is None) == (course is None)
        if course is not None:
            np.testing.assert_allclose(each.response.mean(axis=0) * 5e-3, course)
    data = recording.data()  # type: ignore[attr-defined]
    assert data["drawn"][0] < 2000
    assert [name for name, _, _ in data["spans"]] == list(plan.names)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda folder: folder / "absent", "no such run directory"),
        (lambda folder: folder, "not a complete run"),
        (lambda folder: Path(__file__), "python -m culture_sim.analyse"),
        (lambda folder: (folder / "answer.json").write_text("{}") and folder, "damaged answer"),
    ],
)
def test_what_is_no_run_is_one_line(
    make: Any, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main([str(make(tmp_path)), "--html", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert expected in said.err
    assert not (tmp_path / "out").exists()


def test_runs_of_different_kinds_stand_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [make_run(tmp_path / "small" / "abc"), make_network_run(tmp_path / "small_network" / "def")]
    assert report.main([*map(str, paths), "--html", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'comparison.html'}\n"
    text = (tmp_path / "comparison.html").read_text()
    assert re.findall('class="who">(.*?)<', text)[:2] == ["small abc", "small_network def"]


def test_the_command_repeats_the_run_from_its_directory(tmp_path: Path) -> None:
    path = make_run(tmp_path / "small" / "abc")
    run = read_run(path)
    assert repeat.command(run) is None
    python, option, module, file = repeat.of_file(run).split()
    assert (python, option, module) == ("python", "-m", "culture_sim.run")
    assert load(file) == run.protocol


def data_of(text: str) -> list[Any]:
    held = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert held is not None
    found: list[Any] = json.loads(held[1])
    return found


def check_ruaro(run: EvokedRun, out: Path) -> None:
    """The page of a Ruaro run: small, with all spikes and the responses of the arrays."""
    assert report.main([str(run.path), "--html", "--out", str(out)]) == 0
    text = (out / "ruaro2005.html").read_text()
    assert len(text.encode()) < 3e6
    recording = next(block for block in data_of(text) if block and "delta" in block)
    neuron, units = run.arrays["seed_0/spikes/neuron"], run.arrays["seed_0/units"]
    assert recording["drawn"][1] == np.bincount(units.ravel(), minlength=neuron.max() + 1)[neuron].sum()
    assert [name for name, _, _ in recording["spans"]] == ["before", "tetanisation", "after"]
    left = recording["stimuli"][0]
    assert (left["name"], len(left["electrodes"]), left["times"]) == ("L, before", 15, [0.05])
    assert recording["stimuli"][-1]["times"] == [pytest.approx(recording["duration"] - 0.35)]
    response = np.frombuffer(base64.b64decode(left["response"]["bytes"]), "<f4").reshape(60, -1)
    psth = np.nan_to_num(run.arrays["seed_0/psth/L/before"])
    assert left["edges"][0] == -0.05
    np.testing.assert_allclose(response, psth[:, : response.shape[1]] / 0.01, rtol=1e-6)
    change = next(each for each in recording["maps"] if each["name"] == "response to L, after - before")
    values = np.frombuffer(base64.b64decode(change["values"]["bytes"]), "<f4")
    before, after = (
        np.nanmean([run.arrays[f"seed_{seed}/psth/L/{when}"].sum(axis=1) for seed in run.seeds], axis=0)
        for when in ("before", "after")
    )
    np.testing.assert_allclose(values, after - before, atol=1e-5)
    assert "python -m culture_sim.run" in text
