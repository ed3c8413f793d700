"""One seed of an experiment with a timeline: grow a living culture, simulate it in continuous time, measure it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from culture_sim.analysis import stimulation
from culture_sim.analysis.panel import MEASURED, as_arrays
from culture_sim.analysis.stimulation import Heard
from culture_sim.closed_loop import steps
from culture_sim.experiments import stretches
from culture_sim.experiments.dish_measures import DishRecording, measures
from culture_sim.living import LivingCulture, LivingRecording, LivingSession
from culture_sim.model.electrodes import each_hearing, neurons_within
from protocols.loading.published import Target, compare
from protocols.plan.dish import COURSE, COURSE_BIN, DishPlan, electrode_pulses, expand_dish
from protocols.results.statistics import over_seeds
from protocols.runs.reporting import Report
from protocols.runs.run_directory import Run
from protocols.spec.dish.timeline import Probe, patterns_of, unrolled
from protocols.spec.protocol import DishProtocol

UNDEFINED = 5.0  # sd: the distance in a measure that a culture does not have, such as bursts' length without any


def run_seed(protocol: DishProtocol, device: str, seed: int, run: Run, report: Report) -> dict[str, np.ndarray]:
    """Run one seed, or go on with it from where it was saved last.

    Parameters
    ----------
    protocol, device, seed
        What to run, with which engine, and which culture.
    run
        Run directory, where the simulation is saved from time to time.
    report
        Called with the fraction done.

    Returns
    -------
    dict
        Arrays by path: ``positions``, ``electrodes``, ``excitatory``; ``heard/step``, ``heard/electrode``,
        ``heard/direct``: the spikes that electrodes hear; ``spikes/...`` of all neurons where they are recorded;
        ``course/<step>/<pattern>``: time courses around pulses; ``network_bursts/<measure>/start`` and
        ``end``: of the panels, in seconds from the start of the step; of closed loops ``stimuli/...``, ``events/...``
        and ``ticks/step`` (`culture_sim.closed_loop.record`); ``measured/<name>``: measures, one value each;
        ``definitions``: their names, units and definitions, shape (n_measures, 3).
    """
    plan = expand_dish(protocol)
    culture = LivingCulture.grow(protocol.culture, seed)
    pulses = electrode_pulses(protocol, plan)
    session = LivingSession(plan.n_steps, *pulses, plastic=learning_intervals(plan))
    reached = neurons_within(protocol.record.within, culture.electrodes, culture.positions)
    closed = steps.own_stretches(protocol, plan, culture, device, seed, run)
    spikes = stretches.simulated(
        culture,
        session,
        device,
        run,
        seed,
        lambda *stretch: kept(protocol, reached, *stretch),
        report,
        closed,
        steps.nothing() if closed else None,
    )
    return arrays_of(protocol, culture, spikes)


def learning_intervals(plan: DishPlan) -> np.ndarray:
    """Intervals of time steps in which synapses learn, shape (n_intervals, 2)."""
    learning = plan.steps[plan.steps["plastic"]]
    return np.column_stack([learning["start"], learning["stop"]])


def arrays_of(
    protocol: DishProtocol, culture: LivingCulture, spikes: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The arrays of a seed, as of `run_seed`, from what `kept` gave of its whole timeline."""
    plan = expand_dish(protocol)
    heard = Heard(*(spikes[f"heard/{field}"] for field in Heard._fields))
    arrays = {
        "positions": culture.positions,
        "electrodes": culture.electrodes,
        "excitatory": culture.excitatory,
        **spikes,
    }
    arrays |= _courses(protocol, plan, heard)
    dish = DishRecording.of(protocol, arrays)
    for name, bursts in dish.network_bursts.items():
        arrays |= {f"network_bursts/{name}/start": bursts.start, f"network_bursts/{name}/end": bursts.end}
    return arrays | as_arrays(measures(dish))


def summarise(parts: Sequence[Mapping[str, np.ndarray]], targets: list[Target]) -> dict[str, Any]:
    """The metrics of a run from the arrays of its seeds; a seed in which a measure is not defined does not count."""
    metrics: dict[str, Any] = {}
    for path, unit, definition in parts[0]["definitions"].tolist():
        values = np.array([float(part[MEASURED + path]) for part in parts])
        defined = values[np.isfinite(values)]
        if len(defined):
            summary = over_seeds(defined, unit)
        else:
            summary = {"mean": None, "sd": None, "ci95": None, "n": 0, "unit": unit, "per_seed": []}
        metrics[path] = summary | {"definition": definition}
    metrics["targets"] = compare(metrics, targets, None)
    if distance := _distance(targets, parts):
        metrics["distance"] = distance
    return metrics


def _distance(targets: Sequence[Target], parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Any] | None:
    """Distance of each seed from the published means, in published standard deviations."""
    units = {path: unit for path, unit, _ in parts[0]["definitions"].tolist()}
    rows = [row for row in targets if row.sd and row.bin_ms is None and units.get(row.quantity) == row.unit]
    if not rows:
        return None
    published = np.array([[row.value, row.sd] for row in rows])
    values = np.array([[float(part[MEASURED + row.quantity]) for row in rows] for part in parts])
    each = distances(values, published[:, 0], published[:, 1])
    return over_seeds(each, "sd") | {"definition": f"root mean square over {len(rows)} published values, seed by seed"}


def distances(values: np.ndarray, of: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Root-mean-square difference over the last axis, in standard deviations; `UNDEFINED` where either is NaN."""
    difference = np.abs(values - of) / sd
    return np.sqrt(np.mean(np.where(np.isfinite(difference), difference, UNDEFINED) ** 2, axis=-1))


def outline(protocol: DishProtocol) -> list[str]:
    """The steps, a line each."""
    plan, dt = expand_dish(protocol), protocol.culture.simulation.dt
    lines = []
    for index, (name, row) in enumerate(zip(plan.names, plan.steps, strict=True)):
        n = int((plan.pulses["step"] == index).sum())
        pulses = f", {n} pulses" if n else ""
        lines.append(f"{name}: {(row['stop'] - row['start']) * dt:g} s{pulses}{', learning' if row['plastic'] else ''}")
    return lines


def kept(
    protocol: DishProtocol, reached: csr_array, recording: LivingRecording, first_step: int
) -> dict[str, np.ndarray]:
    """The spikes of a stretch that are kept: heard ones, once for each electrode within reach; all, where asked for."""
    step = recording.step + np.int32(first_step)
    spike, electrode = each_hearing(reached, recording.neuron)
    small = np.int16 if reached.shape[0] <= 2**15 else np.int32
    heard = Heard(step[spike], electrode.astype(small), recording.direct[spike])
    found = {f"heard/{name}": values for name, values in heard._asdict().items()}
    if protocol.record.spikes == "all":
        found |= {"spikes/neuron": recording.neuron, "spikes/step": step}
    return found


def _courses(protocol: DishProtocol, plan: DishPlan, heard: Heard) -> dict[str, np.ndarray]:
    """Time courses around the pulses of every probing step and pattern."""
    steps, n = protocol.culture.steps, protocol.culture.array.n_electrodes
    found = {}
    for name, step in unrolled(protocol.timeline):
        for pattern in patterns_of(step) if isinstance(step, Probe) else ():
            pulses = plan.pulses_of(name, pattern)
            found[f"course/{name}/{pattern}"] = stimulation.time_course(
                heard, n, pulses, steps(-COURSE[0]), steps(COURSE[1]), max(1, steps(COURSE_BIN))
            )
    return found
