"""Neuronal avalanches on logarithmic axes: sizes and durations, beside the power laws of Beggs and Plenz (2003)."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.culture.panel import groups as shared
from figures.culture.panel.recorded import Grouped, density, everyone, mean_density, quartiles
from figures.style import GREY

#: what is drawn: field of a recording, its label, exponent of a critical branching process and how it is written
KINDS = (("size", "size (spikes)", 1.5, "3/2"), ("duration", "duration (bins)", 2.0, "2"))
MEDIANS = ", medians of the recordings"


def figure(groups: Grouped) -> Figure | None:
    """Probability of each size and of each duration, in bins that widen with it; None without avalanches."""
    if not any(len(each.size) for each in everyone(groups)):
        return None
    fig, axes = shared.columns(groups, 2, 2.2)
    for row, (field, label, exponent, spelled) in enumerate(KINDS):
        for ax, panel in zip(axes[row], groups.values(), strict=True):
            ax.set_xscale("log")
            ax.set_yscale("log")
            for name, color, recordings in shared.drawn(panel):
                values = [getattr(each, field) for each in recordings]
                for one in values if len(values) > 1 else ():
                    ax.plot(*density(one), color=color, lw=0.5, alpha=0.5)
                found = quartiles([each.exponents[row] for each in recordings])[0]
                fitted = "none" if np.isnan(found) else f"{found:.2f}"
                shown = f"{name}: {fitted}" if name else f"exponent {fitted}"
                ax.plot(*mean_density(values), "o-", ms=2.5, color=color, lw=1.4, label=shown)
            ax.set_xlabel(f"avalanche {label}")
        for ax, title in zip(axes[row], groups, strict=True):
            _law(ax, exponent, f"exponent {spelled}")
            shared.legend(ax, title if row == 0 else "")
        axes[row, 0].set_ylabel("probability")
    bins = [each.bin_s * 1e3 for each in everyone(groups) if np.isfinite(each.bin_s)]
    widths = " to ".join(dict.fromkeys([f"{min(bins):.3g}", f"{max(bins):.3g}"]))
    shared.explain(
        fig, groups, f"bins of {widths} ms; exponents by maximum likelihood{MEDIANS if len(bins) > 1 else ''}"
    )
    return fig


def _law(ax: Axes, exponent: float, name: str) -> None:
    """A power law through the probability of 1 that is drawn, as far as the axes reach."""
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    start = max((float(line.get_ydata()[0]) for line in ax.lines if len(line.get_ydata())), default=high)  # type: ignore[index,arg-type]
    x = np.array([1.0, right])
    ax.plot(x, start * x**-exponent, color=GREY, lw=0.9, ls="--", label=name, zorder=0)
    ax.set_xlim(left, right)
    ax.set_ylim(low, high)
