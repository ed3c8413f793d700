"""The living culture, written down literally: dense matrices, a trace for everything, one line an equation.

Slow, and independent of the package. Potentials in volts above rest, times in time steps. W[j, i], D[j, i] and C[j, i]
are weight, delay and existence of the synapse from cell j to cell i.
"""

from dataclasses import dataclass

import numpy as np


@dataclass
class Parameters:
    threshold: float = 20e-3
    reset: float = 10e-3
    refractory: int = 3
    membrane: float = 20.0
    noise: float = 0.0  # standard deviation of the membrane potential
    noise_seed: int = 0
    shared: float = 0.0
    shared_decay: float = 1000.0
    shared_seed: int = 0
    ampa: float = 5.0
    nmda: float = 80.0
    nmda_share: float = 0.0
    gaba: float = 10.0
    depressing: np.ndarray | None = None  # which cells' synapses depress; None: no cell's
    U: float = 0.3
    recovery: float = 900.0
    facilitation: float | None = None
    adaptation_step: float = 0.0
    adaptation: float = 4000.0
    A_plus: float = 0.0
    A_minus: float = 0.0
    heterosynaptic: float = 0.0
    trace: float = 20.0
    bound: float = 0.0  # volts
    target: float | None = None  # spikes per step
    homeostasis: float = 1e5
    most: float = 5.0


MASK = 2**64 - 1


def mix(z: int) -> int:
    """Finaliser of splitmix64, in Python's whole numbers."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def standard_noise(seed: int, step: int, index: int) -> float:
    """Sum of the four 16-bit pieces of a hash, centred and scaled."""
    golden = 0x9E3779B97F4A7C15
    key = mix((seed + golden * (step + 1)) & MASK)
    z = mix((key + golden * (index + 1)) & MASK)
    pieces = [(z >> shift) & 0xFFFF for shift in (0, 16, 32, 48)]
    return (sum(pieces) - 4 * (2**16 - 1) / 2) / np.sqrt(4 * (2.0**32 - 1) / 12)


def simulate(
    p: Parameters,
    excitatory: np.ndarray,
    drive: np.ndarray,
    W: np.ndarray,
    D: np.ndarray,
    C: np.ndarray,
    n_steps: int,
    hit: np.ndarray | None = None,
    learning: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Simulate from rest.

    Parameters
    ----------
    excitatory : bool, shape (n,)
    drive : shape (n,)
    W, D, C : shape (n, n)
    hit : bool, shape (n_steps, n)
        Cells that stimulation makes fire.
    learning : bool, shape (n_steps,)

    Returns
    -------
    fired, direct : bool, shape (n_steps, n)
    W : shape (n, n)
        At the end.
    potential : shape (n_steps, n)
        After each step.
    scale : shape (n,)
        Homeostatic factors at the end.
    """
    n = len(drive)
    W = np.where(C, W, 0.0)
    plastic = C & excitatory[:, None]
    hit = np.zeros((n_steps, n), bool) if hit is None else hit
    learning = np.zeros(n_steps, bool) if learning is None else learning
    fired, direct = np.zeros((n_steps, n), bool), np.zeros((n_steps, n), bool)
    potential, released = np.zeros((n_steps, n)), np.zeros((n_steps, n))
    E, z = np.exp(-1 / p.membrane), 0.0
    v, ampa, nmda, gaba, adaptation = (np.zeros(n) for _ in range(5))
    used, u, scale, refractory, y = np.zeros(n), np.zeros(n), np.ones(n), np.zeros(n, int), np.zeros(n)
    x = np.zeros((n, n))
    jump = p.noise * np.sqrt(1 - E**2)
    c = np.exp(-1 / p.shared_decay)
    shared_gain = p.shared / ((1 - E) * np.sqrt((1 + E * c) / ((1 - E**2) * (1 - E * c))))
    for t in range(n_steps):
        # 1. everything decays
        adaptation = adaptation * np.exp(-1 / p.adaptation)
        used = used * np.exp(-1 / p.recovery)
        u = u * (0 if p.facilitation is None else np.exp(-1 / p.facilitation))
        ampa, nmda, gaba = ampa * np.exp(-1 / p.ampa), nmda * np.exp(-1 / p.nmda), gaba * np.exp(-1 / p.gaba)
        x, y = x * np.exp(-1 / p.trace), y * np.exp(-1 / p.trace)
        if learning[t] and p.target is not None:
            scale = np.minimum(scale * np.exp(1 / p.homeostasis), p.most)

        # 2. spikes arrive: transmit, then depress the weight
        before = t - D
        arrives = C & (before >= 0) & fired[before, np.arange(n)[:, None]]
        charge = np.where(arrives, W * released[before, np.arange(n)[:, None]], 0)
        excitation, inhibition = scale * charge[excitatory].sum(axis=0), charge[~excitatory].sum(axis=0)
        ampa = ampa + (1 - p.nmda_share) * (1 - np.exp(-1 / p.ampa)) / (1 - E) * excitation
        nmda = nmda + p.nmda_share * (1 - np.exp(-1 / p.nmda)) / (1 - E) * excitation
        gaba = gaba + (1 - np.exp(-1 / p.gaba)) / (1 - E) * inhibition
        W = np.where(arrives & plastic & learning[t], W - p.A_minus * W * y, W)
        x = np.where(arrives, 1, x)

        # 3. the membrane
        z = c * z + np.sqrt(1 - c**2) * standard_noise(p.shared_seed, t, 0)
        xi = np.array([standard_noise(p.noise_seed, t, i) for i in range(n)]) if p.noise else np.zeros(n)
        current = drive + shared_gain * z + (ampa + nmda - gaba) - adaptation
        clamped = refractory > 0
        v = np.where(clamped, p.reset, E * v + (1 - E) * current + jump * xi)
        refractory = np.maximum(refractory - 1, 0)

        # 4. spikes
        direct[t] = hit[t] & ~clamped
        s = fired[t] = (v >= p.threshold) | direct[t]
        v = np.where(s, p.reset, v)
        refractory = np.where(s, p.refractory, refractory)
        adaptation = adaptation + p.adaptation_step * s
        y = np.where(s, 1, y)

        # 5. the release of the spikes, which acts when they arrive
        u = np.where(s, u + p.U * (1 - u), u)
        depressing = np.zeros(n, bool) if p.depressing is None else p.depressing
        released[t] = np.where(depressing, u * (1 - used), 1) * s
        used = used + np.where(depressing, released[t], 0)

        # 6. potentiation and homeostasis
        if learning[t]:
            W = np.where(plastic & s, W + p.A_plus * (p.bound - W) * x - p.heterosynaptic * W, W)
            if p.target is not None:
                scale = np.where(s, np.maximum(scale * np.exp(-1 / (p.target * p.homeostasis)), 1 / p.most), scale)
        potential[t] = v
    return fired, direct, W, potential, scale
