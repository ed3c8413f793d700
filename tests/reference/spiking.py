"""The network of Diehl and Cook, written down literally: every trace, conductance and threshold from the spikes before.

Slow, and independent of the package: no variable decays from step to step; each is a sum of exponentials of the times
of spikes. Times in time steps of `dt` (ms), potentials in mV, conductances in leak conductances.
"""

import math
from dataclasses import dataclass, field

from tests.reference.living import MASK, mix

GOLDEN = 0x9E3779B97F4A7C15


@dataclass
class Reference:
    """One network: `w[k][j]` from input k to neuron j, `theta` at the start, and what it learns by."""

    w: list[list[float]]
    theta: list[float]
    gain: float
    weight_sum: float
    A_plus: float = 0.01
    A_minus: float = 0.0001
    theta_increase: float = 0.05
    theta_decay: float = 1e7
    excitation: float = 10.4
    inhibition: float = 17.0
    dt: float = 0.5
    spikes: list[tuple[int, int]] = field(default_factory=list)  # step since the start, neuron
    now: int = 0

    def present(
        self, image: list[float], rate_hz: float, key: int, learning: float, shown: int, rest: int
    ) -> list[int]:
        """Show an image, then rest; the spikes of each neuron while it was shown."""
        n, n_inputs = len(self.theta), len(self.w)
        if learning:
            for j in range(n):
                total = sum(self.w[k][j] for k in range(n_inputs))
                for k in range(n_inputs):
                    self.w[k][j] *= self.weight_sum / total
        inputs: list[list[int]] = [[] for _ in range(n_inputs)]  # times of their spikes
        excitatory: list[list[int]] = [[] for _ in range(n)]
        inhibitory: list[list[int]] = [[] for _ in range(n)]
        charges: list[list[tuple[int, float]]] = [[] for _ in range(n)]  # arrivals of input spikes: time, conductance
        v, u = [-65.0] * n, [-60.0] * n
        start = list(self.theta)
        for t in range(shown + rest):
            for k in range(n_inputs):
                if t - 1 in inputs[k][-1:]:
                    for j in range(n):
                        charges[j].append((t, self.gain * self.w[k][j]))
                        loss = learning * self.A_minus * self._trace(excitatory[j], t, 20)
                        self.w[k][j] = max(0.0, self.w[k][j] - loss)
            for j in range(n):
                ge = sum(g * self._decayed(t - at, 1) for at, g in charges[j])
                arrived = [at + 1 for other in range(n) if other != j for at in inhibitory[other]]
                gi = sum(self.inhibition * self._decayed(t - at, 2) for at in arrived if at <= t)
                v[j] = self._moved(v[j], -65, -65, 100, 10, ge, gi, -100, excitatory[j], t)
                drive = sum(self.excitation * self._decayed(t - at - 1, 1) for at in excitatory[j] if at < t)
                u[j] = self._moved(u[j], -60, -45, 10, 4, drive, 0, -85, inhibitory[j], t)
            for j in range(n):
                theta = start[j]
                if learning:
                    theta *= self._decayed(t + 1, self.theta_decay)
                    theta += sum(self.theta_increase * self._decayed(t - at, self.theta_decay) for at in excitatory[j])
                self.theta[j] = theta
                if v[j] > -72 + theta:
                    for k in range(n_inputs):
                        gained = self._trace(inputs[k], t, 20) * self._trace(excitatory[j], t, 40)
                        if learning:
                            self.w[k][j] = min(1.0, self.w[k][j] + learning * self.A_plus * gained)
                    excitatory[j].append(t)
                    self.spikes.append((self.now, j))
                    self.theta[j] += self.theta_increase if learning else 0
                    v[j] = -65
                if u[j] > -40:
                    inhibitory[j].append(t)
                    u[j] = -45
            for k in range(n_inputs):
                drawn = mix((mix((key + GOLDEN * (t + 1)) & MASK) + GOLDEN * (k + 1)) & MASK) / 2**64
                if t < shown and drawn < image[k] * rate_hz * self.dt / 1000:
                    inputs[k].append(t)
            self.now += 1
        return [sum(at < shown for at in times) for times in excitatory]

    def _decayed(self, steps: int, tau_ms: float) -> float:
        return math.exp(-steps * self.dt / tau_ms)

    def _trace(self, spikes: list[int], t: int, tau_ms: float) -> float:
        """Of the last spike before step t."""
        return self._decayed(t - spikes[-1], tau_ms) if spikes else 0.0

    def _moved(
        self,
        v: float,
        rest: float,
        reset: float,
        tau_ms: float,
        refractory: int,
        ge: float,
        gi: float,
        reversal: float,
        spikes: list[int],
        t: int,
    ) -> float:
        """The potential at the end of a step: v' = v + dt / tau ((rest - v') + ge (0 - v') + gi (reversal - v'))."""
        if spikes and t - spikes[-1] <= refractory:
            return reset
        h = self.dt / tau_ms
        return (v + h * (rest + gi * reversal)) / (1 + h * (1 + ge + gi))


def key_of_attempt(key: int, attempt: int) -> int:
    """Seed of the spike trains of an attempt, which count from 0."""
    return mix((key + GOLDEN * (attempt + 1)) & MASK)
