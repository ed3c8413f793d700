"""Twins ranked against the recordings of other cultures."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from culture_sim.fit.measured import Recorded, distance
from culture_sim.fit.uses import groups
from protocols.spec.faults import ProtocolFault, nearest
from protocols.spec.protocol import FitProtocol


def labels(key: str, all_recorded: Sequence[Recorded]) -> np.ndarray:
    """Group of each recording, by what its file says.

    Raises
    ------
    ProtocolFault
        If a file does not say it, or there are not two groups, one of them with two recordings.
    """
    known = sorted({name for one in all_recorded for name in one.metadata})
    if missing := [one.name for one in all_recorded if key not in one.metadata]:
        raise ProtocolFault([f"--rank {key}: not in the metadata of {missing[0]}; {nearest(key, known)}"])
    found = np.array([str(one.metadata[key]) for one in all_recorded])
    if max(np.unique(found, return_counts=True)[1]) < 2 or len(set(found)) < 2:
        raise ProtocolFault([f"--rank {key}: allowed: two groups at least, one of them with two recordings"])
    return found


def ranked(
    by: str,
    labels: np.ndarray,
    twins: Sequence[np.ndarray],
    all_recorded: Sequence[Recorded],
    protocol: FitProtocol,
    sd: np.ndarray,
) -> dict[str, Any]:
    """Distances of twins from recordings of their own and of other groups.

    Parameters
    ----------
    by
        Metadata that makes the groups.
    labels
        Group of each recording.
    twins
        Panels of the cultures of each twin, shape (n_cultures, n_measures of `PANEL`).
    all_recorded
        The recordings, in the order of the twins.
    protocol, sd
        The fit, and the spread between real cultures of each measure of the distance.
    """
    distances = np.array(
        [[distance(twin, one.values, protocol.fit.distance, sd).mean() for one in all_recorded] for twin in twins]
    )
    return {"by": by} | groups.rank(distances, labels)._asdict()
