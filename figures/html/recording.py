"""A recording in a page: its raster, the array, and what each electrode did."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from figures.html import spikes
from figures.html.blocks import numbers, packed, placeholder

MOST_SPIKES = 450_000  # of a page: four bytes each
RATE_BINS = 800  # of the overview


@dataclass(frozen=True)
class Span:
    """A part of a recording, up to the next one."""

    name: str
    start: float  # s


@dataclass(frozen=True, eq=False)
class Stimulus:
    """Pulses of one kind in one part of a recording.

    Parameters
    ----------
    name
    times : shape (n,)
        Onsets (s).
    electrodes : int, shape (m,)
        Those that were stimulated.
    edges : shape (n_bins + 1,), optional
        Of the response's bins, from the onset on (s); None: responses are not shown.
    response : shape (n_electrodes, n_bins), optional
    unit
        Of the response.
    """

    name: str
    times: np.ndarray
    electrodes: np.ndarray
    edges: np.ndarray | None = None
    response: np.ndarray | None = None
    unit: str = "Hz"


@dataclass(frozen=True, eq=False)
class Map:
    """A value of each electrode.

    Parameters
    ----------
    name, unit
    values : shape (n_electrodes,), or (n_electrodes, n_electrodes)
        A matrix has a row for each electrode that may be selected; its mean over rows is shown if none is. NaN: none.
    diverging
        Whether zero is the middle of the colours.
    outlined
        Electrodes to outline.
    """

    name: str
    unit: str
    values: np.ndarray
    diverging: bool = False
    outlined: Sequence[int] = ()

    def data(self) -> dict[str, Any]:
        """The map as JSON holds it."""
        return {
            "name": self.name,
            "unit": self.unit,
            "values": packed(self.values.astype(np.float32)),
            "matrix": self.values.ndim == 2,
            "diverging": self.diverging,
            "outlined": [int(k) for k in self.outlined],
        }


@dataclass(frozen=True, eq=False)
class Array:
    """The array by itself, without spikes: maps of its electrodes.

    Parameters
    ----------
    title
    positions : shape (n_electrodes, 2)
        In metres.
    maps
    """

    title: str
    positions: np.ndarray
    maps: Sequence[Map]

    def html(self, number: int) -> str:
        """The place of the array."""
        return placeholder("array", number, self.title)

    def data(self) -> dict[str, Any]:
        """Positions in micrometres, maps, marks."""
        return {
            "names": [f"electrode {k}" for k in range(len(self.positions))],
            "positions": [numbers(place * 1e6) for place in self.positions],
            "known": True,
            "maps": [each.data() for each in self.maps],
        }


@dataclass(frozen=True, eq=False)
class Recording:
    """Spikes of one culture.

    Parameters
    ----------
    title
    time, electrode : shape (n_spikes,)
        Seconds from the start, ascending; electrode (or unit) of each spike.
    names
        Of all electrodes.
    duration
        In seconds.
    positions : shape (n_electrodes, 2), optional
        In metres; None: electrodes are drawn in order.
    spans
        Parts of the recording, in order; the first starts at 0.
    stimuli
    maps
        Beside the mean rate.
    breaks
        Times at which the recording pauses.
    most
        Spikes to draw at most.
    """

    title: str
    time: np.ndarray
    electrode: np.ndarray
    names: Sequence[str]
    duration: float
    positions: np.ndarray | None = None
    spans: Sequence[Span] = ()
    stimuli: Sequence[Stimulus] = ()
    maps: Sequence[Map] = ()
    breaks: np.ndarray | None = None
    most: int = MOST_SPIKES

    def html(self, number: int) -> str:
        """The place of the recording."""
        return placeholder("recording", number, self.title)

    def data(self) -> dict[str, Any]:
        """Drawn spikes, and of all spikes: rates, intervals and responses."""
        n, spans = len(self.names), self.spans or (Span("whole recording", 0.0),)
        chosen, every = spikes.thinned(self.time, self.electrode, [span.start for span in spans], self.most)
        delta, of = spikes.steps(self.time[chosen], self.electrode[chosen], n)
        population, _ = np.histogram(self.time, RATE_BINS, (0, self.duration))
        counts = np.bincount(self.electrode, minlength=n)
        rate = Map("mean rate", "Hz", counts / self.duration)
        places = in_order(n) if self.positions is None else apart(self.positions)
        return {
            "names": list(self.names),
            "positions": [numbers(place * 1e6) for place in places],
            "known": self.positions is not None,
            "duration": self.duration,
            "tick": spikes.TICK,
            "delta": packed(delta),
            "electrode": packed(of),
            "counts": [int(count) for count in counts],
            "population": packed((population / (self.duration / RATE_BINS * n)).astype(np.float32)),
            "spans": [[span.name, span.start, k] for span, k in zip(spans, every, strict=True)],
            "drawn": [len(chosen), len(self.time)],
            "isiEdges": numbers(spikes.ISI_EDGES),
            "isi": packed(spikes.intervals(self.time, self.electrode, n, self.breaks).clip(0, 2**32 - 1).astype("u4")),
            "stimuli": [_stimulus(each) for each in self.stimuli],
            "maps": [each.data() for each in (rate, *self.maps)],
        }


def _stimulus(given: Stimulus) -> dict[str, Any]:
    response, edges = given.response, given.edges
    return {
        "name": given.name,
        "times": numbers(given.times),
        "electrodes": [int(k) for k in given.electrodes],
        "edges": None if edges is None else numbers(edges),
        "response": None if response is None else packed(response.astype(np.float32)),
        "unit": given.unit,
    }


def in_order(n: int) -> np.ndarray:
    """Places of `n` electrodes of which none is known: row by row, 200 um apart, shape (n, 2)."""
    columns = int(np.ceil(np.sqrt(n)))
    return np.stack([np.arange(n) % columns, np.arange(n) // columns], axis=1) * 200e-6


def apart(positions: np.ndarray) -> np.ndarray:
    """Positions with those that coincide, units of one electrode, moved apart on a small circle."""
    places, group, count = np.unique(positions.round(9), axis=0, return_inverse=True, return_counts=True)
    if len(places) == len(positions):
        return positions
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    pitch = float(distance[distance > 0].min()) if len(places) > 1 else 200e-6
    group = group.ravel()
    angle = 2 * np.pi * spikes.turns(group) / count[group]
    circle = 0.28 * pitch * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return positions + np.where((count[group] > 1)[:, None], circle, 0)
