"""Files with faults: mended with a note, or refused in one line."""

from pathlib import Path

import numpy as np
import pytest

from culture_sim import formats
from culture_sim.formats.mending import spike_trains
from protocols.spec.faults import ProtocolFault
from tests.culture_sim.formats.test_formats import write_hdf5


def test_times_that_do_not_ascend_are_sorted_and_it_is_said(tmp_path: Path) -> None:
    path = write_hdf5(tmp_path / "dish.h5", spikes=np.array([12.0, 10.5, 11.0, 19.5, 10.25]))
    trains = formats.read(path)["dish"]
    np.testing.assert_allclose(trains.trains[0], [0.5, 2.0])
    assert trains.notes == ("times of 1 of 3 units did not ascend: sorted",)


def test_a_clock_that_restarts_is_refused_and_shuffled_times_are_not() -> None:
    rng = np.random.default_rng(0)
    first, second = np.sort(rng.uniform(0, 300, 40)), np.sort(rng.uniform(0, 280, 40))
    with pytest.raises(ValueError, match=r"the clock restarts: after 2.* s comes .* one recording a file"):
        spike_trains([np.concatenate([first, second])], 300.0)
    shuffled = spike_trains([rng.permutation(first)], 300.0)
    np.testing.assert_array_equal(shuffled.time, first)


def test_a_silent_recording_and_missing_positions_are_said(tmp_path: Path) -> None:
    nothing = {"spikes": np.zeros(0), "sCount": np.zeros(3, np.int32)}
    assert formats.read(write_hdf5(tmp_path / "silent.h5", **nothing))["silent"].notes == ("no spikes",)
    without = formats.read(write_hdf5(tmp_path / "nowhere.h5", epos=None))["nowhere"]
    assert without.positions is None
    assert without.notes == ("electrodes have no positions: no synchrony by distance",)
    some = formats.read(write_hdf5(tmp_path / "some.h5", epos=np.array([[0.0, np.nan, 1.0]] * 2)))["some"]
    assert some.positions is None
    assert some.notes == ("1 of 3 electrodes have no position: no synchrony by distance",)


def test_a_recording_that_does_not_fit_into_memory_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_hdf5(tmp_path / "dish.h5")
    assert formats.needed_bytes(path) == 5 * formats.BYTES_PER_SPIKE
    monkeypatch.setattr(formats, "available_memory_bytes", lambda: 400)
    with pytest.raises(ProtocolFault, match=r"dish.h5: 5 spikes need about 0.0 GB; allowed: the 0.0 GB available"):
        formats.needed_bytes(path)
