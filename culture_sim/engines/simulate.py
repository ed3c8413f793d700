"""Entry points of the library: simulate one culture, or many. Both may be called from several threads at once."""

from collections.abc import Sequence

from culture_sim import engines
from culture_sim.engines.batch import Batch
from culture_sim.engines.recording import Recording
from culture_sim.engines.session import Session
from culture_sim.model.culture import Culture


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
        ``"auto"``, ``"runtime"``, ``"cpp"`` or ``"cuda"``. All give the same spikes; on a GPU up to the order of sums.
    progress
        Called with (presentations done, presentations in all).

    Returns
    -------
    Recording
        To continue where it ended, build a culture from its weights.

    Raises
    ------
    ValueError
        If the session drives an electrode the culture does not have, or the device is unknown.
    """
    if device not in engines.DEVICES:
        raise ValueError(f"device {device!r}; allowed: {', '.join(engines.DEVICES)}")
    if len(session.electrode) and session.electrode.max() >= len(culture.electrodes):
        raise ValueError(f"electrode {session.electrode.max()}; allowed: 0 to {len(culture.electrodes) - 1}")
    engine = engines.prepare(device, engines.Shape.of_culture(culture))
    return engine.run(culture, session, progress or (lambda done, of: None))


def simulate_many(cultures: Sequence[Culture], sessions: Sequence[Session], device: str = "auto") -> list[Recording]:
    """Present a session of its own to each of several cultures; on a GPU, as many at a time as fit its memory.

    Parameters
    ----------
    cultures, sessions
        As many of one as of the other; `Batch` says in which respects they may differ.
    device
        As in `simulate`; all but ``"cuda"`` simulate one culture after the other.

    Raises
    ------
    ValueError
        If the cultures cannot be joined, or the device is unknown.
    """
    joint = Batch(tuple(cultures), tuple(sessions))
    if device != "cuda":
        return [simulate(culture, session, device) for culture, session in zip(cultures, sessions, strict=True)]
    from culture_sim.engines.cuda import CudaEngine
    from culture_sim.engines.gpu import batch_size, require_gpu

    size = batch_size(joint.cultures, require_gpu().free_bytes)
    engine = CudaEngine.prepare(joint.shape, size)
    recordings = []
    for first in range(0, len(cultures), size):
        part = Batch(joint.cultures[first : first + size], joint.sessions[first : first + size])
        recordings += engine.run_batch(part, lambda done, of: None)
    return recordings
