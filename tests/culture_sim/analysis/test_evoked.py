"""Measures of evoked responses against loops and closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from culture_sim.analysis import evoked
from culture_sim.analysis.weights import cell_sums


def test_leaky_count_equals_the_recursion() -> None:
    counts = np.random.default_rng(0).poisson(0.3, (4, 3, 200))
    y, expected = np.zeros((4, 3)), np.zeros(counts.shape)
    for t in range(200):
        y = y * np.exp(-1 / 20) + counts[..., t]
        expected[..., t] = y
    np.testing.assert_allclose(evoked.leaky_count(counts, 20.0), expected)


def test_leaky_count_of_a_steady_rate_reaches_its_closed_form() -> None:
    steady = evoked.leaky_count(np.ones(1000), 20.0)[-1]
    assert steady == pytest.approx(1 / (1 - np.exp(-1 / 20)))


@given(st.integers(1, 40), st.integers(1, 15), st.integers(0, 99))
def test_psth_keeps_every_spike_of_whole_bins(n_steps: int, bin_steps: int, seed: int) -> None:
    counts = np.random.default_rng(seed).poisson(1, (3, n_steps))
    binned = evoked.psth(counts, bin_steps)
    whole = n_steps // bin_steps
    assert binned.shape == (3, whole)
    for b in range(whole):
        np.testing.assert_array_equal(binned[:, b], counts[:, b * bin_steps : (b + 1) * bin_steps].sum(axis=1))


def test_psth_agrees_with_elephant() -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import elephant.statistics
        import neo
        import quantities as pq

        rng = np.random.default_rng(3)
        counts = (rng.random((5, 400)) < 0.1).astype(int)
        spikes = [neo.SpikeTrain(np.flatnonzero(row) + 0.5, t_stop=400, units="ms") for row in counts]
        histogram = elephant.statistics.time_histogram(spikes, bin_size=10 * pq.ms, output="counts")
    np.testing.assert_array_equal(evoked.psth(counts, 10).sum(axis=0), np.asarray(histogram).ravel())


def test_electrode_counts_equal_a_loop() -> None:
    rng = np.random.default_rng(0)
    neuron, step = np.divmod(rng.choice(50 * 80, 600, replace=False), 80)
    units = [[1, 4, 49], [4, 7], []]
    heard = np.zeros((3, 50), bool)
    for electrode, neurons in enumerate(units):
        heard[electrode, neurons] = True
    counts = evoked.electrode_counts(neuron, step, csr_array(heard), 80)
    expected = np.zeros((2, 80))
    for n, t in zip(neuron, step, strict=True):
        for electrode in range(2):
            expected[electrode, t] += units[electrode].count(n) / len(units[electrode])
    np.testing.assert_allclose(counts[:2], expected)
    assert np.isnan(counts[2]).all()  # an electrode that hears no neuron
    silent = evoked.electrode_counts(np.empty(0, int), np.empty(0, int), csr_array(heard), 80)
    assert silent.shape == (3, 80)
    assert silent[:2].sum() == 0


def test_grows_needs_more_than_two_standard_errors() -> None:
    before = np.zeros(16)
    noise = np.tile([-1.0, 1.0], 8)  # sd 1.03, standard error 0.258
    assert not evoked.grows(before, noise + 0.5)
    assert evoked.grows(before, noise + 0.53)
    assert not evoked.grows(before, noise - 3)
    assert evoked.grows(np.array([1.0]), np.array([1.1]))
    assert not evoked.grows(np.ones(4), np.ones(4))


def test_cell_sums_equal_a_loop_and_columns_sum_to_the_strength() -> None:
    rng = np.random.default_rng(0)
    dense = rng.random((30, 30)) * (rng.random((30, 30)) < 0.5)
    dense *= 0.04 / dense.sum(axis=0)
    cell = rng.integers(0, 4, 30)
    found = cell_sums(csr_array(dense), cell, cell, 4)
    for source in range(4):
        for target in range(4):
            block = dense[np.ix_(cell == source, cell == target)]
            assert found[source, target] == pytest.approx(block.sum() / (cell == target).sum())
    np.testing.assert_allclose(found.sum(axis=0), 0.04)
