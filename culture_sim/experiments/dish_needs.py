"""Memory and disk that a run of a living culture needs, known before it is grown."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from culture_sim.experiments.stretches import LONGEST_S
from culture_sim.model.electrodes import electrode_positions, neurons_within
from culture_sim.model.expected_work import SAMPLE
from culture_sim.model.placement import place_cells
from protocols.runs.machine import cores
from protocols.spec.dish.living import FIXED_DELAY, LivingCulture
from protocols.spec.dish.loops import RateControl
from protocols.spec.dish.timeline import Loop, duration, patterns_of, unrolled
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import DishProtocol
from protocols.spec.random_streams import stream

#: spikes a second of each neuron that are reckoned with: cultures fire less, about 2 Hz at 21 days in vitro
RATE_HZ = 5.0
BASE = 200e6  # bytes of a process without a culture: Python and its libraries
RAW = 9  # bytes of a spike as the simulator writes it
HEARD, ANY = 7, 8  # bytes of a spike that an electrode hears, and of one of all neurons
MEASURED = 90  # bytes of each heard spike while the panel of spontaneous activity is computed, measured
PULSE = 300  # bytes of a pulse while the timeline is expanded, measured
FILES = 2  # copies of the spikes on disk at the end: each seed's, and arrays.npz


@dataclass(frozen=True)
class Needs:
    """What a run needs.

    Parameters
    ----------
    n_synapses
        Expected number.
    seed_bytes
        Peak memory while a seed is simulated and measured.
    kept_bytes
        Memory of the spikes of all seeds, which are held until the run ends.
    disk_bytes
        In the folder of runs.
    scratch_bytes
        In the folder of temporary files, for each seed that runs.
    """

    n_synapses: int
    seed_bytes: int
    kept_bytes: int
    disk_bytes: int
    scratch_bytes: int

    @classmethod
    def of(cls, protocol: DishProtocol) -> "Needs":
        """The needs of a protocol: synapses and neurons exactly counted, spikes at `RATE_HZ`."""
        spec = protocol.culture
        n, word = spec.n_neurons, np.dtype(spec.simulation.precision).itemsize
        synapses = round(n * spec.synapses.fan_in) if spec.synapses else 0
        arrival = 4 if spec.plasticity else 0
        # target and delay twice, weights in the culture, three states and the program, arrivals in two and the program
        network = 1.1 * synapses * (16 + 5 * word + 3 * arrival) + n * (60 * word + 8 * (_longest_delay(spec) + 1))
        growing = n * max(12 * min(n, 1024), 24 * 64 * cores()) + synapses * (20 + 2 * word)
        spikes = RATE_HZ * n * sum(duration(step) for _, step in unrolled(protocol.timeline))
        heard = spikes * _electrodes_hearing(protocol)
        kept = heard * HEARD + (spikes * ANY if protocol.record.spikes == "all" else 0)
        state = synapses * (word + arrival) + n * 12 * word
        return cls(
            synapses,
            int(BASE + max(network, growing) + heard * MEASURED + 2 * kept + PULSE * _pulses(protocol)),
            int(protocol.seeds * kept),
            int(protocol.seeds * (FILES * kept + 2 * state)),
            int(synapses * (8 + word) + 2 * state + RAW * min(spikes, RATE_HZ * n * LONGEST_S)),
        )


def check(protocol: DishProtocol, folder: Path, memory_bytes: int | None) -> None:
    """Refuse a run that needs more memory than `memory_bytes`, or more disk than `folder` has.

    Raises
    ------
    ProtocolFault
        With what is needed, what there is, and what to change.
    """
    needs = Needs.of(protocol)
    count, seconds = protocol.culture.n_neurons, sum(duration(step) for _, step in unrolled(protocol.timeline))
    size = (
        f"{count} neurons, {needs.n_synapses:.3g} synapses, {protocol.seeds} x {seconds:g} s at {RATE_HZ:g} Hz a neuron"
    )
    less = "fewer neurons, a shorter timeline, fewer seeds"
    less += ", record.spikes: heard" if protocol.record.spikes == "all" else ""
    needed = needs.seed_bytes + needs.kept_bytes
    if memory_bytes is not None and needed > memory_bytes:
        raise ProtocolFault([_fault(f"culture: {size}", needed, "memory", memory_bytes, less)])
    for place, amount in ((folder, needs.disk_bytes), (Path(tempfile.gettempdir()), needs.scratch_bytes)):
        if amount > (free := free_bytes(place)):
            raise ProtocolFault([_fault(f"culture: {size}", amount, f"disk in {place}", free, less)])


def outline(protocol: DishProtocol, folder: Path) -> list[str]:
    """Memory and disk of the whole run, as lines of text."""
    needs = Needs.of(protocol)
    return [
        f"spikes (all seeds, at {RATE_HZ:g} Hz a neuron): {needs.kept_bytes / 1e9:.2g} GB of memory at the end; "
        f"disk: {needs.disk_bytes / 1e9:.2g} of {free_bytes(folder) / 1e9:.3g} GB free in {folder}",
    ]


def free_bytes(folder: Path) -> int:
    """Free space where a folder is, or will be."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def _fault(path: str, needed: int, kind: str, free: int, less: str) -> str:
    return f"{path}: about {needed / 1e9:.2g} GB of {kind}; allowed: the {free / 1e9:.2g} GB that are free ({less})"


def _longest_delay(spec: LivingCulture) -> int:
    delay = spec.synapses.delay if spec.synapses else None
    return spec.steps(delay.most if delay else FIXED_DELAY)


def _electrodes_hearing(protocol: DishProtocol) -> float:
    """Mean number of electrodes that hear a neuron, from a sample of positions."""
    spec = protocol.culture
    sample = place_cells(spec, SAMPLE, stream("estimate"))
    return neurons_within(protocol.record.within, electrode_positions(spec.array), sample).nnz / SAMPLE


def _pulses(protocol: DishProtocol) -> int:
    """Rows of the tables of pulses: one of each pattern, one of each electrode; of a rate control at most so many."""
    total = 0
    for _, step in unrolled(protocol.timeline):
        if isinstance(step, Loop):
            total += round(step.duration * step.rate * step.loop.most) if isinstance(step.loop, RateControl) else 0
            continue
        rows = sum(1 + len(protocol.patterns[name].electrodes) for name in patterns_of(step))
        total += rows * getattr(step, "repetitions", 0) * getattr(step, "pulses", 1)
    return total
