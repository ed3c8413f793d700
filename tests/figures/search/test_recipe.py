"""The page of a recipe against the answer that it shows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from figures.runs.study import Answer
from figures.search import recipe, recipe_prediction
from figures.style import AFTER

pytestmark = pytest.mark.whole


def texts(fig: Figure) -> str:
    return "\n".join(text.get_text() for holder in (fig, *fig.axes) for text in holder.texts)


def test_the_recipe_is_a_page_with_every_row_of_the_answer(
    read: Callable[..., Answer], contents: dict[str, dict[str, Any]]
) -> None:
    content = contents["one"]
    fig = recipe.figure(read())
    np.testing.assert_allclose(fig.get_size_inches(), (8.27, 11.69))
    written = texts(fig)
    flat = written.replace("\n", " ")
    for line in content["recipe"]:
        for key in ("what", "start", "best", "range"):
            assert (line[key] or "").replace("cm2", "cm²") in flat
    assert "mnist01_search: 80 trials (47 complete, 30 given up early, 3 failed) in 25 minutes" in flat
    assert "not yet a measurement" in flat
    assert "on data and seeds that the search never saw" in flat
    bold = {t.get_text() for t in fig.axes[0].texts if t.get_color() == AFTER}
    changed = {line["best"].replace("cm2", "cm²") for line in content["recipe"] if line["best"] != line["start"]}
    assert bold == changed


def test_the_prediction_is_drawn_in_per_cent_with_its_interval(
    read: Callable[..., Answer], contents: dict[str, dict[str, Any]]
) -> None:
    ax = recipe.figure(read()).axes[1]
    assert ax.get_ylabel() == "accuracy on test images (%)"
    prediction = contents["one"]["prediction"]
    points = [line.get_ydata() for line in ax.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(points, [100 * np.array(prediction[k]["per_seed"]) for k in ("start", "best")])
    for bars, key in zip(ax.containers, ("start", "best"), strict=True):
        (segment,) = bars[2][0].get_segments()
        np.testing.assert_allclose(segment[:, 1], 100 * np.array(prediction[key]["ci95"]))


def test_the_sentence_says_what_is_predicted_and_what_is_not_known(
    read: Callable[..., Answer], contents: dict[str, dict[str, Any]]
) -> None:
    def value(mean: float, ci95: Any, unit: str = "fraction correct") -> dict[str, Any]:
        return {"mean": mean, "sd": 0.1, "ci95": ci95, "n": 2, "unit": unit, "per_seed": [mean, mean]}

    def sentence(one: Any, other: Any, **changes: Any) -> str:
        prediction = {"metric": "accuracy/test", "start": one, "best": other}
        return recipe_prediction.sentence(read(prediction=prediction, **changes))

    start, best = value(0.9, [0.88, 0.921]), value(0.95, [0.93, 0.97])
    said = "Predicted accuracy on test images: 95.0 % (95 % interval 93.0 to 97.0 %) with this recipe, "
    said += "90.0 % (95 % interval 88.0 to 92.1 %) with the starting culture"
    assert sentence(start, best) == said + "."
    assert sentence(start, value(0.95, [0.92, 0.97])).endswith("; the intervals overlap.")
    assert sentence(value(0.9, None), value(0.95, None)).endswith("; from one seed each, the difference may be chance.")
    no_better = sentence(start, start, best=contents["single"]["best"])
    said = "No trial did better than the starting culture. Predicted accuracy on test images: 90.0 % (95 % interval"
    assert no_better == f"{said} 88.0 to 92.1 %)."
    assert "12,300 spikes (95 % interval 12,000 to 12,600 spikes)" in sentence(
        start, value(12345.6, [12000, 12600], "spikes")
    )
    assert recipe_prediction.sentence(read(prediction=None)).startswith("Nothing was predicted")
    rows = [{"what": "Layers", "start": "9 dense", "best": "8 dense", "range": None, "searched": True}]
    assert "with the starting network" in sentence(start, best, recipe=rows)


def test_long_recipes_and_titles_stay_on_the_page(read: Callable[..., Answer]) -> None:
    row = {"what": "a.path." * 12, "start": "one", "best": "two " * 12, "range": None, "searched": True}
    fig = recipe.figure(read(recipe=[row] * 30, title="A very long title of a search " * 4))
    fig.canvas.draw()
    page = fig.bbox
    boxes = [t.get_window_extent() for holder in (fig, *fig.axes[:1]) for t in holder.texts if t.get_text()]
    assert all(page.x0 < b.x0 and b.x1 < page.x1 and page.y0 < b.y0 and b.y1 < page.y1 for b in boxes)
    heading, table = fig.texts[:3], fig.axes[0].get_window_extent()
    tops = [text.get_window_extent() for text in heading]
    assert all(below.y1 <= above.y0 for above, below in zip(tops, [*tops[1:], table], strict=True))
