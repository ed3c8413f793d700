"""Metrics of an evoked-response experiment: means over seeds, growth, comparison with published values."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from culture_sim.analysis.evoked import grows
from protocols.loading.published import Target, compare
from protocols.results.statistics import moments
from protocols.spec.protocol import EvokedProtocol

LEAKY_UNIT = "leaky spikes per neuron"

#: Responses of one seed, by ``(stimulus, phase, window)``, one value per trial.
Leaky = Mapping[tuple[str, str, str], np.ndarray]


def summarise(protocol: EvokedProtocol, leaky: Sequence[Leaky], targets: list[Target]) -> dict[str, Any]:
    """All metrics of a run.

    Parameters
    ----------
    protocol
        The experiment.
    leaky
        One entry per seed, from `culture_sim.experiments.responses.measure`.
    targets
        Published values, possibly none.

    Returns
    -------
    dict
        ``leaky/...`` per heard neuron, ``evoked/<stimulus>/<phase>`` on the published scale, ``growth/...``,
        ``calibration`` and ``targets``.
    """
    own = {  # each phase in its own window, as the published mean, then in every window
        f"{stimulus}/{phase}": (stimulus, phase, phase) for stimulus, phase, window in leaky[0] if window == phase
    }
    every = {f"{s}/{p}/{_ms(protocol, w)}": (s, p, w) for s, p, w in leaky[0]}
    raw = {
        path: moments(
            np.array([seed[key].mean() for seed in leaky], float),
            LEAKY_UNIT,
            window_ms=[0, round(protocol.evoked.windows[key[2]] * 1e3, 6)],
        )
        for path, key in (own | every).items()
    }
    gain, unit = _gain(protocol, raw, targets)
    metrics: dict[str, Any] = {f"evoked/{path}": _scaled(value, gain, unit) for path, value in raw.items()}
    metrics |= {f"leaky/{path}": value for path, value in raw.items()}
    metrics |= _growth(protocol, leaky)
    if protocol.evoked.calibrate_on is not None:
        metrics["calibration"] = {"on": protocol.evoked.calibrate_on, "gain": gain, "from": LEAKY_UNIT, "to": unit}
    metrics["targets"] = compare(metrics, targets, protocol.evoked.calibrate_on)
    return metrics


def _scaled(value: dict[str, Any], gain: float, unit: str) -> dict[str, Any]:
    sd = None if value["sd"] is None else value["sd"] * gain
    per_seed = [x * gain for x in value["per_seed"]]
    return value | {"mean": value["mean"] * gain, "sd": sd, "per_seed": per_seed, "unit": unit}


def _gain(protocol: EvokedProtocol, raw: dict[str, Any], targets: list[Target]) -> tuple[float, str]:
    """Factor from leaky spikes to the published scale: from the protocol, or fixed by one published value."""
    path = protocol.evoked.calibrate_on
    if path is None:
        scale = protocol.evoked.scale
        return scale, LEAKY_UNIT if scale == 1 else f"{scale:g} x {LEAKY_UNIT}"
    target = next(t for t in targets if t.quantity == path and t.subject == "culture" and t.bin_ms is None)
    measured = raw[path.removeprefix("evoked/")]["mean"]
    if not measured > 0:
        raise RuntimeError(f"{path}: no response was measured that could set the scale")
    return target.value / measured, target.unit


def _growth(protocol: EvokedProtocol, leaky: Sequence[Leaky]) -> dict[str, Any]:
    """Change from the first to the last probing phase, in each window, seed by seed."""
    probing = [phase.name for phase in protocol.phases if phase.name in protocol.evoked.windows]
    if not probing:
        return {}
    first, last = probing[0], probing[-1]
    metrics = {}
    for stimulus in dict.fromkeys(stimulus for stimulus, _, _ in leaky[0]):
        for window in probing:
            if (stimulus, first, window) not in leaky[0] or (stimulus, last, window) not in leaky[0]:
                continue
            pairs = [_paired(seed[stimulus, first, window], seed[stimulus, last, window]) for seed in leaky]
            metrics[f"growth/{stimulus}/{_ms(protocol, window)}"] = {
                "ratio_per_seed": [float(a.mean() / b.mean()) if b.mean() > 0 else None for b, a in pairs],
                "grows_per_seed": [grows(b, a) for b, a in pairs],
                "from": first,
                "to": last,
            }
    return metrics


def _paired(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut both to the trials they share; trial k has the same pulses in every phase."""
    n = min(len(before), len(after))
    return before[:n], after[:n]


def _ms(protocol: EvokedProtocol, window: str) -> str:
    return f"{protocol.evoked.windows[window] * 1e3:g}ms"
