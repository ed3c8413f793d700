"""Several reservoirs in one table and one figure: accuracy of the cultures beside their controls, task by task."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from figures.culture.reservoir.sources import COLORS, NAMES, sources, value
from figures.runs.run import ReservoirRun
from figures.style import GREY, MARKERS, PUBLISHED, canvas
from figures.tables.association import origin
from figures.tables.text import as_csv, as_markdown

FIELDS = (
    "protocol", "run", "commit", "uncommitted_changes", "builtin_protocol", "source", "seeds",
    "accuracy", "accuracy_ci95_low", "accuracy_ci95_high", "accuracy_sd", "validation", "gain", "gain_ci95_low",
    "gain_ci95_high", "chance", "published",
)  # fmt: skip
NOTES = """\
Test accuracy in per cent, mean over cultures [95 % bootstrap interval of that mean]. Controls are read out as the
culture's response is.
"""
ROW = 0.42  # inches


def markdown(runs: Sequence[ReservoirRun]) -> str:
    """One row a run, one column a source."""
    names = _all_sources(runs)
    rows = [
        (
            run.protocol.name,
            str(len(run.seeds)),
            f"{100 * run.metrics['chance']['mean']:.1f}",
            *(_spelled(value(run, "accuracy/", name)) if name in sources(run) else "" for name in names),
            f"{100 * published:.0f}" if (published := _published(run)) is not None else "",
        )
        for run in runs
    ]
    header = ("task", "cultures", "chance", *(NAMES[name] for name in names), "published")
    return f"{as_markdown(rows, header)}\n{NOTES}"


def long_form(runs: Sequence[ReservoirRun]) -> str:
    """CSV with one line per run and source."""
    return as_csv([row for run in runs for row in _rows(run)], FIELDS)


def figure(runs: Sequence[ReservoirRun]) -> Figure:
    """One row a task, one mark a source with its interval; chance is dotted, the published value dashed."""
    names = _all_sources(runs)
    fig, axes = canvas(1, 1, 1.3 + ROW * len(runs))
    ax = axes[0, 0]
    for row, run in enumerate(runs):
        for k, name in enumerate(names):
            if name not in sources(run):
                continue
            found = value(run, "accuracy/", name)
            height = row + 0.32 * (k - (len(names) - 1) / 2) / max(len(names) - 1, 1)
            if found["ci95"]:
                ax.plot(100 * np.array(found["ci95"]), [height] * 2, color=COLORS[name], lw=1.2)
            label = NAMES[name] if row == next(i for i, r in enumerate(runs) if name in sources(r)) else None
            size = 6 if name == "culture" else 4
            ax.plot(100 * found["mean"], height, MARKERS[k % len(MARKERS)], color=COLORS[name], ms=size, label=label)
        chance, published = 100 * run.metrics["chance"]["mean"], _published(run)
        ax.plot([chance] * 2, [row - 0.3, row + 0.3], color=GREY, lw=0.9, ls=(0, (1, 2)))
        if published is not None:
            ax.plot([100 * published] * 2, [row - 0.3, row + 0.3], color=PUBLISHED, lw=1.2, ls="--")
            ax.text(100 * published, row - 0.33, "published", color=PUBLISHED, fontsize=6, ha="center", va="bottom")
    ax.set_yticks(range(len(runs)), [run.protocol.name.removeprefix("reservoir_").replace("_", " ") for run in runs])
    ax.set_ylim(len(runs) - 0.5, -0.6)
    ax.set_xlim(0, 102)
    ax.set_xlabel("test accuracy, %   (mean over cultures, 95 % interval; dotted: chance)")
    ax.grid(axis="y", visible=False)
    fig.legend(ncols=4, loc="outside lower left")
    return fig


def _all_sources(runs: Sequence[ReservoirRun]) -> list[str]:
    """Sources of any run, in the order of their names."""
    found = {name for run in runs for name in sources(run)}
    return [name for name in NAMES if name in found]


def _published(run: ReservoirRun) -> float | None:
    return next((target.value for target in run.targets if target.quantity == "accuracy/culture"), None)


def _spelled(found: dict[str, Any]) -> str:
    interval = " [{:.1f}, {:.1f}]".format(*(100 * v for v in found["ci95"])) if found["ci95"] else ""
    return f"{100 * found['mean']:.1f}{interval}"


def _rows(run: ReservoirRun) -> list[dict[str, Any]]:
    rows = []
    for name in sources(run):
        found, gain = value(run, "accuracy/", name), run.metrics.get(f"gain/{name}")
        low, high = found["ci95"] or (None, None)
        row = origin(run) | {
            "source": name,
            "seeds": found["n"],
            "accuracy": found["mean"],
            "accuracy_ci95_low": low,
            "accuracy_ci95_high": high,
            "accuracy_sd": found["sd"],
            "validation": value(run, "validation/", name)["mean"],
            "chance": run.metrics["chance"]["mean"],
            "published": _published(run) if name == "culture" else None,
        }
        if gain:
            low, high = gain["ci95"] or (None, None)
            row |= {"gain": gain["mean"], "gain_ci95_low": low, "gain_ci95_high": high}
        rows.append(row)
    return rows
