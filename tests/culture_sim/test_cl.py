"""The twin as the simulated dish of cl-sdk, where that is installed (Python 3.12 or newer).

Without it nothing here runs; docs/how_to/closed_loop says how to run it.
"""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

pytest.importorskip("cl")

from cl.sim import DataSourceStim

from culture_sim.adapters import cl as adapter

AROUND = [26, 28, 18, 19, 20, 34, 35, 36, 27]  # channel 27 and its neighbours on 8 x 8


def stim(frame: int, channel: int = 27, current_uA: float = 1.0) -> DataSourceStim:
    return DataSourceStim(frame, channel, frame, (160, 160), (-current_uA, current_uA))


def read_all(source: adapter.TwinDataSource, n: int, block: int = 5) -> list:
    found = []
    for first in range(0, n, block):
        batch = source.read(first, block)
        assert all(first <= spike.timestamp < first + block for spike in batch.spikes)
        assert batch.frames is None or batch.frames.shape == (block, 64)
        found += batch.spikes
    return found


def test_blocks_of_any_size_give_the_same_spikes_and_samples(tmp_path: Path) -> None:
    found = []
    for block in (5, 125, 1000):
        source = adapter.source("spontaneous", seed=3)
        source.open()
        spikes, frames = [], []
        for first in range(0, 100_000, block):
            batch = source.read(first, block)
            spikes += [(spike.timestamp, spike.channel) for spike in batch.spikes]
            frames.append(batch.frames)
        source.close()
        found.append((spikes, np.concatenate(frames)))
    assert len(found[0][0]) > 100
    assert not {channel for _, channel in found[0][0]} & set(adapter.DEAD)
    for spikes, frames in found[1:]:
        assert spikes == found[0][0]
        np.testing.assert_array_equal(frames[10_000:20_000], found[0][1][10_000:20_000])
    frame, channel = next((f, c) for f, c in found[0][0] if 1000 < f < 90_000)
    assert found[0][1][frame, channel] < -300  # the negative peak, in units of 0.195 uV
    assert found[0][1][:, list(adapter.DEAD)].any() == False  # noqa: E712


def test_a_stimulus_is_followed_by_spikes_on_its_channel_and_around_it() -> None:
    """Within 10 ms after 200 stimuli against the 10 ms before them: a sign test."""
    source = adapter.source("spontaneous", seed=0, samples=False)
    source.open()
    at = [25_000 + 10_000 * k + 7 for k in range(200)]
    spikes, first = [], 0
    for frame in [*at, at[-1] + 10_000]:
        spikes += source.read(first, frame + 1 - first).spikes
        first = frame + 1
        source.on_stims([stim(frame)])
    source.close()
    times = np.sort([spike.timestamp for spike in spikes if spike.channel in AROUND])
    after, before = (
        np.array([np.searchsorted(times, f + 251 + o) - np.searchsorted(times, f + 1 + o) for f in at])
        for o in (0, -251)
    )
    more, fewer = int((after > before).sum()), int((after < before).sum())
    p = binomtest(more, more + fewer, alternative="greater").pvalue
    print(f"{after.mean():.2f} spikes after, {before.mean():.2f} before; p = {p:.2g}")
    assert p < 1e-6


def test_a_weak_stimulus_a_dead_channel_and_an_anodic_pulse_do_nothing() -> None:
    source = adapter.source("spontaneous", seed=0, samples=False)
    source.open()
    source.on_stims([stim(10, current_uA=0.01), stim(10, channel=0), DataSourceStim(10, 5, 10, (160,), (1.0,))])
    read_all(source, 5000)
    pulses = source.dish.record.pulses
    _, _, direct = source.dish.record.all_spikes(0, source.dish.step)
    source.close()
    assert [pulse.electrode for pulse in pulses] == [27]
    assert not direct.any()


def test_direct_spikes_of_pulses_in_quick_succession_are_hidden_on_their_channel() -> None:
    source = adapter.source("spontaneous", seed=0, samples=False)
    source.open()
    spikes = source.read(0, 25_001).spikes
    source.on_stims([stim(25_001 + 250 * k) for k in range(10)])  # every 10 ms, from 1001 ms on
    spikes += source.read(25_001, 25_000).spikes
    _, step, direct = source.dish.record.all_spikes(0, source.dish.step)
    source.close()
    assert len(set(step[direct])) == 10
    own = {spike.timestamp // 25 for spike in spikes if spike.channel == 27}
    pulses = [1001 + 10 * k for k in range(10)]
    assert pulses[0] in own
    assert not own & set(pulses[1:])


def test_the_session_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    source = adapter.source("spontaneous", samples=False, out=str(tmp_path))
    source.open()
    read_all(source, 25_000)
    source.close()
    source.close()
    assert (source.run_dir / "arrays.npz").is_file()


def test_an_array_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="60 electrodes; allowed: 64"):
        adapter.source("spontaneous", set=["culture.array=mcs_8x8"])


def test_a_program_for_a_cl1_runs_on_the_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through cl-sdk itself, in accelerated time: its simulator's process, its loop, its stimulation."""
    import cl

    monkeypatch.setenv("CL_SDK_ACCELERATED_TIME", "1")
    adapter.use("spontaneous", seed=0, samples=False)
    try:
        spikes, given = [], []
        with cl.open() as neurons:
            for tick in neurons.loop(ticks_per_second=100, stop_after_ticks=600):
                spikes += [(spike.timestamp, spike.channel) for spike in tick.analysis.spikes]
                given += [s.timestamp for s in tick.analysis.stims]
                if tick.iteration % 20 == 10:
                    neurons.stim(cl.ChannelSet(27), cl.StimDesign(160, -1.0, 160, 1.0))
    finally:
        cl.sim.clear_simulator_data_source()
    assert len(given) >= 25
    times = np.sort([t for t, channel in spikes if channel in AROUND])
    answered = [np.searchsorted(times, t + 250) - np.searchsorted(times, t) for t in given]
    assert np.mean(np.array(answered) > 0) > 0.7
