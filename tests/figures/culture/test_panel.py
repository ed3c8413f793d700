"""Figures of the panel against the data that they draw, with their statistics written as loops."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from figures.culture.panel import avalanches, development, profiles, synchrony
from figures.culture.panel.recorded import Aged, Recorded, age_groups, by_distance, density, distance_edges


@pytest.fixture(autouse=True)
def closed() -> Any:
    yield
    plt.close("all")


def recorded(seed: int = 0, n_bursts: int = 5, n_avalanches: int = 3000) -> Recorded:
    """A grid of 4 x 4 electrodes at 200 um, avalanches with a heavy tail."""
    rng = np.random.default_rng(seed)
    places = np.stack(np.divmod(np.arange(16), 4), axis=1) * 200e-6
    a, b = np.triu_indices(16, 1)
    sttc = rng.uniform(0, 1, len(a))
    sttc[:5] = np.nan
    return Recorded(
        distance=np.linalg.norm(places[a] - places[b], axis=1),
        sttc=sttc,
        dt=0.1,
        size=rng.zipf(1.8, n_avalanches).clip(1, 5000),
        duration=rng.zipf(2.5, n_avalanches).clip(1, 300),
        exponents=(1.8, 2.5),
        bin_s=0.005,
        lag=np.arange(-10, 11) * 0.01,
        profile=np.array([2.0, 1.0, 3.0])[:, None] * np.exp(-(np.arange(-10, 11) ** 2) / 9),
        n_bursts=n_bursts,
    )


def test_bins_of_distance_are_a_pitch_wide_and_hold_their_pairs() -> None:
    given = recorded()
    edges = distance_edges([given])
    np.testing.assert_allclose(edges, np.arange(100, 1000, 200) * 1e-6)  # up to 600 um times the root of 2
    found = by_distance(given, edges)
    for k in range(len(edges) - 1):
        inside = [
            s
            for d, s in zip(given.distance.tolist(), given.sttc.tolist(), strict=True)
            if edges[k] <= d < edges[k + 1] and s == s
        ]
        np.testing.assert_allclose(found[:, k], [np.mean(inside), *np.percentile(inside, [25, 75])])


def test_the_density_is_the_share_of_values_per_integer_of_a_bin() -> None:
    values = recorded().size
    at, probability = density(values)
    np.testing.assert_allclose(at[:5], [1, 2, 3, 4, np.sqrt(5 * 6)], rtol=0.1)
    for k in range(4):
        assert probability[k] == pytest.approx(np.mean(values == k + 1))
    law = np.arange(1, 2000) ** -1.5
    many = np.repeat(np.arange(1, 2000), np.round(1e7 * law / law.sum()).astype(int))
    x, p = density(many)
    slope = np.polyfit(np.log(x[4:-1]), np.log(p[4:-1]), 1)[0]
    assert slope == pytest.approx(-1.5, abs=0.02)  # wide bins keep the exponent
    assert density(np.zeros(0, int))[0].shape == (0,)


def test_figures_draw_means_of_groups_and_single_recordings() -> None:
    one, other = recorded(0), recorded(1)
    groups = {"ctx": {"age 7": [one, other], "age 14": [other]}, "hpc": {"age 7": [one]}}
    left, right = synchrony.figure(groups).axes  # type: ignore[union-attr]
    edges = distance_edges([one])
    both = [by_distance(each, edges)[0] for each in (one, other)]
    thin, mean = left.lines[:2], left.lines[2]
    np.testing.assert_allclose([line.get_ydata() for line in thin], both)
    np.testing.assert_allclose(mean.get_ydata(), np.mean(both, axis=0))
    np.testing.assert_allclose(mean.get_xdata(), [0.2, 0.4, 0.6, 0.8])
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["age 7 (n=2)", "age 14"]
    assert right.get_legend().get_title().get_text() == "hpc"
    assert left.get_ylabel() == "STTC (dt 100 ms)"
    sizes = avalanches.figure(groups).axes  # type: ignore[union-attr]
    assert [ax.get_xscale() for ax in sizes] == ["log"] * 4
    np.testing.assert_allclose(sizes[1].lines[0].get_xydata(), np.transpose(density(one.size)))
    law = sizes[3].lines[-1].get_xydata()
    assert np.diff(np.log(law[:, 1])) / np.diff(np.log(law[:, 0])) == pytest.approx(-2)
    bursts = profiles.figure(groups).axes[0]  # type: ignore[union-attr]
    np.testing.assert_allclose(bursts.lines[2].get_ydata(), (one.profile[0] + other.profile[0]) / 2)
    assert bursts.get_legend().get_texts()[0].get_text() == "age 7 (n=2): 10 bursts"


def test_one_recording_shows_pairs_and_quartiles() -> None:
    given = recorded()
    (ax,) = synchrony.figure({"mine": {"": [given]}}).axes  # type: ignore[union-attr]
    pairs = next(line for line in ax.lines if line.get_linestyle() == "None")
    np.testing.assert_array_equal(pairs.get_ydata(), given.sttc)
    assert pairs.get_label() == "115 pairs"  # 120, of which 5 have no value
    (burst,) = profiles.figure({"mine": {"": [given]}}).axes  # type: ignore[union-attr]
    assert burst.collections[0].get_datalim(burst.transData).y1 == pytest.approx(given.profile[2].max())
    assert len(avalanches.figure({"mine": {"": [given]}}).axes) == 2  # type: ignore[union-attr]


def test_without_data_there_is_no_figure() -> None:
    none = np.zeros(0)
    empty = Recorded(none, none, 0.1, none, none, (np.nan, np.nan), np.nan, none, np.zeros((3, 0)), 0)
    groups = {"mine": {"": [empty]}}
    assert [module.figure(groups) for module in (synchrony, avalanches, profiles)] == [None] * 3
    assert development.figure([Aged(7, "ctx", "", {})]) is None


def test_ages_of_a_week_are_one_and_daily_ages_are_not() -> None:
    cultures = [Aged(age, "ctx", "", {}) for age in (7, 14, 28, 28, 29)]
    assert age_groups(cultures) == pytest.approx({7: 7, 14: 14, 28: 28 + 1 / 3, 29: 28 + 1 / 3})
    daily = [Aged(age, "ctx", "", {}) for age in range(7, 12)]
    assert age_groups(daily) == {age: age for age in range(7, 12)}


def test_development_has_every_recording_a_median_and_lines_of_cultures() -> None:
    cultures = [
        Aged(age, region, culture, {"rate": rate, "active units": 10})
        for age, region, culture, rate in (
            *((7, "ctx", "a", 1.0), (7, "ctx", "b", 2.0), (7, "ctx", "c", 6.0), (21, "ctx", "a", 4.0)),
            *((7, "hpc", "", 3.0), (21, "hpc", "", 5.0)),
        )
    ]
    ax = development.figure(cultures).axes[0]  # type: ignore[union-attr]
    lines = [np.asarray(line.get_ydata(), float).tolist() for line in ax.lines]
    assert [1, 4] in lines  # culture a
    assert [1, 2, 6, 4] in lines  # every recording of ctx
    assert lines.count([2, 4]) == 2  # medians: a line, and a mark each
    assert [1.5, 4] in [np.array(c.get_segments())[:, 0, 1].tolist() for c in ax.collections]  # lower quartiles
    assert [t.get_text() for t in development.figure(cultures).legends[0].get_texts()] == [  # type: ignore[union-attr]
        *("ctx (n=4)", "hpc (n=2)", "a recording", "median, quartiles", "recordings of one culture")
    ]
