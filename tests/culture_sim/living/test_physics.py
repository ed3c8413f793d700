"""Closed forms: noise of the membrane, firing rate, charge of a spike, stimulation, plasticity."""

from dataclasses import replace

import numpy as np
import pytest

from culture_sim.engines.compiled import compiler
from culture_sim.living import LivingCulture, LivingRecording, LivingSession, simulate
from culture_sim.living.constants import Constants
from culture_sim.living.noise import standard_noise
from culture_sim.living.wiring import Synapses
from tests.culture_sim.living.cases import REACH, spec
from tests.reference.living import standard_noise as literal_noise

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")


def two_cells(
    weight: float = 1e-3, delay: int = 1, drive: tuple[float, float] = (0, 0), **sections: object
) -> LivingCulture:
    """Cell 0 excites cell 1."""
    content = {"synapses": {"fan_in": 0, "nmda": None}, **sections}
    culture = LivingCulture.grow(spec(2, **content), seed=0)  # type: ignore[arg-type]
    synapses = Synapses(np.array([0, 1, 1]), np.array([1], np.int32), np.array([weight]), np.array([delay], np.int32))
    return replace(culture, excitatory=np.ones(2, bool), synapses=synapses, drive=np.zeros(2))


def fire(culture: LivingCulture, pulses: list[tuple[int, int]], n_steps: int, **more: object) -> LivingRecording:
    """Make cells fire at steps, by pulses that each reach only the cell over whose electrode they are given."""
    positions = culture.electrodes[[0, -1]]
    culture = replace(culture, positions=positions, axon_end=positions, sensitivity=np.ones(2))
    step, cell = np.array(pulses, int).T
    electrode = np.where(cell == 0, 0, len(culture.electrodes) - 1)
    session = LivingSession(n_steps, step, electrode, np.full(len(step), 9e-6), np.full(len(step), 2e-4), **more)  # type: ignore[arg-type]
    return simulate(culture, session, "cpp")


def test_noise_is_standard_white_and_the_literal_hash() -> None:
    numbers = np.array([standard_noise(7, step, np.arange(500)) for step in range(400)])
    assert numbers.mean() == pytest.approx(0, abs=0.01)
    assert numbers.std() == pytest.approx(1, abs=0.01)
    assert np.mean(numbers**4) == pytest.approx(3 - 0.3, abs=0.05)  # of a sum of four uniform numbers
    for a, b in ((numbers[1:], numbers[:-1]), (numbers[:, 1:], numbers[:, :-1])):
        assert np.mean(a * b) == pytest.approx(0, abs=0.01)
    assert numbers[3, 5] == pytest.approx(literal_noise(7, 3, 5), abs=1e-15)
    assert not np.any(standard_noise(8, 3, np.arange(500)) == numbers[3])


def test_private_noise_gives_the_membrane_the_asked_standard_deviation() -> None:
    driven = {"noise": {"private": "2 mV", "shared": "0 mV"}, "drive": {"mean": "0 mV", "sd": "0 mV"}}
    culture = LivingCulture.grow(spec(5000, neurons=driven), 0)
    assert np.std(simulate(culture, LivingSession(300), "cpp").state.v) == pytest.approx(2e-3, rel=0.03)


@pytest.mark.parametrize("decay", [1, 100])
def test_shared_noise_gives_the_membrane_the_asked_standard_deviation(decay: int) -> None:
    """The steps with the culture's constants, for many membranes that each have shared noise of their own."""
    noise = {"private": "0 mV", "shared": "2 mV", "shared_decay": f"{decay} ms"}
    c = Constants.of(spec(1, neurons={"noise": noise}))
    v, shared = np.zeros(5000), np.zeros(5000)
    for step in range(600):
        shared = c.shared_decay * shared + c.shared_renewal * standard_noise(1, step, np.arange(5000))
        v = c.membrane_decay * v + (1 - c.membrane_decay) * c.shared_noise * shared
    assert v.std() == pytest.approx(2e-3, rel=0.03)


