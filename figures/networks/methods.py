"""Colour and marker of each method of pre-training, the same in all figures of a run."""

from collections.abc import Mapping
from dataclasses import dataclass

from figures.runs.run import NetworkRun
from figures.style import GREY, MARKERS, METHOD_COLORS
from protocols.spec.nets.pretraining import NoPretraining


@dataclass(frozen=True)
class Look:
    """Colour and marker of a method's curves."""

    color: str
    marker: str


def looks(run: NetworkRun) -> dict[str, Look]:
    """Grey without pre-training, else a colour per method; a marker per method, for colour-blind readers."""
    return looks_of(run.protocol.network.methods)


def looks_of(methods: Mapping[str, object]) -> dict[str, Look]:
    """The same for methods by their names."""
    found, colors = {}, 0
    for index, (name, method) in enumerate(methods.items()):
        plain = isinstance(method, NoPretraining)
        color = GREY if plain else METHOD_COLORS[colors % len(METHOD_COLORS)]
        found[name] = Look(color, MARKERS[index % len(MARKERS)])
        colors += not plain
    return found
