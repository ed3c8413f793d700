"""The twin as the simulated dish of cl-sdk (Cortical Labs): programs written for a CL1 run on it unchanged.

Needs cl-sdk 1.0 (Python 3.12 or newer, licence CC BY-NC 4.0), which is no dependency of this package. One line before
``cl.open()``::

    culture_sim.adapters.cl.use("spontaneous", seed=0)

or none, with the environment variables ``CL_SDK_DATA_SOURCE=culture_sim.adapters.cl:source`` and, for other arguments
than the defaults of `source`, ``CL_SDK_DATA_SOURCE_CONFIG='{"seed": 3}'``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from cl.sim import (
    DataSourceBatch,
    DataSourceSpike,
    DataSourceStim,
    SimulatorDataSource,
    SimulatorDataSourceMetadata,
    set_simulator_data_source,
)

from culture_sim.extracellular.amplitude import template
from culture_sim.live import live
from culture_sim.living import prepare
from protocols.spec.dish.extracellular import Extracellular
from protocols.spec.random_streams import stream

CHANNELS = 64
FRAMES_PER_S = 25_000
DEAD = (0, 4, 7, 56, 63)  # channels of a CL1 that neither stimulate nor record
BEFORE, SNIPPET = 25, 75  # samples of a spike's snippet: before its peak, in all
NOISE_S = 2.0  # length of the noise, which repeats
METADATA = SimulatorDataSourceMetadata(channel_count=CHANNELS, frames_per_second=FRAMES_PER_S, seekable=False)


def use(protocol: str = "spontaneous", **arguments: Any) -> None:
    """Let ``cl.open()`` open a twin; arguments as of `source`."""
    set_simulator_data_source("culture_sim.adapters.cl:source", config={"protocol": protocol, **arguments})


def source(
    protocol: str = "spontaneous",
    seed: int = 0,
    current_scale: float = 30.0,
    samples: bool = True,
    settling_ms: float = 20.0,
    out: str | None = None,
    set: Sequence[str] = (),  # noqa: A002  (as of `live`)
) -> "TwinDataSource":
    """The data source that cl-sdk makes in its simulator's process.

    Parameters
    ----------
    protocol, seed, set
        The dish: as of `culture_sim.live.live`. Its array must have 8 rows and 8 columns; channel ``8 row + column``.
    current_scale
        Factor from the currents of a CL1 to those of the model, whose thresholds are of larger electrodes: at 30, the
        usual 1 uA reaches the cells around an electrode, as 30 uA do in the model.
    samples
        Whether the raw samples hold noise and the spikes' waveforms; otherwise they are zero, which is faster.
    settling_ms
        A pulse that follows another on its channel within this time finds the amplifier unsettled: the spikes that it
        causes directly are not detected on that channel. So a program that answers each spike with a pulse on its
        channel does not answer its own pulses for ever.
    out
        Folder of run directories for the session; None: none is written.
    """
    return TwinDataSource(protocol, seed, current_scale, samples, settling_ms, out, set)


class TwinDataSource(SimulatorDataSource):
    """A living culture that answers stimulation; parameters as of `source`."""

    def __init__(
        self,
        protocol: str,
        seed: int,
        current_scale: float,
        samples: bool,
        settling_ms: float,
        out: str | None,
        set: Sequence[str],  # noqa: A002
    ) -> None:
        self.session = live(protocol, seed, out=out, set=set, quiet=True, signals=False)
        culture = self.session.protocol.culture
        if (n := culture.array.n_electrodes) != CHANNELS:
            raise ValueError(f"culture.array: {n} electrodes; allowed: {CHANNELS}, in 8 rows and 8 columns")
        if (frames := culture.simulation.dt * FRAMES_PER_S) < 1 or abs(frames - round(frames)) > 1e-6:
            raise ValueError(
                f"culture.simulation.dt: {frames:g} frames of 40 us; allowed: a whole number, such as 1 ms"
            )
        prepare("auto")  # here, where cl-sdk sets no time limit: the first time, the program is compiled
        self.current_scale, self.samples, self.seed = current_scale, samples, seed
        self.waiting: list[DataSourceSpike] = []
        self.ended = 0  # frame up to which the culture is simulated
        self.settling_s = settling_ms * 1e-3
        self.last_pulse = np.full(CHANNELS, -(2**31))  # time step of the last pulse of each channel
        self.hidden: dict[int, list[int]] = {}  # by time step: channels whose spikes are not detected

    @property
    def metadata(self) -> SimulatorDataSourceMetadata:
        """What cl-sdk asks of a source."""
        return METADATA

    def open(self) -> None:
        """Grow the culture and start its program."""
        self.dish = self.session.__enter__()
        self.frames_per_step = round(self.dish.dt * FRAMES_PER_S)
        self.ticks = self.dish.loop(1 / self.dish.dt)
        self.rng = np.random.default_rng(stream("cl", self.seed))
        spec = Extracellular.model_validate({"sampling": f"{FRAMES_PER_S} Hz"})
        shape, peak = template(spec)
        self.waveform = shape * spec.peak / (METADATA.uV_per_sample_unit * 1e-6)  # in sample units
        self.peak = peak
        self.snippet = np.zeros(SNIPPET, np.float32)
        first = max(0, peak - BEFORE)
        whole = shape[first : first + SNIPPET - max(0, BEFORE - peak)] * spec.peak * 1e6
        self.snippet[max(0, BEFORE - peak) : max(0, BEFORE - peak) + len(whole)] = whole
        noise = self.rng.standard_normal((round(NOISE_S * FRAMES_PER_S), CHANNELS))
        noise *= spec.noise / (METADATA.uV_per_sample_unit * 1e-6)
        noise[:, list(DEAD)] = 0
        self.noise = noise.astype(np.int16)
        self.added = np.zeros((0, CHANNELS), np.float32)  # waveforms from frame `added_from` on
        self.added_from = 0

    def close(self) -> None:
        """End the program; write the run directory, where one is asked for."""
        if hasattr(self, "dish"):
            dish, _ = self.dish, self.ticks.close()  # type: ignore[attr-defined]
            del self.dish
            self.session.__exit__(None, None, None)
            self.run_dir = dish.run_dir

    def on_stims(self, stims: Sequence[DataSourceStim]) -> None:
        """Give the pulses: the cathodic phase of each, in the time step of its frame, at the soonest in the next."""
        for stim in stims:
            phases = [(-i, d) for i, d in zip(stim.phase_currents_uA, stim.phase_durations_us, strict=True) if i < 0]
            if not phases or stim.channel in DEAD:
                continue
            current_uA, width_us = max(phases)
            step = max(self.dish.step, stim.timestamp // self.frames_per_step)
            if step - self.last_pulse[stim.channel] < self.settling_s / self.dish.dt:
                self.hidden.setdefault(step, []).append(stim.channel)
            self.last_pulse[stim.channel] = step
            amplitude = min(max(current_uA * 1e-6 * self.current_scale, 1e-9), 1e-2)
            self.dish.stimulate(stim.channel, amplitude, width_us * 1e-6, at=step * self.dish.dt, label="cl")

    def read(self, from_timestamp: int, frame_count: int) -> DataSourceBatch:
        """Simulate as far as the frames that are asked for; the spikes and samples of these."""
        to = from_timestamp + frame_count
        while self.ended < to:
            self._step()
        given = [spike for spike in self.waiting if spike.timestamp < to]
        if given:
            self.waiting = [spike for spike in self.waiting if spike.timestamp >= to]
        frames = self._frames(from_timestamp, frame_count) if self.samples else None
        return DataSourceBatch(frames=frames, spikes=[spike for spike in given if spike.timestamp >= from_timestamp])

    def _step(self) -> None:
        """Simulate a time step; its spikes fall on frames within it, at random, where their waveforms fit in."""
        hidden = self.hidden.pop(self.dish.step, ())
        spikes = next(self.ticks).spikes
        if len(spikes.electrode):
            first = min(self.peak, self.frames_per_step - 1)  # earlier frames may be read already
            frames = self.ended + np.sort(self.rng.integers(first, self.frames_per_step, len(spikes.electrode)))
            for frame, channel in zip(frames.tolist(), spikes.electrode.tolist(), strict=True):
                if channel not in DEAD and channel not in hidden:
                    self.waiting.append(DataSourceSpike(frame, channel, self.snippet, 0.0))
                    if self.samples:
                        self._add(frame, channel)
        self.ended += self.frames_per_step

    def _add(self, frame: int, channel: int) -> None:
        """Add a waveform whose peak lies on a frame."""
        first = max(frame - self.peak, self.ended)
        shape = self.waveform[first - (frame - self.peak) :]
        missing = first + len(shape) - self.added_from - len(self.added)
        if missing > 0:
            self.added = np.concatenate([self.added, np.zeros((missing + FRAMES_PER_S // 10, CHANNELS), np.float32)])
        at = first - self.added_from
        self.added[at : at + len(shape), channel] += shape

    def _frames(self, first: int, n: int) -> np.ndarray:
        """Noise and waveforms of `n` frames, shape (n, channels)."""
        start = first % len(self.noise)
        frames = self.noise[start : start + n]
        if len(frames) < n:
            frames = self.noise[(start + np.arange(n)) % len(self.noise)]
        at = first - self.added_from
        own = self.added[at : at + n]
        if len(own):
            frames = frames.copy()
            frames[: len(own)] = np.clip(frames[: len(own)] + own, -32768, 32767).astype(np.int16)
            if at + n > FRAMES_PER_S:  # what was read is not needed again
                self.added, self.added_from = self.added[at + n :], first + n
        return np.ascontiguousarray(frames)
