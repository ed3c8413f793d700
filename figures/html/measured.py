"""Page of a recording, real or simulated: its measures with their definitions, curves, raster and array."""

import shlex
from collections.abc import Mapping, Sequence

import numpy as np

from figures.culture.panel.recorded import Aged, Recorded, age_groups, by_distance, density, distance_edges, quartiles
from figures.html import common
from figures.html.blocks import Block, Plot, Section, Series, Subject, Table
from figures.html.recording import Recording
from figures.runs.study_parts import labelled

#: value, unit and definition of a measure
Measured = tuple[float, str, str]


def subject(
    name: str,
    metadata: Mapping[str, object],
    measures: Mapping[str, Measured],
    curves: Recorded,
    given: Recording,
    command: Sequence[str],
) -> Subject:
    """A recording with its sections.

    Parameters
    ----------
    name
        Of the recording.
    metadata
        What the file says of it.
    measures
        By name; NaN where a measure is not defined.
    curves
        Its distributions and curves.
    given
        Its spikes.
    command
        Words of the command that repeats the page.
    """
    rows = [(key, _spelled(value), unit, definition) for key, (value, unit, definition) in measures.items()]
    sections = [
        Section(
            "What was recorded", [Table(("", ""), [("recording", name), *((k, str(v)) for k, v in metadata.items())])]
        ),
        Section(common.RESULT, [Table(("measure", "value", "unit", "definition"), rows)]),
        *([Section("Synchrony, avalanches, network bursts", plots)] if (plots := _curves(curves)) else []),
        Section("Recording and array", [given]),
        Section(common.PROVENANCE, [Table(("", ""), [("repeat it", shlex.join(command))])]),
    ]
    headline = {labelled(key, unit): _spelled(value) for key, (value, unit, _) in measures.items()}
    return Subject(name, name, sections, headline)


def _spelled(value: float) -> str:
    return "not defined" if value != value else f"{value:.4g}"


def _curves(given: Recorded) -> list[Block]:
    """Synchrony by distance, sizes and durations of avalanches, profile of network bursts; those with data."""
    plots, edges = list[Block](), distance_edges([given])
    if len(edges):
        mean, low, high = by_distance(given, edges)
        series = [
            Series("mean, quartiles of the pairs", 5e2 * (edges[1:] + edges[:-1]), mean, "after", "line", low, high)
        ]
        y = f"STTC (dt {given.dt * 1e3:g} ms)"
        plots.append(Plot("Synchrony of pairs of units, mean and quartiles", "distance (mm)", y, series))
    laws = (("sizes", "spikes", given.size, 1.5), ("durations", "bins", given.duration, 2.0))
    for k, (kind, unit, values, exponent) in enumerate(laws):
        at, share = density(values)
        if len(at) > 1:
            law = Series(f"exponent {exponent:g}", at[[0, -1]], share[0] * at[[0, -1]] ** -exponent, "ink", "dashed")
            ours = Series(f"exponent {given.exponents[k]:.2f}, maximum likelihood", at, share)
            title = f"Avalanche {kind}, bins of {given.bin_s * 1e3:.3g} ms"
            label = f"{kind[:-1]} ({unit})"
            plots.append(Plot(title, label, "probability", [ours, law], log_x=True, log_y=True))
    if given.n_bursts:
        mean, low, high = given.profile
        series = [Series("mean, quartiles of the bursts", 1e3 * given.lag, mean, "after", "line", low, high)]
        title = f"Profile of {given.n_bursts:,} network bursts, mean and quartiles"
        plots.append(Plot(title, "time from the peak (ms)", "rate of the active units (Hz)", series))
    return plots


def development(cultures: Sequence[Aged], shown: Mapping[str, str]) -> list[Block]:
    """A plot a measure over days in vitro: every recording a point, median and quartiles; none below two ages.

    Parameters
    ----------
    cultures
        Recordings of known age.
    shown
        Measures by name, with their labels.
    """
    if len({each.age for each in cultures}) < 2:
        return []
    plots = list[Block]()
    for name, label in shown.items():
        series = []
        for k, region in enumerate(sorted({each.region for each in cultures})):
            own = [each for each in cultures if each.region == region]
            counted = age_groups(own)
            at = sorted(set(counted.values()))
            found = [[each.values.get(name, np.nan) for each in own if counted[each.age] == age] for age in at]
            middle, low, high = np.array([quartiles(values) for values in found]).T
            called = region or "recordings"
            series.append(Series(f"{called}, median and quartiles", at, middle, k, "line", low, high))
            values = [each.values.get(name, np.nan) for each in own]
            series.append(Series(f"{called} (n={len(own)})", [each.age for each in own], values, k, "points"))
        ticks = [(age, f"{age:g}") for age in sorted({each.age for each in cultures})]
        plots.append(Plot(label, "days in vitro", label, series, ticks=ticks))
    return plots