def test_a_driven_neuron_fires_at_the_rate_of_the_closed_form() -> None:
    """T = refractory time + tau ln((mu - reset) / (mu - threshold)), up to the last step."""
    drives = np.array([15, 19.9, 20.5, 22, 30, 60]) * 1e-3
    culture = replace(LivingCulture.grow(spec(6), seed=0), drive=drives)
    recording = simulate(culture, LivingSession(20_000), "cpp")
    counts = np.bincount(recording.neuron, minlength=6)
    np.testing.assert_array_equal(counts[:2], 0)
    interval = 3 + np.ceil(20 * np.log((drives[2:] - 10e-3) / (drives[2:] - 20e-3)))
    np.testing.assert_allclose(counts[2:], 20_000 / interval, atol=1.1)


@pytest.mark.parametrize("nmda", [None, {"share": 0.8, "decay": "80 ms"}])
def test_the_charge_of_a_spike_does_not_depend_on_its_time_course(nmda: dict | None) -> None:
    """Integrated over time, a response is weight times the membrane's time constant.

    One spike reaches a thousand cells, each a step later than the one before: at the end, their potentials are all
    steps of one response.
    """
    n = 1000
    base = spec(n, synapses={"fan_in": 0, "nmda": nmda}, stimulation={})
    start = np.concatenate([[0], np.full(n, n - 1)])
    targets, delays = np.arange(1, n, dtype=np.int32), np.arange(1, n, dtype=np.int32)
    culture = replace(
        LivingCulture.grow(base, 0),
        excitatory=np.ones(n, bool),
        drive=np.zeros(n),
        synapses=Synapses(start, targets, np.full(n - 1, 2e-3), delays),
        sensitivity=np.where(np.arange(n) == 0, 1e-9, 1e9),
    )
    recording = simulate(culture, LivingSession(n, [0], [0], [9e-6], [2e-4]), "cpp")
    assert recording.neuron.tolist() == [0]
    area = recording.state.v[1:].sum() * (1 - np.exp(-1 / 20))
    assert area == pytest.approx(2e-3, rel=1e-4)


@pytest.mark.parametrize("delay", [1, 7])
def test_a_spike_acts_after_its_delay(delay: int) -> None:
    culture = two_cells(1e-3, delay, stimulation={})
    assert fire(culture, [(10, 0)], 10 + delay).state.v[1] == 0
    assert fire(culture, [(10, 0)], 11 + delay).state.v[1] > 0


def test_pulses_make_cells_fire_below_the_threshold_current_unless_refractory() -> None:
    """(rheobase + k r^2)(1 + chronaxie / width): with 8 uA at rest of 4 uA and a width of one chronaxie, r = 0."""
    base = spec(400, stimulation={"rheobase": "4 uA", "chronaxie": "0.2 ms", "k": "600 uA/mm2", "spread": 0})
    culture = replace(LivingCulture.grow(base, 3), drive=np.zeros(400))
    for amplitude, width in ((20e-6, 2e-4), (20e-6, 4e-4), (40e-6, 1e-4)):
        reach = np.sqrt((amplitude / (1 + 2e-4 / width) - 4e-6) / 600)
        distance = np.linalg.norm(culture.positions - culture.electrodes[27], axis=1)
        recording = simulate(culture, LivingSession(9, [2, 4, 6], [27] * 3, [amplitude] * 3, [width] * 3), "cpp")
        np.testing.assert_array_equal(recording.neuron[recording.step == 2], np.flatnonzero(distance < reach))
        assert np.all(recording.direct)
        assert not np.any(recording.step == 4)  # 2 ms later they are refractory, of 3 ms
        assert np.any(recording.step == 6)


def test_axons_bring_distant_cells_within_reach() -> None:
    settings = {"spread": 0, "axons": {"share": 0.5, "reach": "0.4 mm"}}
    culture = LivingCulture.grow(spec(2000, stimulation=settings), 3)
    length = np.linalg.norm(culture.axon_end - culture.positions, axis=1)
    assert np.mean(length > 0) == pytest.approx(0.5, abs=0.03)
    assert length[length > 0].mean() == pytest.approx(0.4e-3, rel=0.1)
    bare = replace(culture, axon_end=culture.positions)
    with_axons, without = (c.threshold_current(27, 2e-4) for c in (culture, bare))
    assert np.all(with_axons <= without * (1 + 1e-12))
    assert np.sum(with_axons < 20e-6) > 1.5 * np.sum(without < 20e-6)


