"""Published curves: accuracy of a method over labelled fractions, by source."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from figures.runs.run import NetworkRun
from protocols.loading.published import Target

REGIME = re.compile(r"(\d+(?:\.\d+)?)%")
DASHES = ((0, (4, 2)), (0, (6, 2, 1, 2)), (0, (2, 1)))  # one per source


@dataclass
class Curve:
    """Curve that one source published of one method."""

    method: str
    subject: str
    source: str  # citation
    points: list[tuple[float, float]] = field(default_factory=list)  # labelled fraction, accuracy


def published(run: NetworkRun, method: str, regime: str, measure: str | None = None) -> list[Target]:
    """Published values of a method on a labelled fraction; `measure` defaults to the run's."""
    quantity = f"{measure or run.measure}/{method}/{regime}"
    return [target for target in run.targets if target.quantity == quantity and target.bin_ms is None]


def curves(run: NetworkRun, measure: str | None = None, end: str = "") -> list[Curve]:
    """Published curves of the run's methods, one per method and source, by ascending fraction.

    They are of the quantities ``<measure>/<method>/<fraction><end>``; `measure` defaults to the run's.
    """
    found: dict[tuple[str, str], Curve] = {}
    for target in run.targets:
        if not target.quantity.endswith(end):
            continue
        kind, _, rest = target.quantity.removesuffix(end).partition("/")
        method, _, regime = rest.rpartition("/")
        fraction = REGIME.fullmatch(regime)
        if kind == (measure or run.measure) and method in run.methods and fraction and target.bin_ms is None:
            curve = found.setdefault((method, target.subject), Curve(method, target.subject, _spelled(target)))
            curve.points.append((float(fraction[1]) / 100, target.value))
    for curve in found.values():
        curve.points.sort()
    return list(found.values())


def sources(run: NetworkRun, shown: Sequence[Curve] | None = None) -> dict[str, str]:
    """Citations by subject of the given curves, else of the curves of the run's own measure."""
    return {curve.subject: curve.source for curve in (curves(run) if shown is None else shown)}


def _spelled(target: Target) -> str:
    n = "" if target.n is None else f" (n={target.n})"
    return f"{target.subject}{n}: {', '.join(part for part in (target.source, target.figure) if part)}"
