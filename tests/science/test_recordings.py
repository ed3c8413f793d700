"""The 22 recordings of Charlesworth et al. 2015 against Elephant, and their development."""

import functools
import os
from pathlib import Path

import neo
import numpy as np
import pytest
import quantities as pq
from elephant import spike_train_correlation
from elephant.statistics import cv, lv, mean_firing_rate

from culture_sim.analyse import measured
from culture_sim.analysis import firing, synchrony
from culture_sim.formats import read
from culture_sim.panel_tables import frame
from protocols.spec.dish.recordings import RecordingMeasures

FILES = sorted((Path(os.environ.get("CULTURE_DATA", "nowhere")) / "mea").glob("*.h5"))

pytestmark = [
    pytest.mark.science,
    pytest.mark.skipif(len(FILES) < 22, reason="needs the 22 recordings in $CULTURE_DATA/mea"),
]


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_rates_irregularity_and_synchrony_are_elephants(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elephant 1.2 compares with np.isclose, whose relative tolerance widens dt by 10 us a second: without that."""
    monkeypatch.setattr(spike_train_correlation.np, "isclose", functools.partial(np.isclose, rtol=0.0))
    (trains,) = read(path).values()
    each = [neo.SpikeTrain(train * pq.s, t_stop=trains.duration * pq.s) for train in trains.trains]
    for k, (train, other) in enumerate(zip(trains.trains, each, strict=True)):
        assert trains.rates[k] == pytest.approx(float(mean_firing_rate(other).rescale("Hz")), abs=1e-9)
        if len(train) > 2:
            assert firing.isi_cv(train) == pytest.approx(float(cv(np.diff(train))), abs=1e-9)
            assert firing.isi_lv(train) == pytest.approx(float(lv(np.diff(train))), abs=1e-9)
    assert trains.positions is not None
    near = synchrony.pairs_within(trains.positions, 0.0, 300e-6)
    found = synchrony.sttc(trains, 0.1, near)
    for a, b in np.argwhere(np.triu(near & np.isfinite(found), 1)):
        expected = spike_train_correlation.spike_time_tiling_coefficient(each[a], each[b], dt=0.1 * pq.s)
        assert found[a, b] == pytest.approx(float(expected), abs=1e-9)


def test_rates_and_network_bursts_rise_from_7_to_21_days_in_both_regions() -> None:
    table = frame(measured(FILES, RecordingMeasures(), 2))
    for name in ("rate (Hz)", "network burst rate (1/min)"):
        median = table.groupby(["region", "age"])[name].median()
        for region in ("ctx", "hpc"):
            assert median[region, 7] < median[region, 21], (name, region)
