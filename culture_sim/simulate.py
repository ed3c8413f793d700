"""One culture, one session: the library's entry point."""

from culture_sim import engines
from culture_sim.culture import Culture
from culture_sim.estimate import most_events
from culture_sim.recording import Recording
from culture_sim.session import Session


def simulate(
    culture: Culture, session: Session, device: str = "auto", progress: engines.Progress | None = None
) -> Recording:
    """Present a session to a culture and record it. The culture itself is left as it was.

    Parameters
    ----------
    culture
        From `Culture.grow` or `Culture.from_arrays`.
    session
        Presentations and the pulses in them.
    device
        ``"auto"``, ``"runtime"`` or ``"cpp"``; all give the same spikes.
    progress
        Called with (presentations done, presentations in all).

    Returns
    -------
    Recording
        To go on where it ended, build a culture from its weights.

    Raises
    ------
    ValueError
        If the session drives an electrode the culture does not have, or the device is unknown.
    """
    if device not in engines.DEVICES:
        raise ValueError(f"device {device!r}; allowed: {', '.join(engines.DEVICES)}")
    if len(session.electrode) and session.electrode.max() >= len(culture.electrodes):
        raise ValueError(f"electrode {session.electrode.max()}; allowed: 0 to {len(culture.electrodes) - 1}")
    n_steps = int(session.n_steps.sum())
    n_events = most_events(culture.spec, culture.n_synapses, n_steps)
    engine = engines.prepare(device, engines.Shape.of_culture(culture), n_steps, n_events)
    return engine.run(culture, session, progress or (lambda done, of: None))
