"""One seed of an evoked-response experiment: grow, stimulate, simulate, analyse."""

from collections.abc import Callable

import numpy as np

from culture_sim.engines import Engine
from culture_sim.experiments.responses import measure
from culture_sim.experiments.stimulus import encode
from culture_sim.model.culture import Culture
from protocols.plan.timeline import expand
from protocols.spec.protocol import EvokedProtocol


def run_seed(
    protocol: EvokedProtocol, engine: Engine, seed: int, report: Callable[[float], None]
) -> dict[str, np.ndarray]:
    """Run one seed.

    Parameters
    ----------
    protocol, engine, seed
        The experiment, the simulator and the number of the culture.
    report
        Called with the fraction done.

    Returns
    -------
    dict
        Arrays by path; ``trials/<stimulus>/<phase>/<window>`` holds the responses, one value per trial.
    """
    culture = Culture.grow(protocol.culture, seed)
    timeline = expand(protocol, seed)
    session = encode(protocol, timeline, seed)
    # the work grows with the pulses, so the progress counts them
    pulses = np.bincount(np.searchsorted(session.onset, session.step, "right") - 1, minlength=len(session.n_steps))
    done = np.cumsum(pulses + session.n_steps / 10)
    recording = engine.run(culture, session, lambda k, _: report(float(done[k - 1] / done[-1])))
    responses = measure(protocol, timeline, culture, recording)
    trials = {"trials/" + "/".join(key): values for key, values in responses.leaky.items()}
    return trials | responses.arrays


def trials(part: dict[str, np.ndarray]) -> dict[tuple[str, str, str], np.ndarray]:
    """Responses of the trials among the arrays of a seed, by (stimulus, phase, window)."""
    found = {}
    for path, values in part.items():
        if path.startswith("trials/"):
            _, stimulus, phase, window = path.split("/")
            found[stimulus, phase, window] = values
    return found


def outline(protocol: EvokedProtocol) -> list[str]:
    """Phases with their length, one line each."""
    timeline, lines = expand(protocol), []
    for index, phase in enumerate(timeline.phases):
        rows = timeline.presentations[timeline.presentations["phase"] == index]
        learns = "learning" if rows["plastic"].any() else "no learning"
        seconds = rows["n_steps"].sum() * protocol.culture.simulation.dt
        lines.append(f"{phase}: {len(rows)} presentations, {seconds:g} s, {learns}")
    return lines
