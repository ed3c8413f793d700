"""Traces of recording systems, in files written here in their layouts, through SpikeInterface."""

from pathlib import Path

import numpy as np
import pytest

from culture_sim import formats
from culture_sim.analysis.spike_trains import SpikeTrains

h5py = pytest.importorskip("h5py")
spikeinterface = pytest.importorskip("spikeinterface")

RATE, N, CHANNELS = 20_000, 20_000, 4


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray, list[np.ndarray]]:
    """Samples (uV), shape (N, CHANNELS), and the spike times of each channel (s)."""
    rng = np.random.default_rng(0)
    trace, true = rng.normal(0, 5, (N, CHANNELS)), []
    shape = -80 * np.exp(-((np.arange(-12, 13) / 3) ** 2))
    for channel in range(CHANNELS):
        at = np.sort(rng.choice(np.arange(200, N - 200, 400), 15, replace=False))
        for sample in at:
            trace[sample - 12 : sample + 13, channel] += shape
        true.append(at / RATE)
    return trace, true


def check(trains: SpikeTrains, true: list[np.ndarray]) -> None:
    assert trains.duration == N / RATE
    assert any(note.startswith("spikes detected") for note in trains.notes)
    for found, expected in zip(trains.trains, true, strict=True):
        np.testing.assert_allclose(found, expected, atol=1 / RATE)


def test_mcs(tmp_path: Path, samples: tuple[np.ndarray, list[np.ndarray]], monkeypatch: pytest.MonkeyPatch) -> None:
    trace, true = samples
    fields = [("ChannelID", "i4"), ("Label", "S8"), ("Unit", "S4"), ("Exponent", "i4"), ("ADZero", "i4")]
    info = np.array(
        [(k, b"%d" % k, b"V", -12, 0, 50, 10**6) for k in range(CHANNELS)],
        np.dtype([*fields, ("Tick", "i8"), ("ConversionFactor", "i8")]),
    )
    with h5py.File(tmp_path / "mcs.h5", "w") as file:
        stream = file.create_group("Data/Recording_0/AnalogStream/Stream_0")
        stream["ChannelData"] = np.rint(trace.T).astype(np.int32)
        stream["ChannelDataTimeStamps"] = np.array([[0, 0, N - 1]])
        stream["InfoChannel"] = info
    check(formats.read(tmp_path / "mcs.h5")["mcs"], true)
    monkeypatch.setattr("culture_sim.formats.vendors.available_memory_bytes", lambda: 32 * N - 1)
    with pytest.raises(formats.ProtocolFault, match=r"times of its frames need about 0.0 GB in SpikeInterface"):
        formats.read(tmp_path / "mcs.h5")


def test_maxwell_of_two_wells(tmp_path: Path, samples: tuple[np.ndarray, list[np.ndarray]]) -> None:
    trace, true = samples
    fields = np.dtype([("channel", "i4"), ("electrode", "i4"), ("x", "f8"), ("y", "f8")])
    mapping = np.array([(k, 10 * k, 17.5 * k, 35.0) for k in range(CHANNELS)], fields)
    with h5py.File(tmp_path / "mx.h5", "w") as file:
        file["version"] = np.array([b"20190530"])
        file["data_store/data0000"] = 0
        for well in ("well000", "well001"):
            group = file.create_group(f"wells/{well}/rec0000")
            group["settings/sampling"], group["settings/lsb"] = np.array([float(RATE)]), np.array([1e-6])
            group["settings/mapping"] = mapping
            group["groups/routed/raw"] = np.rint(trace.T + 512).astype(np.uint16)
    found = formats.read(tmp_path / "mx.h5")
    assert list(found) == ["mx well000", "mx well001"]
    for trains in found.values():
        check(trains, true)
        np.testing.assert_allclose(trains.positions, np.stack([mapping["x"], mapping["y"]], axis=1) * 1e-6)


def test_3brain(tmp_path: Path, samples: tuple[np.ndarray, list[np.ndarray]]) -> None:
    trace, true = samples
    with h5py.File(tmp_path / "chip.brw", "w") as file:
        known = {"BitDepth": 12, "MaxVolt": 2048.0, "MinVolt": -2048.0, "NRecFrames": N, "SamplingRate": float(RATE)}
        for name, value in (known | {"SignalInversion": 1}).items():
            file[f"3BRecInfo/3BRecVars/{name}"] = np.array([value])
        channels = np.array([(1, 1), (1, 2), (2, 1), (2, 2)], np.dtype([("Row", "i2"), ("Col", "i2")]))
        file["3BRecInfo/3BMeaStreams/Raw/Chs"] = channels
        file["3BData/Raw"] = np.rint(trace + 2048).astype(np.uint16).ravel()
        file["3BData"].attrs["Version"] = 101
    check(formats.read(tmp_path / "chip.brw")["chip"], true)


@pytest.mark.filterwarnings("ignore")  # SpikeInterface's, of objects in memory
def test_folders_of_spikeinterface(tmp_path: Path, samples: tuple[np.ndarray, list[np.ndarray]]) -> None:
    trace, true = samples
    recording = spikeinterface.NumpyRecording([trace.astype(np.float32)] * 2, RATE)
    recording.save(folder=tmp_path / "traces", verbose=False, progress_bar=False)
    found = formats.read(tmp_path / "traces")
    assert list(found) == ["traces segment 1", "traces segment 2"]
    check(found["traces segment 2"], true)
    units = {name: np.array(samples) for name, samples in (("a", [10, 200, 4000]), ("b", [5]))}
    spikeinterface.NumpySorting.from_unit_dict([units], RATE).save(folder=tmp_path / "units")
    trains = formats.read(tmp_path / "units")["units"]
    assert trains.time.tolist() == [5 / RATE, 10 / RATE, 0.01, 0.2]
    assert trains.unit.tolist() == [1, 0, 0, 0]


def test_what_spikeinterface_cannot_read_is_one_line(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file["version"], file["mapping"], file["sig"] = np.array([b"20100101"]), 0, 0
    with pytest.raises(formats.ProtocolFault, match="SpikeInterface cannot read it: This version 20100101 is not"):
        formats.read(tmp_path / "old.h5")


@pytest.mark.filterwarnings("ignore")  # SpikeInterface's, of objects in memory
def test_a_mistake_in_code_of_ours_is_not_blamed_on_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(*_: object) -> None:
        raise TypeError("a mistake")

    recording = spikeinterface.NumpyRecording([np.zeros((100, 1), np.float32)], RATE)
    recording.save(folder=tmp_path / "traces", verbose=False, progress_bar=False)
    monkeypatch.setattr("culture_sim.formats.vendors.detect", mistaken)
    with pytest.raises(TypeError, match="a mistake"):
        formats.read(tmp_path / "traces")
