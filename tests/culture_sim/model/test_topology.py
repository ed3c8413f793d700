"""Placement and wiring against loops over pairs, published counts, and invariances."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats
from scipy.sparse import csr_array

from culture_sim.model.culture import Culture
from culture_sim.model.electrodes import each_hearing, electrode_positions, heard_neurons, nearest_units, neurons_within
from culture_sim.model.expected_work import expected_synapses
from culture_sim.model.placement import place_neurons
from culture_sim.model.topology import wire
from protocols.spec.array import Array
from protocols.spec.culture import Projection, Readout
from protocols.spec.random_streams import stream
from tests.conftest import spec


def projection(sigma_mm: float = 0.5, strength_mv: float = 40, wiring: object = None) -> Projection:
    return Projection.model_validate(
        {"sigma": f"{sigma_mm} mm", "strength": f"{strength_mv} mV"} | ({"wiring": wiring} if wiring else {})
    )


def test_electrodes_lie_one_pitch_apart_in_the_middle_of_their_cells() -> None:
    positions = electrode_positions(Array())
    assert positions.shape == (60, 2)
    for row in range(6):
        for column in range(10):
            expected = (0.25e-3 + 0.5e-3 * column, 0.25e-3 + 0.5e-3 * row)
            np.testing.assert_allclose(positions[row * 10 + column], expected)


def test_neurons_are_uniform_over_the_array() -> None:
    positions = place_neurons(Array().area, 4000, stream("placement", 0))
    assert stats.kstest(positions[:, 0] / 5e-3, "uniform").pvalue > 1e-3
    assert stats.kstest(positions[:, 1] / 3e-3, "uniform").pvalue > 1e-3
    assert abs(stats.spearmanr(*positions.T).statistic) < 0.06
    assert np.all(np.diff(positions[:, 0]) >= 0)


def test_dense_rule_equals_a_loop_over_pairs() -> None:
    """The unnormalised weights are |N(0, 1)| times the distance law: recover the normals and test them."""
    rng = np.random.default_rng(0)
    pre, post = rng.random((150, 2)) * 1e-3, rng.random((130, 2)) * 1e-3
    weights = wire(pre, post, projection(0.4), stream("w", 1), recurrent=False).toarray()
    law = np.empty((150, 130))
    for i in range(150):
        for j in range(130):
            d2 = (pre[i, 0] - post[j, 0]) ** 2 + (pre[i, 1] - post[j, 1]) ** 2
            law[i, j] = np.exp(-d2 / (2 * 0.4e-3**2))
    kept = weights > 0
    # normals of a column are known up to its gain, which the median of |N(0, 1)| gives
    normals = weights / law
    normals /= np.median(normals, axis=0) / stats.halfnorm.median()
    assert kept.mean() > 0.97
    assert abs(np.mean(normals[kept]) - stats.halfnorm.mean()) < 0.02
    assert abs(np.std(normals[kept]) - stats.halfnorm.std()) < 0.02
    assert abs(stats.spearmanr(normals[kept], law[kept]).statistic) < 0.05  # what remains does not depend on distance


def test_dense_cutoff_drops_what_is_below_it_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    pre, post = rng.random((100, 2)) * 3e-3, rng.random((90, 2)) * 3e-3
    all_kept = projection(0.3, wiring={"rule": "dense", "cutoff": 0.0})
    cut = projection(0.3, wiring={"rule": "dense", "cutoff": 1e-3})
    full = wire(pre, post, all_kept, stream("w", 1), recurrent=False).toarray()
    part = wire(pre, post, cut, stream("w", 1), recurrent=False).toarray()
    kept = part > 0
    assert 0.1 < kept.mean() < 0.9
    # within a column both have the same raw weights, each scaled by its own gain
    gain = np.nanmedian(np.where(kept, part / np.where(full > 0, full, np.nan), np.nan), axis=0)
    np.testing.assert_allclose(part[kept], (full * gain)[kept])
    for column in range(90):
        if kept[:, column].any() and not kept[:, column].all():
            assert full[kept[:, column], column].min() >= full[~kept[:, column], column].max()


@example(n=2, sigma=0.0625, strength=1.0, seed=142, sparse=True)  # the two neurons are out of each other's reach
@given(
    n=st.integers(2, 130),
    sigma=st.floats(0.05, 3),
    strength=st.floats(0.5, 500),
    seed=st.integers(0, 1000),
    sparse=st.booleans(),
)
def test_every_neuron_that_has_input_gets_exactly_the_strength(
    n: int, sigma: float, strength: float, seed: int, sparse: bool
) -> None:
    positions = place_neurons(Array().area, n, stream("placement", seed))
    wiring = {"rule": "sparse", "fan_in": min(10, n)} if sparse else None
    weights = wire(positions, positions, projection(sigma, strength, wiring), stream("w", seed), recurrent=True)
    total = weights.sum(axis=0)
    has_input = np.bincount(weights.indices, minlength=n) > 0
    np.testing.assert_allclose(total[has_input], strength * 1e-3, rtol=1e-9)
    assert np.all(total[~has_input] == 0)
    assert np.all(weights.diagonal() == 0)
    assert np.all(weights.data >= 0)
    for row in range(n):  # sorted, at most one synapse per pair: the C++ engine relies on it
        columns = weights.indices[weights.indptr[row] : weights.indptr[row + 1]]
        assert np.all(np.diff(columns) > 0)


def test_sparse_rule_has_the_mean_fan_in_and_the_distance_law() -> None:
    positions = place_neurons(Array().area, 3000, stream("placement", 0))
    wiring = {"rule": "sparse", "fan_in": 60}
    weights = wire(positions, positions, projection(0.5, 40, wiring), stream("w", 0), recurrent=True).tocoo()
    fan_in = np.bincount(weights.col, minlength=3000)
    assert abs(fan_in.mean() - 60) < 0.6
    assert fan_in.std() < 10  # Bernoulli: at most sqrt(60)
    distance = np.linalg.norm(positions[weights.row] - positions[weights.col], axis=1)
    # in the plane, far from borders, density of connections ~ d exp(-d^2 / 2 sigma^2): a Rayleigh law
    middle = np.all(np.abs(positions[weights.col] - [2.5e-3, 1.5e-3]) < [1e-3, 0.3e-3], axis=1)
    found = np.median(distance[middle])
    assert abs(found / (0.5e-3 * np.sqrt(2 * np.log(2))) - 1) < 0.08


def test_published_synapse_counts() -> None:
    """Lagani 2021 at 240 neurons: 2.6 k electrode, 54.8 k excitatory, 2.9 k inhibitory synapses."""
    counts = np.mean([[w.nnz for w in Culture.grow(spec(), seed).weights.values()] for seed in range(10)], axis=0)
    np.testing.assert_allclose(counts, [2600, 54800, 2900], rtol=0.03)


@pytest.mark.parametrize(("count", "seeds"), [(240, 12), (1200, 2)])
def test_expected_synapses_are_expected(count: int, seeds: int) -> None:
    cultures = [Culture.grow(spec(count), seed) for seed in range(seeds)]
    for name in cultures[0].weights:
        mean = np.mean([culture.weights[name].nnz for culture in cultures])
        assert abs(expected_synapses(cultures[0].spec, name) / mean - 1) < 0.05, name


def test_streams_are_independent_and_repeatable() -> None:
    a, b, c = (Culture.grow(spec(100), seed) for seed in (0, 0, 1))
    for name in a.weights:
        np.testing.assert_array_equal(a.weights[name].data, b.weights[name].data)
        assert a.weights[name].nnz != c.weights[name].nnz or np.any(a.weights[name].data != c.weights[name].data)
    wider = Culture.grow(spec(100, inhibitory__sigma="0.3 mm"), 0)
    np.testing.assert_array_equal(a.positions, wider.positions)
    np.testing.assert_array_equal(a.weights["excitatory"].data, wider.weights["excitatory"].data)


def test_wiring_does_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    from culture_sim.model import topology

    parallel = Culture.grow(spec(300), 0).weights["excitatory"]
    monkeypatch.setattr(topology, "cores", lambda: 1)
    np.testing.assert_array_equal(parallel.data, Culture.grow(spec(300), 0).weights["excitatory"].data)


def test_units_are_the_nearest_neurons() -> None:
    culture = Culture.grow(spec(200), 0)
    units = nearest_units(culture.electrodes, culture.positions, 3)
    for electrode, position in enumerate(culture.electrodes):
        distance = [np.hypot(*(p - position)) for p in culture.positions]
        assert list(units[electrode]) == sorted(range(200), key=distance.__getitem__)[:3]


def test_from_arrays_refuses_what_does_not_fit() -> None:
    one, zero = spec(2), np.zeros((2, 2))
    good = {"electrode": np.zeros((60, 2)), "excitatory": zero, "inhibitory": zero}
    with pytest.raises(ValueError, match="positions"):
        Culture.from_arrays(one, np.zeros((3, 2)), good)
    with pytest.raises(ValueError, match="electrode"):
        Culture.from_arrays(one, np.zeros((2, 2)), good | {"electrode": np.zeros((59, 2))})
    with pytest.raises(ValueError, match="magnitudes"):
        Culture.from_arrays(one, np.zeros((2, 2)), good | {"excitatory": -np.ones((2, 2))})
    transposed = csr_array(zero).tocsc()
    with pytest.raises(ValueError, match="csr_array"):
        Culture(
            one,
            electrode_positions(one.array),
            zero,
            {k: csr_array(v) for k, v in good.items()} | {"excitatory": transposed},
        )
    single = {name: csr_array(weights, dtype=np.float32) for name, weights in good.items()}
    with pytest.raises(ValueError, match="float32; allowed: float64"):
        Culture(one, electrode_positions(one.array), zero, single)
    with pytest.raises(ValueError, match="exactly"):
        Culture.from_arrays(one, np.zeros((2, 2)), {"electrode": zero})


def test_an_electrode_hears_its_units_or_its_whole_cell() -> None:
    culture = Culture.grow(spec(200), 0)
    distance = np.linalg.norm(culture.electrodes[:, None] - culture.positions[None], axis=2)
    cell = heard_neurons(Readout(hears="cell"), culture.electrodes, culture.positions).toarray()
    np.testing.assert_array_equal(cell.sum(axis=0), 1)
    np.testing.assert_array_equal(cell.argmax(axis=0), distance.argmin(axis=0))
    units = heard_neurons(Readout(units_per_electrode=3), culture.electrodes, culture.positions).toarray()
    for electrode, row in enumerate(units):
        assert set(np.flatnonzero(row)) == set(np.argsort(distance[electrode], kind="stable")[:3])


def test_every_spike_is_heard_once_by_each_electrode_near_it() -> None:
    rng = np.random.default_rng(0)
    electrodes, neurons = rng.uniform(0, 1, (6, 2)), rng.uniform(0, 1, (40, 2))
    near = np.linalg.norm(electrodes[:, None] - neurons[None], axis=2) <= 0.3
    heard = neurons_within(0.3, electrodes, neurons)
    np.testing.assert_array_equal(heard.toarray(), near)
    neuron = rng.integers(0, 40, 200)
    found = list(zip(*(values.tolist() for values in each_hearing(heard, neuron)), strict=True))
    assert found == [(k, e) for k, n in enumerate(neuron) for e in range(6) if near[e, n]]
    assert not len(each_hearing(heard, neuron[:0])[0])
