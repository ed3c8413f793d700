"""Small cultures with chosen ingredients, and the literal reference run on them."""

from typing import Any

import numpy as np

from culture_sim.living import LivingCulture, LivingRecording, LivingSession
from culture_sim.living.pulses import Pulses
from protocols.spec.dish.living import LivingCulture as LivingSpec
from tests.reference import living as reference

#: Nothing but integrate-and-fire neurons with a drive.
BARE: dict[str, Any] = {
    "synapses": None,
    "depression": None,
    "adaptation": None,
    "plasticity": None,
    "stimulation": None,
    "neurons": {"noise": None},
}
REACH = {"reach": "0.21 mm", "inhibitory_reach": "0.21 mm"}
PLAIN_SYNAPSES = {"fan_in": 15, "nmda": None, "excitatory": "6 mV", "inhibitory": "6 mV", **REACH}
STDP = {"A_plus": 0.05, "A_minus": 0.05}
STIMULATION = {"rheobase": "4 uA", "axons": {"share": 0.5}}
#: One ingredient each, all alone or on the plainest synapses.
INGREDIENTS: dict[str, dict[str, Any]] = {
    "drive": {},
    "noise": {"neurons": {"noise": {"private": "3 mV", "shared": "0 mV"}}},
    "shared noise": {"neurons": {"noise": {"private": "0 mV", "shared": "3 mV", "shared_decay": "50 ms"}}},
    "adaptation": {"adaptation": {"step": "2 mV", "decay": "200 ms"}},
    "stimulation": {"stimulation": STIMULATION},
    "synapses": {"synapses": PLAIN_SYNAPSES},
    "delays": {"synapses": {**PLAIN_SYNAPSES, "delay": {"speed": "0.2 m/s", "most": "6 ms"}}},
    "nmda": {"synapses": {**PLAIN_SYNAPSES, "nmda": {}}},
    "depression": {"synapses": PLAIN_SYNAPSES, "depression": {"U": 0.5, "recovery": "300 ms"}},
    "depression of excitation alone": {"synapses": PLAIN_SYNAPSES, "depression": {"inhibitory": False}},
    "facilitation": {"synapses": PLAIN_SYNAPSES, "depression": {"U": 0.1, "facilitation": "400 ms"}},
    "stdp": {"synapses": {**PLAIN_SYNAPSES, "delay": {}}, "plasticity": STDP},
    "heterosynaptic": {"synapses": PLAIN_SYNAPSES, "plasticity": {**STDP, "heterosynaptic": 0.02}},
    "homeostasis": {
        "synapses": PLAIN_SYNAPSES,
        "plasticity": {"A_plus": 0, "A_minus": 0, "homeostasis": {"target": "5 Hz", "decay": "2 s", "most": 1.3}},
    },
}
ALL: dict[str, Any] = {
    "neurons": {"noise": {"private": "2 mV", "shared": "1 mV", "shared_decay": "50 ms"}},
    "synapses": {"fan_in": 15, "delay": {}, "excitatory": "5 mV"},
    "depression": {"facilitation": "200 ms"},
    "adaptation": {},
    "plasticity": {**STDP, "homeostasis": {"target": "5 Hz", "decay": "2 s"}},
    "stimulation": STIMULATION,
}


def spec(count: int = 40, precision: str = "float64", dt: str = "1 ms", **sections: Any) -> LivingSpec:
    """A culture with the given ingredients and no others; its neurons are driven to threshold, some beyond."""
    content = {**BARE, **sections}
    neurons = {"count": count, "drive": {"mean": "18 mV", "sd": "3 mV"}, **BARE["neurons"], **content["neurons"]}
    return LivingSpec.model_validate(
        {"model": "living", **content, "neurons": neurons, "simulation": {"precision": precision, "dt": dt}}
    )


