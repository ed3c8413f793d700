"""Both engines against the literal reference, and against each other spike for spike."""

import numpy as np
import pytest

from culture_sim.engines.compiled import compiler
from culture_sim.spiking import Presentations, Responses, Weights, present, simulation
from culture_sim.spiking.network import gain, scaled
from protocols.spec.nets.spiking import SpikingNetwork
from tests.reference.spiking import Reference, key_of_attempt

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")
ENGINES = [pytest.param("cpp", marks=needs_compiler), "runtime"]
SHORT = {"duration": "100 ms", "rest": "20 ms"}
#: much stronger and faster than published, so that a few presentations change everything
STRONG = {
    "plasticity": {"A_plus": 0.4, "A_minus": 0.1},
    "threshold": {"increase": "0.7 mV", "decay": "90 ms"},
}


def spec(neurons: int = 4, **changes: object) -> SpikingNetwork:
    return SpikingNetwork.model_validate({"neurons": neurons, "presentation": SHORT} | changes)


def drawn(network: SpikingNetwork, n_inputs: int, seed: int = 0) -> Weights:
    return Weights.drawn(network, n_inputs, np.random.default_rng(seed))


def shown(n: int, n_inputs: int, learning: list[float] | None = None, seed: int = 1) -> Presentations:
    rng = np.random.default_rng(seed)
    images = rng.random((n, n_inputs)) * (rng.random((n, n_inputs)) < 0.6)
    factors = np.array([1.0] * n if learning is None else learning)
    return Presentations(images.astype(np.float32), factors, rng.integers(0, 2**64, n, np.uint64))


def reference(
    network: SpikingNetwork, weights: Weights, done: Presentations
) -> tuple[Reference, np.ndarray, list[int]]:
    """The literal network after the presentations, the counts and the attempts."""
    stdp, shape = network.plasticity, network.presentation
    literal = Reference(
        weights.inputs.tolist(),
        (weights.theta * 1e3).tolist(),
        gain=784 / len(weights.inputs),
        weight_sum=network.input_sum * len(weights.inputs) / 784,
        A_plus=stdp.A_plus,
        A_minus=stdp.A_minus,
        theta_increase=network.threshold.increase * 1e3,
        theta_decay=network.threshold.decay * 1e3,
    )
    counts, attempts = [], []
    for image, learning, key in zip(done.images, done.learning, done.keys.tolist(), strict=True):
        attempt, found, rest = 0, [0], 40 if learning else 0
        while attempt == 0 or (sum(found) < shape.fewest_spikes and attempt < shape.attempts):
            rate = shape.rate + attempt * shape.raise_by
            found = literal.present(image.tolist(), rate, key_of_attempt(key, attempt), float(learning), 200, rest)
            attempt += 1
        counts.append(found)
        attempts.append(attempt)
    return literal, np.array(counts), attempts


