"""Published values, and the comparison of a run's metrics with them."""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocols.spec.faults import ProtocolFault

FIELDS = ("quantity", "bin_ms", "value", "sd", "n", "unit", "window_ms", "subject", "source", "figure")


@dataclass(frozen=True)
class Target:
    """One published value.

    Parameters
    ----------
    quantity
        Path of the corresponding metric.
    bin_ms
        Start of the time bin relative to stimulus onset, for a time course; None for a single value.
    value, sd
        Mean and standard deviation, in `unit`; `sd` is None if not published.
    n
        Number of cultures or simulations; None if not published.
    window_ms
        Averaging window from stimulus onset, for an evoked response.
    subject
        ``culture`` for a real culture, otherwise the name of the simulation.
    source, figure
        Publication, and figure or table in it.
    """

    quantity: str
    bin_ms: float | None
    value: float
    sd: float | None
    n: int | None
    unit: str
    window_ms: float | None
    subject: str
    source: str
    figure: str


def read_targets(path: Path) -> list[Target]:
    """Read a table of published values.

    Raises
    ------
    ProtocolFault
        If a column or a number is wrong; the message names the line.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = csv.DictReader(line for line in file if not line.startswith("#"))
            if tuple(rows.fieldnames or ()) != FIELDS:
                raise ProtocolFault([f"{path.name}: columns {rows.fieldnames}; allowed: {', '.join(FIELDS)}"])
            return [_target(row, path) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ProtocolFault([f"{path.name}: not a readable CSV table: {error}"]) from None


def _target(row: Mapping[str, str], path: Path) -> Target:
    try:
        return Target(
            quantity=row["quantity"],
            bin_ms=float(row["bin_ms"]) if row["bin_ms"] else None,
            value=_finite(row["value"]),
            sd=_finite(row["sd"]) if row["sd"] else None,
            n=int(row["n"]) if row["n"] else None,
            unit=row["unit"],
            window_ms=_finite(row["window_ms"]) if row["window_ms"] else None,
            subject=row["subject"],
            source=row["source"],
            figure=row["figure"],
        )
    except (TypeError, ValueError) as error:
        raise ProtocolFault([f"{path.name}: {row['quantity']}: {error}"]) from None


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value


def _comparable(target: Target, measured: Mapping[str, Any]) -> bool:
    """Whether the measured value has the window and the unit of the published one."""
    window = None if target.window_ms is None else [0, target.window_ms]
    same = measured.get("unit") == target.unit and measured.get("window_ms") == window
    return same and isinstance(measured.get("mean"), float)


def compare(metrics: Mapping[str, Any], targets: list[Target], calibrated_on: str | None) -> list[dict[str, Any]]:
    """Compare measured means with published ones of the same window and unit.

    Parameters
    ----------
    metrics
        Metrics of a run by path.
    targets
        Published values; time courses are skipped.
    calibrated_on
        Metric that fixed the scale; None if the scale was not calibrated.

    Returns
    -------
    list of dict
        ``quantity``, ``subject``, ``measured``, ``published`` (each mean, sd, n), ``unit``, ``verdict``. The verdict is
        ``agrees`` if the measured mean lies within one published sd of the published mean, else ``differs``;
        ``no sd published``; or ``calibrated`` for the metric in `calibrated_on`, which agrees by construction.
    """
    rows = []
    for target in targets:
        measured = metrics.get(target.quantity)
        if target.bin_ms is not None or not isinstance(measured, Mapping) or not _comparable(target, measured):
            continue
        within = target.sd is not None and abs(measured["mean"] - target.value) <= target.sd
        verdict = "no sd published" if target.sd is None else "agrees" if within else "differs"
        calibrated = target.quantity == calibrated_on and target.subject == "culture"
        rows.append(
            {
                "quantity": target.quantity,
                "subject": target.subject,
                "measured": {key: measured[key] for key in ("mean", "sd", "n")},
                "published": {"mean": target.value, "sd": target.sd, "n": target.n},
                "unit": measured["unit"],
                "verdict": "calibrated" if calibrated else verdict,
            }
        )
    return rows