def session(culture: LivingCulture, n_steps: int = 400) -> LivingSession:
    """Pulses where there is stimulation, two learning intervals where there is plasticity."""
    n_pulses = 30 if culture.spec.stimulation else 0
    rng = np.random.default_rng(5)
    plastic = [[n_steps // 8, n_steps // 2], [n_steps * 5 // 8, n_steps]] if culture.spec.plasticity else []
    return LivingSession(
        n_steps,
        step=rng.integers(0, n_steps, n_pulses),
        electrode=rng.integers(0, len(culture.electrodes), n_pulses),
        amplitude_A=rng.choice([15e-6, 40e-6], n_pulses),
        width_s=rng.choice([100e-6, 200e-6], n_pulses),
        plastic=np.array(plastic, int).reshape(-1, 2),
    )


def dense(culture: LivingCulture, values: np.ndarray, dtype: type = float) -> np.ndarray:
    """Values of synapses as a matrix, shape (n_neurons, n_neurons)."""
    n = len(culture.positions)
    matrix = np.zeros((n, n), dtype)
    matrix[np.repeat(np.arange(n), np.diff(culture.synapses.start)), culture.synapses.target] = values
    return matrix


def reference_run(culture: LivingCulture, session: LivingSession) -> tuple[np.ndarray, ...]:
    """The literal model on a culture's arrays: fired, direct, W, potential, scale."""
    s, dt = culture.spec, culture.spec.simulation.dt
    p = reference.Parameters(
        threshold=s.neurons.threshold,
        reset=s.neurons.reset,
        refractory=round(s.neurons.refractory / dt),
        membrane=s.neurons.membrane / dt,
        noise_seed=culture.noise_seed,
        shared_seed=culture.shared_noise_seed,
    )
    if s.neurons.noise:
        p.noise, p.shared = s.neurons.noise.private, s.neurons.noise.shared
        p.shared_decay = s.neurons.noise.shared_decay / dt
    if s.synapses:
        p.ampa, p.gaba = s.synapses.ampa / dt, s.synapses.gaba / dt
        if s.synapses.nmda:
            p.nmda, p.nmda_share = s.synapses.nmda.decay / dt, s.synapses.nmda.share
    if s.depression:
        p.depressing = culture.excitatory | s.depression.inhibitory
        p.U, p.recovery = s.depression.U, s.depression.recovery / dt
        p.facilitation = s.depression.facilitation / dt if s.depression.facilitation else None
    if s.adaptation:
        p.adaptation_step, p.adaptation = s.adaptation.step, s.adaptation.decay / dt
    if s.plasticity and s.synapses:
        p.A_plus, p.A_minus, p.trace = s.plasticity.A_plus, s.plasticity.A_minus, s.plasticity.trace_decay / dt
        p.heterosynaptic = s.plasticity.heterosynaptic
        p.bound = s.plasticity.bound * s.synapses.excitatory
        if homeostasis := s.plasticity.homeostasis:
            p.target, p.homeostasis, p.most = homeostasis.target * dt, homeostasis.decay / dt, homeostasis.most
    n = len(culture.positions)
    hit = np.zeros((session.n_steps, n), bool)
    for step, cells in Pulses.of(culture, session).hit(n).items():
        hit[step] = cells
    learning = np.zeros(session.n_steps, bool)
    for first, last in session.plastic:
        learning[first:last] = True
    return reference.simulate(
        p,
        culture.excitatory,
        culture.drive,
        dense(culture, culture.synapses.weight),
        np.maximum(dense(culture, culture.synapses.delay, int), 1),
        dense(culture, 1, bool),
        session.n_steps,
        hit,
        learning,
    )


def assert_equal(culture: LivingCulture, recording: LivingRecording, expected: tuple[np.ndarray, ...]) -> None:
    """Same spikes; same weights, potentials and homeostatic factors up to rounding."""
    fired, direct, weights, potential, scale = expected
    step, neuron = np.nonzero(fired)
    np.testing.assert_array_equal(recording.step, step)
    np.testing.assert_array_equal(recording.neuron, neuron)
    np.testing.assert_array_equal(recording.direct, direct[step, neuron])
    np.testing.assert_allclose(dense(culture, recording.state.weight), weights, rtol=1e-12, atol=0)
    np.testing.assert_allclose(recording.state.v, potential[-1], rtol=0, atol=1e-15)
    np.testing.assert_allclose(recording.state.scale, scale, rtol=1e-12)