def test_stdp_has_the_asked_window() -> None:
    """A pair at an interval: A+ (bound - w) exp(-dt / tau) where the arrival comes first, else -A- w exp(-dt / tau)."""
    rule = {"A_plus": 0.01, "A_minus": 0.02, "trace_decay": "20 ms", "bound": 4}
    strength, w, delay = 4e-3, 1e-3, 3
    given = {"fan_in": 0, "nmda": None, "excitatory": "4 mV"}
    culture = two_cells(w, delay, synapses=given, stimulation={}, plasticity=rule)
    for interval in (-60, -20, -1, 0, 1, 15, 70):  # of the target's spike after the arrival, in steps
        arrival = 100
        done = fire(culture, [(arrival - delay, 0), (arrival + interval, 1)], 300, plastic=[[0, 300]])
        if interval >= 0:
            asked = 0.01 * (4 * strength - w) * np.exp(-interval / 20)
        else:
            asked = -0.02 * w * np.exp(interval / 20)
        assert done.state.weight[0] - w == pytest.approx(asked, rel=1e-9)
    unlearned = fire(culture, [(97, 0), (101, 1)], 300)
    assert unlearned.state.weight[0] == w


def test_inputs_of_a_cell_that_fires_without_them_weaken() -> None:
    """Each of three postsynaptic spikes takes the share away, whether or not the input ever arrived."""
    rule = {"A_plus": 0, "A_minus": 0, "heterosynaptic": 0.05}
    given = {"fan_in": 0, "nmda": None, "excitatory": "4 mV"}
    culture = two_cells(1e-3, 3, synapses=given, stimulation={}, plasticity=rule)
    for spikes in ([(50, 1), (60, 1), (1500, 1)], [(10, 0), (50, 1), (60, 1), (1500, 1)]):
        done = fire(culture, spikes, 2000, plastic=[[0, 2000]])
        assert done.state.weight[0] == pytest.approx(1e-3 * 0.95**3, rel=1e-9)


def test_homeostasis_leads_the_rate_to_its_target() -> None:
    """Cells driven by noise and by one another, whose rates follow the factor on their excitation."""
    rates = {}
    for target in (4, 12):
        homeostasis = {"target": f"{target} Hz", "decay": "5 s", "most": 50}
        plasticity = {"A_plus": 0, "A_minus": 0, "homeostasis": homeostasis}
        base = spec(
            100,
            neurons={"noise": {"private": "3 mV", "shared": "0 mV"}, "drive": {"mean": "13 mV", "sd": "0 mV"}},
            synapses={"fan_in": 20, "excitatory": "1 mV", "inhibitory": "1 mV", "nmda": None, **REACH},
            plasticity=plasticity,
        )
        culture = LivingCulture.grow(base, 0)
        settled = simulate(culture, LivingSession(60_000, plastic=[[0, 60_000]]), "cpp")
        after = simulate(culture, LivingSession(20_000, plastic=[[0, 20_000]]), "cpp", state=settled.state)
        rates[target] = len(after.neuron) / 100 / 20
    assert rates[4] == pytest.approx(4, rel=0.1)
    assert rates[12] == pytest.approx(12, rel=0.1)


@pytest.mark.parametrize("facilitation", [None, "500 ms"])
def test_a_train_releases_what_tsodyks_and_markram_compute(facilitation: str | None) -> None:
    """Their recursion from spike to spike, against the fall of resources in the simulation."""
    short_term = {"U": 0.2, "recovery": "300 ms", "facilitation": facilitation}
    culture = two_cells(1e-3, stimulation={}, depression=short_term)
    spikes = np.array([0, 20, 40, 60, 200])
    recording = fire(culture, [(s, 0) for s in spikes], 201)
    u = x = None
    for interval in (None, *np.diff(spikes)):
        if interval is None:
            u, x = 0.2, 1.0
        else:
            x = 1 - (1 - x * (1 - u)) * np.exp(-interval / 300)
            u = 0.2 if facilitation is None else 0.2 + u * np.exp(-interval / 500) * (1 - 0.2)
    assert recording.state.used[0] == pytest.approx(1 - x * (1 - u), rel=1e-12)
    assert recording.state.in_flight_release[-1] == pytest.approx(u * x, rel=1e-12)
