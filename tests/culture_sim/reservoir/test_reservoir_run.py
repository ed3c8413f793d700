"""Whole runs of a reservoir: results, controls, repetition, going on after an interruption, figures, page."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from culture_sim.reservoir import seed as seed_module
from culture_sim.run import app
from figures import make, report
from protocols.runs import cli
from tests.command import finished_run
from tests.protocols.spec.test_reservoir import GOOD, written

pytestmark = pytest.mark.whole

MEMORY = GOOD.replace("{bars: 4, length: 4}", "{bars: 2, length: 4}").replace("trials: 6", "trials: 20") + (
    "  memory: 2\n  controls: [pattern, stimulated, before, shuffled, unconnected, echo_state, lif]\n  budget: 2\n"
    "  sessions: {count: 2, pause: 1 s}\nseeds: 2\n"
)


def run(protocol: str, out: Path, *more: str) -> Path:
    return finished_run(app, out, protocol, "--jobs", "1", *more)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reservoir")
    return run(written(folder, MEMORY), folder / "runs")


def test_metrics_follow_from_the_answers_that_are_kept(finished: Path) -> None:
    metrics = json.loads((finished / "metrics.json").read_text())
    arrays = np.load(finished / "arrays.npz")
    for k in range(2):
        truth, session = arrays[f"seed_{k}/trials/truth"], arrays[f"seed_{k}/trials/session"]
        tested, given = arrays[f"seed_{k}/tested"], arrays[f"seed_{k}/answers"]
        assert tested.tolist() == np.flatnonzero(session == 0).tolist(), "each trial of the first session, once"
        accuracy = (given == truth[tested]).mean()
        assert metrics["accuracy/culture"]["per_seed"][k] == pytest.approx(accuracy)
        table = arrays[f"seed_{k}/confusion"]
        assert table.trace() / table.sum() == pytest.approx(accuracy)
        curve = arrays[f"seed_{k}/curve/electrodes"]
        assert curve[-1].tolist() == [64, pytest.approx(accuracy)], "with all electrodes"
        assert arrays[f"seed_{k}/features/culture"].shape == (80, 3, 64)
    assert metrics["accuracy/pattern"]["mean"] == 1.0, "the two bars have different electrodes"
    assert metrics["chance"]["mean"] == 0.5
    assert abs(metrics["accuracy/before"]["mean"] - 0.5) < 0.2
    assert {
        "memory/2/culture",
        "parity/1/pattern",
        "session/2/culture",
        "memory",
        "validation/lif",
        "session/2/lif",
    } <= metrics.keys()
    gain = metrics["gain/pattern"]["per_seed"]
    assert gain == [pytest.approx(accuracy - 1) for accuracy in metrics["accuracy/culture"]["per_seed"]]


def test_figures_and_page_show_every_part(finished: Path) -> None:
    names = {path.stem for path in make.make(finished)}
    assert names == {"accuracy", "responses", "confusion", "curves", "memory"}
    assert report.main([str(finished), "--html", "--out", str(finished / "page")]) == 0
    (page,) = (finished / "page").glob("*.html")
    text = page.read_text()
    for word in ("Fading memory", "training trials of each class", "echo state network", "0 degrees"):
        assert word in text


def test_a_report_of_several_runs_has_their_numbers(finished: Path, tmp_path: Path) -> None:
    assert report.main([str(finished), str(finished), "--out", str(tmp_path)]) == 0
    metrics = json.loads((finished / "metrics.json").read_text())
    table = pd.read_csv(tmp_path / "reservoirs.csv").set_index("source")
    assert len(table) == 2 * 8
    for source in ("culture", "lif"):
        assert table.loc[source, "accuracy"].tolist() == [metrics[f"accuracy/{source}"]["mean"]] * 2
    assert f"{100 * metrics['accuracy/lif']['mean']:.1f} [" in (tmp_path / "reservoirs.md").read_text()
    assert (tmp_path / "reservoirs.png").stat().st_size > 10_000


def test_a_run_goes_on_with_the_responses_that_were_saved(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate, calls = seed_module.simulate, []

    def failing(*args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("the power fails")
        return simulate(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(seed_module, "simulate", failing)
    with pytest.raises(SystemExit) as exit_:
        cli.main(app, [written(tmp_path, MEMORY), "--out", str(tmp_path / "runs"), "--jobs", "1"])
    assert exit_.value.code == 1
    again = run(written(tmp_path, MEMORY), tmp_path / "runs")
    assert len(calls) == 3 + 3 + 5, "two of five simulations of the first seed were not repeated"
    ours, theirs = np.load(again / "arrays.npz"), np.load(finished / "arrays.npz")
    assert sorted(ours) == sorted(theirs)
    for name in ours:
        assert np.array_equal(ours[name], theirs[name]), name


def test_stretches_give_the_responses_of_one_simulation(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seed_module, "STRETCH_S", 0.73)  # ends anywhere in a trial
    other = np.load(run(written(tmp_path, MEMORY), tmp_path / "runs", "--seeds", "1") / "arrays.npz")
    ours = np.load(finished / "arrays.npz")
    for name in ("features/culture", "features/before"):
        assert np.array_equal(other[f"seed_0/{name}"], ours[f"seed_0/{name}"])


def test_a_perceptron_with_more_features_than_trials_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = GOOD.replace("{folds: 3}", "{kind: perceptron, folds: 3}")
    with pytest.raises(SystemExit):
        cli.main(app, [written(tmp_path, text), "--out", str(tmp_path / "runs"), "--dry-run"])
    said = " ".join(capsys.readouterr().out.split())
    assert "192 features are more than 16 training trials" in said
