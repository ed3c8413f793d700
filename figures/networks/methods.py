"""One look a method of pre-training, the same in all figures of a run."""

from dataclasses import dataclass

from figures.runs.run import NetworkRun
from figures.style import GREY, MARKERS, METHOD_COLORS
from protocols.spec.network import NoPretraining


@dataclass(frozen=True)
class Look:
    """How the curves of a method are drawn."""

    color: str
    marker: str


def looks(run: NetworkRun) -> dict[str, Look]:
    """Grey where there is no pre-training, else a colour each; a marker each, for readers who see no colours."""
    found, colors = {}, 0
    for index, (name, method) in enumerate(run.protocol.network.methods.items()):
        plain = isinstance(method, NoPretraining)
        color = GREY if plain else METHOD_COLORS[colors % len(METHOD_COLORS)]
        found[name] = Look(color, MARKERS[index % len(MARKERS)])
        colors += not plain
    return found
