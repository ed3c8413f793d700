"""One seed of a reservoir experiment: simulate the culture and its controls, then read patterns from the responses."""

from collections.abc import Callable

import numpy as np

from culture_sim.analysis.stimulation import Heard
from culture_sim.living import LivingCulture, LivingSession, LivingState, simulate
from culture_sim.model.electrodes import each_hearing, neurons_within
from culture_sim.reservoir import variants
from culture_sim.reservoir.measures import measured
from culture_sim.reservoir.responses import features
from protocols.plan.reservoir import Trials, electrode_pulses, expand_reservoir
from protocols.runs.reporting import Report, share_of
from protocols.runs.run_directory import Run
from protocols.spec.protocol import ReservoirProtocol

PART = "seed_{}_of_{}"  # name of the part with the responses of a culture or a control
STRETCH_S = 300.0  # of simulated time: bounds the spikes in memory
NOTHING = Heard(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool))
SIMULATED = 0.9  # share of the progress that the simulations have


def run_seed(protocol: ReservoirProtocol, device: str, seed: int, run: Run, report: Report) -> dict[str, np.ndarray]:
    """Run one seed; responses that were saved before an interruption are not simulated again.

    Returns
    -------
    dict
        Arrays by path: ``positions``, ``electrodes``, ``excitatory``; ``trials/truth``, ``pattern``, ``session``,
        ``part``, ``current``, ``at``; ``features/culture``, shape (n_trials, n_windows, n_electrodes), and
        ``features/before`` where it is a control; ``answers`` and ``tested``; ``confusion``; ``curve/trials`` and
        ``curve/electrodes``: number and accuracy; ``measured/<name>`` and ``definitions``, as of a dish.
    """
    trials = expand_reservoir(protocol, seed)
    culture = LivingCulture.grow(protocol.culture, seed)
    names = variants.simulated(protocol.reservoir)
    responses: dict[str, np.ndarray] = {}
    share = SIMULATED / len(names)
    for k, name in enumerate(names):
        part = run.load_part(PART.format(seed, name))
        if part is None:
            other = variants.grown(name, culture, protocol.reservoir, seed)
            plastic = trials.plastic if name in variants.PLASTIC else trials.plastic[:0]
            part = _responses(protocol, trials, other, plastic, device, share_of(report, k * share, share))
            run.save_part(PART.format(seed, name), part)
        responses[name] = part["after"]
        if name == "culture" and "before" in part:
            responses["before"] = part["before"]
    results = measured(protocol, trials, responses, seed)
    kept = ("truth", "pattern", "session", "part", "current", "at")
    return {
        "positions": culture.positions,
        "electrodes": culture.electrodes,
        "excitatory": culture.excitatory,
        **{f"trials/{name}": getattr(trials, name) for name in kept},
        **{f"features/{name}": responses[name] for name in ("culture", "before") if name in responses},
        **results,
    }


def discard(run: Run, seed: int) -> None:
    """Delete the saved responses of a seed that is finished."""
    for path in run.partial.glob(f"{PART.format(seed, '*')}.npz"):
        path.unlink()


def _responses(
    protocol: ReservoirProtocol,
    trials: Trials,
    culture: LivingCulture,
    plastic: np.ndarray,
    device: str,
    report: Report,
) -> dict[str, np.ndarray]:
    """Features ``after`` the stimuli, and ``before`` them where that is a control; simulated in stretches."""
    pulses = electrode_pulses(protocol, trials)
    session = LivingSession(trials.n_steps, *pulses, plastic=plastic)
    reached = neurons_within(protocol.reservoir.response.within, culture.electrodes, culture.positions)
    asked = {"after": False} | ({"before": True} if "before" in protocol.reservoir.controls else {})
    found: dict[str, list[np.ndarray]] = {name: [] for name in asked}
    state, heard, done = LivingState.at_rest(culture), NOTHING, 0
    every, length = protocol.culture.steps(protocol.reservoir.every), max(1, protocol.culture.steps(STRETCH_S))
    for first in range(0, trials.n_steps, length):
        last = min(first + length, trials.n_steps)
        recording = simulate(culture, session.between(first, last), device, state, _counted(report, first, trials))
        state = recording.state
        spike, electrode = each_hearing(reached, recording.neuron)
        new = Heard(recording.step[spike].astype(np.int64) + first, electrode, recording.direct[spike])
        heard = Heard(*(np.concatenate(both) for both in zip(heard, new, strict=True)))
        whole = int(np.searchsorted(trials.at, last - every, side="right"))  # trials that are over
        for name, before in asked.items():
            found[name].append(features(protocol, trials.at[done:whole], heard, before=before))
        done = whole
        kept = heard.step >= last - 2 * every  # what windows of the next trials may reach
        heard = Heard(*(values[kept] for values in heard))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _counted(report: Report, first: int, trials: Trials) -> Callable[[int, int], None]:
    return lambda done, _: report((first + done) / trials.n_steps)
