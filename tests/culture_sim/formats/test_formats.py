"""Recordings come back from files as they were written; files that hold none are refused in one line."""

from pathlib import Path

import numpy as np
import pytest

from culture_sim import formats
from protocols.spec.faults import ProtocolFault

h5py = pytest.importorskip("h5py")


def write_hdf5(path: Path, **changes: object) -> Path:
    """A file of three units in the layout of Charlesworth et al. 2015; `changes` replace datasets, None drops one."""
    content: dict[str, object] = {
        "spikes": np.array([10.5, 12.0, 11.0, 19.5, 10.25]),
        "sCount": np.array([2, 2, 1], np.int32),
        "epos": np.array([[200.0, 400.0, 400.0], [600.0, 600.0, 800.0]]),
        "names": np.array([b"ch_12", b"ch_13", b"ch_14"]),
        "recordingtime": np.array([10.0, 20.0]),
        "meta/age": np.array([14], np.int32),
        "meta/region": np.array([b"hpc"]),
    }
    with h5py.File(path, "w") as file:
        for name, value in (content | changes).items():
            if value is not None:
                file[name] = value
    return path


def test_hdf5_gives_spikes_units_positions_and_metadata(tmp_path: Path) -> None:
    ((name, trains),) = formats.read(write_hdf5(tmp_path / "dish.h5")).items()
    assert name == "dish"
    np.testing.assert_allclose(trains.time, [0.25, 0.5, 1.0, 2.0, 9.5])
    np.testing.assert_array_equal(trains.unit, [2, 0, 1, 0, 1])
    assert (trains.n_units, trains.duration) == (3, 10.0)
    np.testing.assert_allclose(trains.positions, [[200e-6, 600e-6], [400e-6, 600e-6], [400e-6, 800e-6]])
    assert trains.metadata == {"age": 14, "region": "hpc"}


def test_csv_gives_the_same_recording(tmp_path: Path) -> None:
    path = tmp_path / "dish.csv"
    path.write_text(
        "time_s, electrode, x_um, y_um\n# duration_s: 12.5\n0.5, A2, 200, 600\n0.25, B1, 400, 800\n3, A2, 200, 600\n"
    )
    trains = formats.read(path)["dish"]
    np.testing.assert_allclose(trains.time, [0.25, 0.5, 3])
    np.testing.assert_array_equal(trains.unit, [1, 0, 0])
    assert trains.duration == 12.5
    np.testing.assert_allclose(trains.positions, [[200e-6, 600e-6], [400e-6, 800e-6]])
    path.write_text("electrode,time_s\n7,1.5\n9,0.5\n")
    trains = formats.read(path)["dish"]
    assert (trains.n_units, trains.duration, trains.positions) == (2, 1.5, None)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"spikes": np.array([10.5, np.nan, 11.0, 19.5, 10.25])}, "1 spike times are not finite"),
        ({"spikes": np.array([9.5, 12.0, 11.0, 19.5, 10.25])}, "a spike at -0.5 s; allowed: from 0 s"),
        ({"spikes": np.array([10.5, 12.0, 11.0, 29.5, 10.25])}, "a spike at 19.5 s; allowed: up to 10 s"),
        ({"sCount": np.array([2, 2, 2])}, "6 spikes counted, 5 there"),
        ({"recordingtime": np.array([20.0, 20.0])}, "duration: 0 s"),
        ({"epos": np.zeros((2, 2))}, "positions of shape (2, 2); allowed: (3, 2)"),
        ({"sCount": None}, "of no known format"),
    ],
)
def test_a_wrong_hdf5_file_is_one_line(changes: dict, expected: str, tmp_path: Path) -> None:
    path = write_hdf5(tmp_path / "dish.h5", **changes)
    with pytest.raises(ProtocolFault) as fault:
        formats.read(path)
    (line,) = fault.value.lines
    assert line.startswith(f"{path}: ")
    assert expected in line


def test_what_is_no_recording_is_one_line(tmp_path: Path) -> None:
    whole = write_hdf5(tmp_path / "whole.h5").read_bytes()
    (tmp_path / "short.h5").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.h5").write_text("no HDF5")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    (tmp_path / "none.csv").write_text("time_s,electrode\n")
    (tmp_path / "words.csv").write_text("time_s,electrode\nsoon,3\n")
    (tmp_path / "dish.brw").write_bytes(b"\0")
    (tmp_path / "folder").mkdir()
    for name, expected in [
        ("absent.h5", "no such file"),
        ("short.h5", "truncated"),
        ("text.h5", "of no known format"),
        ("table.csv", "of no known format"),
        ("none.csv", "no spikes"),
        ("words.csv", "line 2: 'soon'"),
        ("dish.brw", "of no known format; allowed: HDF5 of Charlesworth"),
        ("folder", "of no known format"),
    ]:
        with pytest.raises(ProtocolFault) as fault:
            formats.read(tmp_path / name)
        (line,) = fault.value.lines
        assert expected in line, line
        assert len(line) < 500
