"""Responses of the class regions to learned classes, to other digits and to random patterns."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from figures.runs.run import AssociationRun
from figures.style import BEFORE, CLASS_COLORS, canvas

HALO = [withStroke(linewidth=1.2, foreground="white")]  # keeps a digit legible on its error bar
RANDOM = -1  # the label of random patterns


def figure(run: AssociationRun) -> Figure | None:
    """Two panels, before and after training: response of each region, mean +- sd over cultures, by image shown.

    None if nothing was probed.
    """
    shown = groups(run)
    if not shown:
        return None
    fig, axes = canvas(2, 1, 4.8, sharex=True, sharey=True)
    for ax, when in zip(axes[:, 0], ("before", "after"), strict=True):
        _set_apart(ax, shown, run.classes)
        _draw(ax, responses(run, when, shown), shown, run.classes)
        ax.set_title(f"{when} training", loc="left", pad=14)
    axes[1, 0].set_xticks(range(len(shown)), ["random" if label == RANDOM else str(label) for label in shown])
    axes[1, 0].set_xlabel("image shown")
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.25), "ncols": 5}
    axes[1, 0].legend(**below, handletextpad=0.1, columnspacing=1.2)
    spread = f"mean +- sd of {len(run.seeds)} cultures" if len(run.seeds) > 1 else "one culture"
    fig.supylabel(f"response ({run.response_unit}), {spread}", fontsize=8)
    return fig


def groups(run: AssociationRun) -> list[int]:
    """Probed labels: learned classes, then other digits, then `RANDOM`."""
    probed = {int(label) for labels in run.per_seed("probe/labels") for label in np.unique(labels)}
    others = sorted(probed - {*run.classes, RANDOM})
    return [label for label in (*run.classes, *others, RANDOM) if label in probed]


def responses(run: AssociationRun, when: str, shown: list[int]) -> np.ndarray:
    """Mean response of every region to each group, shape (n_seeds, n_groups, n_classes)."""
    pairs = zip(run.per_seed(f"probe/{when}"), run.per_seed("probe/labels"), strict=True)
    return np.array([[score[labels == label].mean(axis=0) for label in shown] for score, labels in pairs])


def _draw(ax: Axes, response: np.ndarray, shown: list[int], classes: tuple[int, ...]) -> None:
    """Draw each region as its digit, side by side within a group, larger for images of its own class."""
    n = len(classes)
    sd = response.std(axis=0, ddof=1) if len(response) > 1 else None
    for index, label in enumerate(classes):
        x = np.arange(len(shown)) + (index - (n - 1) / 2) * min(0.3, 0.8 / n)
        y, color, marker = response[:, :, index].mean(axis=0), CLASS_COLORS[index], f"$\\mathbf{{{label}}}$"
        if sd is not None:
            ax.errorbar(x, y, sd[:, index], fmt="none", ecolor=color, elinewidth=0.8, capsize=1.5, alpha=0.6)
        sizes = [70 if label == group else 28 for group in shown]
        ax.scatter(x, y, sizes, color=color, marker=marker, lw=0, zorder=3, path_effects=HALO)
        ax.plot([], [], ls="", marker=marker, color=color, ms=5, label=f"region {label}")


def _set_apart(ax: Axes, shown: list[int], classes: tuple[int, ...]) -> None:
    """Shade the learned classes and write the kinds of image above."""
    kinds = {
        "learned": [label for label in shown if label in classes],
        "never learned": [label for label in shown if label not in {*classes, RANDOM}],
        "no structure": [label for label in shown if label == RANDOM],
    }
    first = 0.0
    for kind, labels in kinds.items():
        if not labels:
            continue
        last = first + len(labels)
        if kind == "learned":
            ax.axvspan(first - 0.5, last - 0.5, color=BEFORE, alpha=0.18, lw=0)
        if first:
            ax.axvline(first - 0.5, color=BEFORE, lw=0.6)
        middle = (first + last - 1) / 2
        ax.text(middle, 1.01, kind, transform=ax.get_xaxis_transform(), ha="center", fontsize=7, style="italic")
        first = last
    ax.set_xlim(-0.5, first - 0.5)
