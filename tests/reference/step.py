"""The published time step, written down literally: dense matrices, both pathways, a trace for everything.

Slow, and independent of the package: it shares neither code nor formulation (the package defers potentiation and has
no postsynaptic pathway). Voltages in volts, times in steps.
"""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Parameters:
    rest: float = -70e-3
    threshold: float = -50e-3
    reset: float = -70e-3
    lower_bound: float = -90e-3
    refractory: int = 5
    membrane: float = 50.0
    trace: float = 20.0
    a_plus: float = 0.4e-3
    a_minus: float = 0.004e-3
    strength: dict[str, float] = field(default_factory=dict)


def simulate(
    p: Parameters,
    weights: dict[str, np.ndarray],
    connected: dict[str, np.ndarray],
    n_steps: list[int],
    learning: list[float],
    pulses: np.ndarray,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Simulate consecutive presentations.

    Parameters
    ----------
    weights, connected
        Magnitudes and existing synapses of electrode, excitatory and inhibitory, shape (n_sources, n_neurons).
    n_steps, learning
        Of every presentation; `learning` is a factor on both learning rates.
    pulses : bool, shape (sum(n_steps), n_electrodes)

    Returns
    -------
    spikes : bool, shape (sum(n_steps), n_neurons)
    weights
        At the end.
    """
    w = {name: value.copy() for name, value in weights.items()}
    n_electrodes, n = w["electrode"].shape
    spikes = np.zeros((len(pulses), n), bool)
    now = 0
    for length, factor in zip(n_steps, learning, strict=True):
        v = np.full(n, p.rest)
        ref = np.zeros(n)
        s_in, s, s_relay = np.zeros(n_electrodes), np.zeros(n), np.zeros(n)
        x_in, x, x_relay = np.zeros(n_electrodes), np.zeros(n), np.zeros(n)
        for _ in range(length):
            current = s_in @ w["electrode"] + s @ w["excitatory"] - s_relay @ w["inhibitory"]
            s_relay = s.copy()
            s_in = pulses[now].astype(float)

            v = np.exp(-1 / p.membrane) * (v - p.rest) + p.rest
            v += np.where(ref == 0, current, 0)
            ref = np.maximum(ref - 1, 0)
            s = (v >= p.threshold).astype(float)
            v = np.where(s == 1, p.reset, v)
            ref = np.where(s == 1, p.refractory, ref)
            v = np.maximum(v, p.lower_bound)

            x_in = np.where(s_in == 1, 1, np.exp(-1 / p.trace) * x_in)
            x = np.where(s == 1, 1, np.exp(-1 / p.trace) * x)
            x_relay = np.where(s_relay == 1, 1, np.exp(-1 / p.trace) * x_relay)
            if factor > 0:
                for name, s_pre, x_pre in (
                    ("electrode", s_in, x_in),
                    ("excitatory", s, x),
                    ("inhibitory", s_relay, x_relay),
                ):
                    w[name] -= factor * p.a_minus * np.outer(s_pre, x)
                    w[name] += factor * p.a_plus * np.outer(x_pre, s)
                    w[name] = np.where(connected[name], np.maximum(w[name], 0), 0)
            spikes[now] = s == 1
            now += 1
        for name in w:
            total = w[name].sum(axis=0)
            w[name] *= p.strength[name] / np.where(total == 0, 1, total)
    return spikes, w
