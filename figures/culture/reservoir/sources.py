"""Names, colours and values of what a readout reads: the culture's responses and the controls."""

from typing import Any

from figures.runs.run import ReservoirRun
from figures.style import AFTER, GREY, METHOD_COLORS

NAMES = {
    "culture": "culture",
    "pattern": "pattern itself",
    "stimulated": "stimulated electrodes",
    "before": "before the stimulus",
    "shuffled": "shuffled wiring",
    "unconnected": "no synapses",
    "without_plasticity": "no plasticity",
    "echo_state": "echo state network",
    "lif": "LIF neurons at random",
}


def sources(run: ReservoirRun) -> list[str]:
    """The culture, then the controls in the protocol's order."""
    return ["culture", *run.protocol.reservoir.controls]


#: the same in every figure: the culture is blue, the pattern itself grey
COLORS = {"culture": AFTER, "pattern": GREY} | dict(
    zip([name for name in NAMES if name not in ("culture", "pattern")], METHOD_COLORS[1:], strict=False)
)


def value(run: ReservoirRun, prefix: str, source: str) -> dict[str, Any]:
    """A metric of a source: ``accuracy/``, ``memory/1/`` ..."""
    found: dict[str, Any] = run.metrics[f"{prefix}{source}"]
    return found


def cultures(run: ReservoirRun) -> str:
    """Number of cultures, as text."""
    n = len(run.seeds)
    return f"{n} cultures" if n > 1 else "one culture"
