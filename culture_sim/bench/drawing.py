"""Time to draw all figures of an evoked run at the density of the dish: one line of ``python -m culture_sim.bench``.

The run directory is planned, analysed and written like any other, but its cultures are wired sparsely and their spikes
are made up, so the measurement needs neither a simulator nor gigabytes of synapses. The spikes of all neurons are kept,
which a run does only if asked to.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from scipy.sparse import random_array

from culture_sim.engines.recording import Recording
from culture_sim.experiments.dispatch import summarise
from culture_sim.experiments.responses import measure
from culture_sim.experiments.stimulus import encode
from culture_sim.model.culture import PROJECTIONS, Culture
from culture_sim.model.electrodes import electrode_positions
from culture_sim.model.placement import place_neurons
from protocols.loading.loader import find, load
from protocols.loading.published import read_targets
from protocols.plan.timeline import expand
from protocols.runs.run_directory import Run
from protocols.spec.culture import Culture as CultureSpec
from protocols.spec.faults import installation
from protocols.spec.protocol import EvokedProtocol
from protocols.spec.random_streams import stream

PROTOCOL = "ruaro2005_full"
INTERVAL = 20  # steps between two spikes of a neuron: 50 Hz at steps of 1 ms
FAN_OUT = 10


def bench(console: Console, n_neurons: int = 10140) -> None:
    """Measure and print; without matplotlib print only that."""
    try:
        from figures.make import make
    except ImportError as missing:
        console.print(
            f"Figures: not measured, {missing.name} is not installed ({installation('figures')}).",
            markup=False,
        )
        return
    with tempfile.TemporaryDirectory(prefix="culture_sim_") as folder:
        run_dir, n_spikes = write_run(Path(folder), n_neurons)
        started = time.perf_counter()
        written = make(run_dir)
        elapsed = time.perf_counter() - started
    console.print(
        f"Figures: {elapsed:.1f} s to read an evoked run with {n_neurons:,} neurons per culture and {n_spikes:,} "
        f"spikes and to draw its {len(written)} figures."
    )


def write_run(out: Path, n_neurons: int, *options: str) -> tuple[Path, int]:
    """Write the run directory of an evoked-response protocol with made-up spikes.

    Parameters
    ----------
    out
        Folder that the run directory is made in.
    n_neurons
        Neurons of each culture.
    options
        Further overrides of the protocol, ``path=value``.

    Returns
    -------
    run_dir, n_spikes
        The run directory and the number of spikes in it, all cultures together.
    """
    changes = [f"culture.neurons.count={n_neurons}", "phases.tetanisation.repetitions=4", "record.spikes=all"]
    protocol = load(PROTOCOL, [*changes, *options])
    if not isinstance(protocol, EvokedProtocol) or protocol.targets is None:
        raise TypeError(f"{PROTOCOL} is not an evoked-response protocol with published values")
    published = find(PROTOCOL).parent / protocol.targets
    parts = {seed: _arrays(protocol, seed) for seed in protocol.seed_list}
    metrics = summarise(protocol, list(parts.values()), read_targets(published))
    arrays = {f"seed_{seed}/{path}": array for seed, part in parts.items() for path, array in part.items()}
    run = Run(out, protocol, "drawn")
    with run.writing():
        run.finish(metrics, {}, arrays, {protocol.targets: published.read_bytes()})
    return run.path, sum(len(part["spikes/step"]) for part in parts.values())


def _arrays(protocol: EvokedProtocol, seed: int) -> dict[str, np.ndarray]:
    """Arrays of one seed, as `culture_sim.experiments.probing` leaves them; all neurons fire at the same interval."""
    rng, culture, timeline = (
        np.random.default_rng(seed),
        _wired_at_random(protocol.culture, seed),
        expand(protocol, seed),
    )
    session, n_neurons = encode(protocol, timeline, seed), protocol.culture.neurons.count
    fires = rng.integers(INTERVAL, size=n_neurons) == np.arange(session.n_steps.sum())[:, None] % INTERVAL
    step, neuron = np.nonzero(fires)
    recording = Recording(protocol.culture.simulation.dt, session, neuron.astype(np.int32), step, culture.weights)
    responses = measure(protocol, timeline, culture, recording)
    return {"trials/" + "/".join(key): values for key, values in responses.leaky.items()} | responses.arrays


def _wired_at_random(spec: CultureSpec, seed: int) -> Culture:
    """A culture whose sources have about `FAN_OUT` targets each, at any distance."""
    rng, n_neurons, electrodes = np.random.default_rng(seed), spec.neurons.count, electrode_positions(spec.array)
    weights = {}
    for name in PROJECTIONS:
        shape = (len(electrodes) if name == "electrode" else n_neurons, n_neurons)
        weights[name] = random_array(shape, density=FAN_OUT / n_neurons, format="csr", rng=rng)
    return Culture.from_arrays(spec, place_neurons(spec.array.area, n_neurons, stream("placement", seed)), weights)
