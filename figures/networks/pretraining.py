"""Scores of the features over the epochs of Hebbian pre-training, without and with labels."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from figures.networks.methods import Look, looks
from figures.runs.run import NetworkRun
from figures.style import GREY, canvas
from protocols.spec.faults import ProtocolFault
from protocols.spec.nets.pretraining import HebbianPretraining

#: record -> title of the panel, axis label, factor to the unit shown
SCORES = {
    "effective_rank": ("score without labels", "effective rank of the features", 1),
    "class_mean_accuracy": ("score with labels", "validation accuracy of class means, %", 100),
}
KEPT = {"last": "the last", "labelled": "the best with labels", "label_free": "the best without labels"}


def figure(run: NetworkRun) -> Figure | None:
    """One panel per score, one colour per method: bold the mean over seeds, thin each seed; kept epochs are ringed."""
    methods = {name: spec for name, spec in run.hebbian.items() if _scored(run, name)}
    if not methods:
        return None
    fig, axes = canvas(1, len(SCORES), 3.0)
    look = looks(run)
    for ax, (record, (title, label, factor)) in zip(axes[0], SCORES.items(), strict=True):
        for name, spec in methods.items():
            _draw(ax, run, name, spec, factor * run.stack(f"{name}/pretraining/{record}"), look[name])
        ax.set_title(title, loc="left")
        ax.set_ylabel(label)
        ax.set_xlabel("epoch of pre-training")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    fig.legend(handles=_legend(run, methods, look), loc="outside lower center", ncols=5, columnspacing=1.4)
    return fig


def _scored(run: NetworkRun, method: str) -> bool:
    return all(f"seed_{run.seeds[0]}/{method}/pretraining/{record}" in run.arrays for record in SCORES)


def _draw(ax: Axes, run: NetworkRun, method: str, spec: HebbianPretraining, scores: np.ndarray, look: Look) -> None:
    """Draw the score of one method; `scores` has the shape (n_seeds, n_epochs)."""
    kept = np.array(run.metrics[f"pretraining/{method}"]["kept_epoch_per_seed"], int)
    n = scores.shape[1]
    if not all(0 <= k < n for k in kept):
        raise ProtocolFault([f"{run.path}: damaged run: pretraining/{method}: an epoch beyond the {n} of arrays.npz"])
    first = n - spec.epochs if spec.layers == "one_by_one" else 0  # there is no score before the last layer learns
    epochs = np.arange(1, n + 1)  # counted from 1
    if len(scores) > 1:
        ax.plot(epochs[first:], scores[:, first:].T, color=look.color, lw=0.6, alpha=0.55, label="_seed")
    mean = scores.mean(axis=0)[first:]
    ax.plot(epochs[first:], mean, color=look.color, lw=1.8, marker=look.marker, ms=3.5, label=method)
    ax.plot(
        epochs[kept], scores[np.arange(len(kept)), kept], ls="", marker="o", ms=8, mfc="none", mec=look.color, mew=1.0,
        label=f"{method}, kept",
    )  # fmt: skip


def _legend(run: NetworkRun, methods: dict[str, HebbianPretraining], look: dict[str, Look]) -> list[Line2D]:
    handles = [
        Line2D(
            [], [], color=look[name].color, marker=look[name].marker, lw=1.8, ms=3.5,
            label=f"{name} (kept: {KEPT[spec.selection]})",
        )
        for name, spec in methods.items()
    ]  # fmt: skip
    if (n := len(run.seeds)) > 1:
        handles.append(Line2D([], [], color=GREY, lw=1.8, label=f"mean of {n} seeds"))
        handles.append(Line2D([], [], color=GREY, lw=0.6, label="one seed"))
    else:
        handles.append(Line2D([], [], color=GREY, lw=1.8, label="one seed"))
    handles.append(Line2D([], [], color=GREY, ls="", marker="o", ms=8, mfc="none", label="epoch kept"))
    return handles
