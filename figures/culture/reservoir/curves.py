"""Accuracy against training trials, and against electrodes that are read."""

from matplotlib.figure import Figure

from figures.culture.reservoir.sources import cultures
from figures.runs.run import ReservoirRun
from figures.style import AFTER, GREY, canvas

KINDS = (("trials", "training trials of each class"), ("electrodes", "electrodes that are read, drawn at random"))


def figure(run: ReservoirRun) -> Figure:
    """Left: trials; right: electrodes. Thin lines: cultures; bold: their mean."""
    fig, axes = canvas(1, 2, 2.5, sharey=True)
    for ax, (kind, label) in zip(axes[0], KINDS, strict=True):
        every = run.stack(f"curve/{kind}")
        for curve in every:
            ax.plot(curve[:, 0], 100 * curve[:, 1], color=AFTER, lw=0.6, alpha=0.35)
        ax.plot(every[0, :, 0], 100 * every[..., 1].mean(axis=0), "o-", color=AFTER, ms=3.5, lw=1.6)
        ax.axhline(100 * run.metrics["chance"]["mean"], color=GREY, lw=0.9, ls=(0, (1, 2)))
        ax.set_xscale("log", base=2)
        numbers = every[0, :, 0]
        ax.set_xticks(numbers, [f"{n:g}" for n in numbers])
        ax.minorticks_off()
        ax.set_xlabel(label)
    axes[0, 0].set_ylim(0, 102)
    axes[0, 0].set_ylabel("test accuracy, %")
    axes[0, 0].set_title(f"{run.protocol.name}: {cultures(run)}; dotted: chance", loc="left")
    return fig