@pytest.mark.parametrize("device", ENGINES)
@pytest.mark.parametrize("changes", [{}, STRONG], ids=["published", "strong"])
def test_spikes_weights_and_thresholds_equal_the_literal_network(device: str, changes: dict[str, object]) -> None:
    network = spec(**changes)
    weights, done = drawn(network, 6), shown(3, 6, [1.0, 0.0, 0.6])
    found = present(network, weights, done, device, spikes=True)
    literal, counts, attempts = reference(network, weights, done)
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_array_equal(found.attempts, attempts)
    assert list(zip(found.step.tolist(), found.neuron.tolist(), strict=True)) == literal.spikes
    np.testing.assert_allclose(found.weights.inputs, literal.w, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(found.weights.theta * 1e3, literal.theta, rtol=1e-12)
    assert counts.sum() > 20
    assert (counts.sum(axis=0) > 0).sum() > 1
    assert np.abs(found.weights.inputs - weights.inputs).max() > (0.05 if changes else 1e-4)


@needs_compiler
@pytest.mark.parametrize("changes", [{}, STRONG | {"dt": "0.25 ms", "input_sum": 50}], ids=["published", "strong"])
def test_the_engines_give_the_same_bits(changes: dict[str, object]) -> None:
    network = spec(7, **changes)
    weights, done = drawn(network, 16), shown(4, 16, [1.0, 1.0, 0.0, 0.3])
    one, other = (present(network, weights, done, device, spikes=True) for device in ("cpp", "runtime"))
    assert_same(one, other)
    assert len(one.step) > 20


def assert_same(one: Responses, other: Responses) -> None:
    for name in ("counts", "attempts", "step", "neuron"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    np.testing.assert_array_equal(one.weights.inputs, other.weights.inputs)
    np.testing.assert_array_equal(one.weights.theta, other.weights.theta)


@pytest.mark.parametrize("device", ENGINES)
def test_an_image_that_excites_no_neuron_is_shown_again_at_a_higher_rate(device: str) -> None:
    """The literal network decides when; a black image is given up after the last attempt."""
    shape = {"presentation": SHORT | {"fewest_spikes": 9, "raise_by": "150 Hz", "attempts": 4}}
    network = spec(**shape)
    weights, done = drawn(network, 6), shown(3, 6)
    done.images[1] *= 0.4
    done.images[2] = 0
    found = present(network, weights, done, device)
    _, counts, attempts = reference(network, weights, done)
    np.testing.assert_array_equal(found.attempts, attempts)
    np.testing.assert_array_equal(found.counts, counts)
    assert 1 < attempts[1] < 4 == attempts[2]
    assert not found.counts[2].any()


@needs_compiler
def test_without_learning_nothing_changes_and_parts_are_the_whole() -> None:
    network = spec(12)
    weights, done = drawn(network, 25), shown(6, 25, [0.0] * 6)
    found = present(network, weights, done)
    assert_unchanged(found.weights, weights)
    turned = Presentations(done.images[::-1], done.learning, done.keys[::-1])
    np.testing.assert_array_equal(present(network, weights, turned).counts, found.counts[::-1])
    learning = Presentations(done.images, np.ones(6), done.keys)
    first, second = (Presentations(done.images[at], np.ones(3), done.keys[at]) for at in (slice(3), slice(3, 6)))
    whole, half = present(network, weights, learning), present(network, weights, first)
    rest = present(network, half.weights, second)
    np.testing.assert_array_equal(whole.counts, np.concatenate([half.counts, rest.counts]))
    assert_unchanged(rest.weights, whole.weights)


def assert_unchanged(found: Weights, before: Weights) -> None:
    np.testing.assert_array_equal(found.inputs, before.inputs)
    np.testing.assert_array_equal(found.theta, before.theta)


@needs_compiler
def test_inputs_are_poisson_trains_of_their_rates() -> None:
    """A neuron that fires at every input spike, but for its refractory time, counts the spikes of one white pixel."""
    network = SpikingNetwork.model_validate(
        {"neurons": 2, "inhibition": 0, "presentation": {"duration": "10 s", "rate": "2 Hz", "fewest_spikes": 0}}
    )
    weights = Weights(np.full((4, 2), 100 / gain(4)), np.full(2, 20e-3))  # conductance of an input spike: 100
    images = np.tile(np.array([1, 0, 0, 0], np.float32), (40, 1))
    counts = present(network, weights, Presentations(images, np.zeros(40), np.arange(40, dtype=np.uint64))).counts
    expected = 40 * 10 * 2 * (1 - 2 * 5e-3)  # an input spike in the refractory time is lost
    np.testing.assert_array_equal(counts[:, 0], counts[:, 1])
    assert abs(counts[:, 0].sum() - expected) < 4 * expected**0.5
    assert 0.5 < counts[:, 0].var(ddof=1) / counts[:, 0].mean() < 1.6  # Poisson: 1


def test_scaled_weights_have_the_sum_of_28_by_28_pixels() -> None:
    network = spec(5)
    inputs = np.random.default_rng(0).random((64, 5))
    inputs[:, 3] = 0  # as it is
    found = scaled(inputs, network)
    np.testing.assert_allclose(found.sum(axis=0) * gain(64), [78, 78, 78, 0, 78])
    np.testing.assert_allclose(found[:, 0] / found[0, 0], inputs[:, 0] / inputs[0, 0])


def test_the_same_seed_gives_the_same_weights_and_another_does_not() -> None:
    network = spec(5)
    np.testing.assert_array_equal(drawn(network, 9, 3).inputs, drawn(network, 9, 3).inputs)
    assert not np.array_equal(drawn(network, 9, 3).inputs, drawn(network, 9, 4).inputs)


def test_weights_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"weights.inputs: shape \(9, 4\); allowed: \(6, 4\), inputs and neurons"):
        present(spec(), drawn(spec(), 9), shown(1, 6))
    with pytest.raises(ValueError, match="images, learning, keys: 1, 2, 1 entries; allowed: as many of each"):
        Presentations(np.zeros((1, 3)), np.zeros(2), np.zeros(1, np.uint64))


def test_without_a_compiler_brian2_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "compiler", lambda: None)
    assert simulation.prepare("auto") == "runtime"
    with pytest.raises(RuntimeError, match="--device cuda: spiking networks have none; allowed: auto, cpp, runtime"):
        simulation.prepare("cuda")
