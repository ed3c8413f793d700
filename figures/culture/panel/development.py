"""Development of cultures: measures over days in vitro, every recording a point, median and quartiles of each age."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from figures.culture.panel.recorded import Aged, age_groups, quartiles
from figures.style import AFTER, CLASS_COLORS, GREY, MARKERS, PUBLISHED, canvas

#: measures that are drawn, with the labels of their axes, and whether the axis is logarithmic
MEASURES = (
    ("rate", "rate (Hz)", True),
    ("network burst rate", "network bursts (1/min)", True),
    ("network burst duration", "network burst duration (s)", False),
    ("spikes in network bursts", "spikes in network bursts", False),
    ("IBI CV", "CV of network burst intervals", False),
    ("STTC near", "STTC of near pairs", False),
    ("ISI CV", "CV of spike intervals", False),
    ("active units", "active units", False),
)
COLORS = (AFTER, PUBLISHED, *CLASS_COLORS)
MANY_DECADES = 10**2.5  # from here on, only powers of ten are labelled
SHIFT = 0.018  # of the range of ages, between regions


def ages_of(cultures: Sequence[Aged]) -> list[float]:
    """Ages that occur, ascending."""
    return sorted({each.age for each in cultures})


def regions_of(cultures: Sequence[Aged]) -> list[str]:
    """Regions that occur, in order."""
    return sorted({each.region for each in cultures})


def figure(cultures: Sequence[Aged]) -> Figure | None:
    """A panel a measure, a colour a region; recordings of one culture are joined. None below two ages."""
    ages, regions = ages_of(cultures), regions_of(cultures)
    if len(ages) < 2:
        return None
    fig, axes = canvas(2, 4, 4.2, sharex=True)
    step = SHIFT * (ages[-1] - ages[0])
    for ax, (name, label, log) in zip(axes.flat, MEASURES, strict=True):
        for k, region in enumerate(regions):
            own = [each for each in cultures if each.region == region]
            _region(ax, own, name, (k - (len(regions) - 1) / 2) * step, k)
        _axis(ax, [each.values.get(name, np.nan) for each in cultures], log)
        ax.set_title(label, loc="left", fontsize=7.5)
        ax.set_xticks(_apart(ages))
    for ax in axes[1]:
        ax.set_xlabel("days in vitro")
    fig.legend(handles=_keys(cultures, regions), loc="outside lower center", ncols=min(len(regions) + 3, 5))
    return fig


def _region(ax: Axes, cultures: Sequence[Aged], name: str, shift: float, k: int) -> None:
    """Points, medians with quartiles, and lines from each recording of a culture to the next."""
    color, marker = COLORS[k % len(COLORS)], MARKERS[k % len(MARKERS)]
    for culture in sorted({each.culture for each in cultures if each.culture}):
        own = sorted((each for each in cultures if each.culture == culture), key=lambda each: each.age)
        ax.plot([o.age + shift for o in own], [o.values.get(name, np.nan) for o in own], color=color, lw=0.4, alpha=0.6)
    points = [(each.age + shift, each.values.get(name, np.nan)) for each in cultures]
    ax.plot(*zip(*points, strict=True), marker, ms=3.2, mew=0, color=color, alpha=0.5)
    counted = age_groups(cultures)
    at = sorted(set(counted.values()))
    found = [[each.values.get(name, np.nan) for each in cultures if counted[each.age] == age] for age in at]
    middle, low, high = np.array([quartiles(values) for values in found]).T
    x = np.array(at) + shift
    ax.errorbar(x, middle, [middle - low, high - middle], color=color, lw=1.4, elinewidth=1, capsize=0)
    ax.plot(x, middle, "_", ms=7, mew=1.6, color=color)


def _axis(ax: Axes, values: Sequence[float], log: bool) -> None:
    """A logarithmic axis where it is asked for and no value is zero; otherwise one from zero."""
    finite = np.array(values)[np.isfinite(values)]
    if log and len(finite) and finite.min() > 0:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if finite.max() / finite.min() < MANY_DECADES else (1,)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        ax.set_ylim(bottom=0)
        ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))


def _apart(ages: Sequence[float]) -> list[float]:
    """Of ages that crowd, those that are at least a tenth of their range apart."""
    kept = [ages[0]]
    for age in ages[1:]:
        if age - kept[-1] >= (ages[-1] - ages[0]) / 10:
            kept.append(age)
    return kept


def _keys(cultures: Sequence[Aged], regions: Sequence[str]) -> list[Line2D]:
    counts = {region: sum(each.region == region for each in cultures) for region in regions}
    keys = [
        Line2D([], [], color=COLORS[k % len(COLORS)], marker=MARKERS[k % len(MARKERS)], ms=3.2, lw=1.4)
        for k in range(len(regions))
    ]
    for key, region in zip(keys, regions, strict=True):
        key.set_label(f"{region or 'recordings'} (n={counts[region]})")
    joined = len({each.culture for each in cultures if each.culture}) < sum(bool(each.culture) for each in cultures)
    near = any(age != at for age, at in age_groups(cultures).items())
    points = Line2D([], [], ls="", marker="o", ms=3.2, mew=0, alpha=0.5, color=GREY, label="a recording")
    label = "median, quartiles" + (" (ages a day apart together)" if near else "")
    middle = Line2D([], [], color=GREY, marker="_", ms=7, mew=1.6, lw=1, label=label)
    line = Line2D([], [], color=GREY, lw=0.4, label="recordings of one culture")
    return [*keys, points, middle, *([line] if joined else [])]
