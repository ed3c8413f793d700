"""Recordings of a folder of tables, of AxIS and of the CL1."""

from pathlib import Path

import numpy as np
import pytest

from culture_sim import formats
from protocols.spec.faults import ProtocolFault

h5py = pytest.importorskip("h5py")


def test_a_folder_of_tables_has_silent_electrodes_stimuli_and_metadata(tmp_path: Path) -> None:
    folder = tmp_path / "dish"
    folder.mkdir()
    (folder / "spikes.csv").write_text("time_s,electrode\n# duration_s: 20\n# age: 21\n# region: ctx\n3,10\n1.5,2\n")
    (folder / "electrodes.csv").write_text("electrode,x_um,y_um\n10,0,200\n2,200,0\n5,0,0\n")
    (folder / "stimulation.csv").write_text("time_s,pattern\n4,B\n2,A\n")
    (trains,) = formats.read(folder).values()
    assert trains.metadata == {"age": 21, "region": "ctx"}
    assert [len(train) for train in trains.trains] == [1, 0, 1]  # 2, 5, 10
    np.testing.assert_allclose(trains.positions, [[2e-4, 0], [0, 0], [0, 2e-4]])
    assert trains.stimuli is not None
    assert trains.stimuli.time.tolist() == [2, 4]
    assert trains.stimuli.pattern.tolist() == ["A", "B"]


def test_a_folder_takes_its_geometry_from_a_probe_file(tmp_path: Path) -> None:
    probeinterface = pytest.importorskip("probeinterface")
    probe = probeinterface.generate_linear_probe(num_elec=3, ypitch=40)
    probe.set_contact_ids(["a", "b", "c"])
    probeinterface.write_probeinterface(tmp_path / "probe.json", probe)
    (tmp_path / "spikes.csv").write_text("time_s,electrode\n1,c\n2,a\n")
    (trains,) = formats.read(tmp_path).values()
    np.testing.assert_allclose(trains.positions, probe.contact_positions * 1e-6)
    assert trains.unit.tolist() == [2, 0]


def test_a_spike_list_of_axis_is_a_recording_a_well(tmp_path: Path) -> None:
    path = tmp_path / "plate_spike_list.csv"
    path.write_text(
        "Investigator,,Time (s),Electrode,Amplitude(mV)\nsomebody,,0.5,A1_11,0.03\n,,0.25,B2_44,0.02\n"
        "Recording,,2.5,A1_12,0.01\n,,1.5,A1_11,0.04\n,,,,\n"
    )
    found = formats.read(path)
    assert list(found) == ["plate_spike_list A1", "plate_spike_list B2"]
    first = found["plate_spike_list A1"]
    assert (first.time.tolist(), first.unit.tolist(), first.duration) == ([0.5, 1.5, 2.5], [0, 0, 1], 2.5)
    assert first.metadata == {"well": "A1"}
    assert "length taken from the plate's last spike, 2.5 s" in first.notes


def write_cl1(path: Path, *, spikes: bool = True, start: int = 0, **attributes: object) -> Path:
    """A recording as cl-sdk 1.0.0 writes it (PyTables): three channels for two seconds, with two stimuli."""
    spike = np.dtype([("timestamp", "<i8"), ("channel", "u1"), ("samples", "<f4", (75,))])
    with h5py.File(path, "w") as file:
        if spikes:
            table = np.zeros(3, spike)
            table["timestamp"], table["channel"] = np.array([2500, 5000, 30000]) + start, [1, 0, 1]
            file["spikes"] = table
        stim = np.dtype([("timestamp", "<i8"), ("channel", "u1")])
        file["stims"] = np.array([(25000 + start, 0), (25000 + start, 1), (40000 + start, 2)], stim)
        trace = np.random.default_rng(0).normal(0, 20, (50000, 3))
        trace[10000:10010, 2] -= 500
        file["samples"] = np.rint(trace).astype(np.int16)
        given = {"channel_count": 3, "frames_per_second": 25000, "duration_frames": 50000, "uV_per_sample_unit": 0.195}
        pickled = "(dp0\nVversion\np1\nVSDK\np2\nsVstim_and_spike_timestamps_relative_to_start\np3\nI0%d\ns."
        file.attrs["file_format"] = np.bytes_((pickled % (start == 0)).encode())
        for name, value in (given | {"start_timestamp": start, "project_id": "mine"} | attributes).items():
            if value is not None:
                file.attrs[name] = value
    return path


@pytest.mark.parametrize("start", [0, 10**9])
def test_a_recording_of_the_cl1_has_its_spikes_and_stimuli(start: int, tmp_path: Path) -> None:
    trains = formats.read(write_cl1(tmp_path / "cl.h5", start=start))["cl"]
    assert (trains.time.tolist(), trains.unit.tolist()) == ([0.1, 0.2, 1.2], [1, 0, 1])
    assert (trains.n_units, trains.duration, trains.metadata) == (3, 2.0, {"project_id": "mine"})
    assert trains.stimuli is not None
    assert trains.stimuli.time.tolist() == [1.0, 1.6]


def test_without_spikes_they_are_detected_in_the_samples(tmp_path: Path) -> None:
    trains = formats.read(write_cl1(tmp_path / "cl.h5", spikes=False))["cl"]
    assert trains.unit.tolist() == [2]
    assert trains.time[0] == pytest.approx(0.4002, abs=2e-4)
    assert trains.notes[0].startswith("spikes detected: negative peaks below 5 sd of the noise")


def test_a_recording_that_was_not_ended_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProtocolFault, match="not ended"):
        formats.read(write_cl1(tmp_path / "cl.h5", duration_frames=None))
