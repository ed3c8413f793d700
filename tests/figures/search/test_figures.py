"""Figures of a search against its answer."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.runs.study import Answer
from figures.runs.study_parts import spoken
from figures.search import history, importance, page, pareto, surfaces
from tests.figures.synthetic_search import VARIANTS, write_study

pytestmark = pytest.mark.whole


def complete(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [trial for trial in content["trials"] if trial["state"] == "complete"]


def marked(ax: Axes, label: str) -> np.ndarray:
    """Points of the markers or of the line with a label."""
    return np.asarray(next(line for line in ax.lines if line.get_label() == label).get_xydata())


def test_history_shows_every_score_and_the_best_so_far(
    read: Callable[..., Answer], contents: dict[str, dict[str, Any]]
) -> None:
    fig = history.figure(read("two"))
    for index, better in enumerate((max, min)):
        ax = fig.axes[index]
        trials = complete(contents["two"])
        scores = [(t["number"], t["scores"][index]) for t in trials]
        np.testing.assert_allclose(marked(ax, "score (whisker: to the mean)"), scores)
        best = [(n, better(s for m, s in scores if m <= n)) for n, _ in scores]
        np.testing.assert_allclose(marked(ax, "best so far")[:-1], best)
        np.testing.assert_allclose(marked(ax, "best so far")[-1], [79, best[-1][1]])
        np.testing.assert_allclose(marked(ax, "start"), [scores[0]])
        number = contents["two"]["best"]["trial"]
        np.testing.assert_allclose(marked(ax, "recommended"), [(number, dict(scores)[number])])
        ends = [np.asarray(path)[:, 1] for path in ax.collections[0].get_segments()]
        np.testing.assert_allclose(ends, [(t["scores"][index], t["means"][index]) for t in trials])
    for state, label in (("pruned", "given up early"), ("failed", "failed")):
        numbers = [t["number"] for t in contents["two"]["trials"] if t["state"] == state]
        assert marked(fig.axes[0], label)[:, 0].tolist() == numbers
    assert fig.axes[0].get_ylabel() == "accuracy on validation images\n(fraction correct)"
    assert fig.axes[1].get_ylabel() == "spikes, presentation (spikes)"


def test_importance_is_in_per_cent_and_in_order(
    read: Callable[..., Answer], contents: dict[str, dict[str, Any]]
) -> None:
    found = importance.figure(read())
    assert found is not None
    (ax,) = found.axes
    shares = sorted(contents["one"]["importance"]["accuracy/validation"].values(), reverse=True)
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], 100 * np.array(shares))
    assert [tick.get_text() for tick in ax.get_yticklabels()][:2] == [
        "excitatory strength",
        "training learning rate factor",
    ]
    assert importance.figure(read(importance={"accuracy/validation": {}})) is None


def test_surfaces_have_axes_in_the_units_of_their_parameters(
    read: Callable[..., Answer], contents: dict[str, dict[str, Any]]
) -> None:
    content = contents["one"]
    found = surfaces.figure(read())
    assert found is not None
    ax, surface = found.axes[0], content["surfaces"][0]
    assert ax.get_xlabel() == "excitatory strength (mV)"
    assert ax.get_ylabel() == "training learning rate factor"
    assert (ax.get_xscale(), ax.get_xlim()) == ("log", (10, 400))
    assert found.axes[1].get_yscale() == "linear"
    both = [
        (t["values"][surface["x"]], t["values"][surface["y"]]) for t in complete(content) if surface["y"] in t["values"]
    ]
    np.testing.assert_allclose(marked(ax, "trial"), both)
    np.testing.assert_allclose(marked(ax, "start"), [(40.0, 0.05)])
    best = content["best"]["values"]
    np.testing.assert_allclose(marked(ax, "recommended"), [(best[surface["x"]], best[surface["y"]])])
    assert found.axes[-1].get_ylabel() == "accuracy on validation images\n(fraction correct)"  # the colours
    low, high = found.axes[-1].get_ylim()
    means = np.concatenate([np.ravel(s["mean"]) for s in content["surfaces"]])
    assert (low, high) == pytest.approx((means.min(), means.max()))


def test_surfaces_are_hatched_where_they_are_uncertain(
    read: Callable[..., Answer], contents: dict[str, dict[str, Any]]
) -> None:
    surface = contents["one"]["surfaces"][0]
    assert "uncertain" not in legend(surfaces.figure(read(surfaces=[surface])))
    sd = np.array(surface["sd"])
    sd[:, : sd.shape[1] // 2] = 10.0
    found = surfaces.figure(read(surfaces=[surface | {"sd": sd.tolist()}]))
    assert "uncertain" in legend(found)
    (hatched,) = [c for c in found.axes[0].collections if any(getattr(c, "hatches", [None]))]
    right = hatched.get_paths()[0].get_extents().x1
    assert surface["x_values"][sd.shape[1] // 2 - 1] < right <= surface["x_values"][sd.shape[1] // 2]
    flat = surface | {"mean": np.full(sd.shape, 0.5).tolist(), "sd": np.zeros(sd.shape).tolist()}
    assert surfaces.figure(read(surfaces=[flat])) is not None
    assert surfaces.figure(read(surfaces=[])) is None


def legend(fig: Figure | None) -> str:
    assert fig is not None
    return " ".join(text.get_text() for text in fig.legends[0].get_texts())


def test_pareto_joins_the_trials_that_none_beats(
    read: Callable[..., Answer], contents: dict[str, dict[str, Any]]
) -> None:
    content = contents["two"]
    found = pareto.figure(read("two"))
    assert found is not None
    (ax,) = found.axes
    scores = {t["number"]: t["scores"] for t in complete(content)}
    np.testing.assert_allclose(marked(ax, "trial"), list(scores.values()))
    front = marked(ax, "beaten by none in both")
    np.testing.assert_allclose(front, sorted(scores[number] for number in content["pareto"]))
    assert np.all(np.diff(front, axis=0) > 0)  # more of the one costs more of the other
    assert ax.get_xlabel() == "accuracy on validation images (fraction correct), higher is better"
    assert ax.get_ylabel() == "spikes, presentation (spikes), lower is better"
    assert pareto.figure(read()) is None


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_figure_with_data_is_written(
    variant: str, contents: dict[str, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study(tmp_path / variant, contents[variant])
    assert page.main([str(study)]) == 0
    names = {"history.png", "recipe.png", "recipe.pdf"}
    names |= {"importance.png", "surfaces.png"} if variant != "single" else set()
    names |= {"pareto.png"} if variant == "two" else set()
    assert {path.name for path in (study / "figures").iterdir()} == names
    assert sorted(capsys.readouterr().out.split()) == sorted(str(study / "figures" / name) for name in names)
    assert (study / "figures" / "recipe.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"trials": []}, "no objective or no trial"),
        ({"best": {"trial": 2, "values": {}}}, "trials: no complete trial 2"),
        ({"budget": None}, "budget: "),
        ({"parameters": []}, "parameters: no association.presentation, which"),
        ({"surfaces": [{"objective": "m", "x": "a", "y": "b", "x_values": [1], "y_values": [1], "mean": [[1, 2]],
                        "sd": [[1]]}]}, "surfaces.0: the shape differs"),
        ({"trials": [{"number": 0, "state": "complete", "values": {}, "means": [None], "scores": [1.0]}]},
         "trials: 0 is complete and has not 1 means"),
    ],
)  # fmt: skip
def test_a_damaged_answer_is_one_line(
    damage: dict[str, Any],
    said: str,
    contents: dict[str, dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = write_study(tmp_path, contents["one"] | damage)
    assert page.main([str(study)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {study / 'answer.json'}: damaged answer: {said}")
    assert error.count("\n") == 1
    with pytest.raises(RuntimeError):
        page.draw(study)
    assert not (study / "figures").exists()


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("accuracy/validation", "accuracy on validation images"),
        ("validation/HPCA/1%", "accuracy on validation images, HPCA, 1%"),
        ("accuracy/HPCA/10%", "accuracy on test images, HPCA, 10%"),
        ("evoked/inverted_L/after", "evoked, inverted L, after"),
        ("culture.neurons.count", "neurons count"),
    ],
)
def test_metrics_are_words(metric: str, words: str) -> None:
    assert spoken(metric) == words


def test_what_is_no_answer_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert page.main([str(tmp_path)]) == 2
    assert "no finished search: answer.json is missing" in capsys.readouterr().err
    (tmp_path / "answer.json").write_text(json.dumps([1])[:-1])
    assert page.main([str(tmp_path)]) == 2
    (tmp_path / "answer.json").write_bytes(b"\xff\xfe")
    assert page.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 2
    assert page.main([]) == 2
    assert page.main(["--help"]) == 0
