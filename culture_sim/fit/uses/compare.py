"""Two groups of recordings, and the parameters in which their cultures differ."""

import glob
from pathlib import Path
from typing import Any

import numpy as np

from culture_sim.fit.amortised.trained import Trained
from culture_sim.fit.measured import recorded
from culture_sim.fit.space import Space
from culture_sim.fit.uses import groups
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import FitProtocol

SAMPLES = 1000  # of each culture


def group(pattern: str) -> list[Path]:
    """Files of a group: those of a folder, one file, or those that a pattern names.

    Raises
    ------
    ProtocolFault
        If there are none.
    """
    path = Path(pattern)
    found = (
        sorted(path.iterdir()) if path.is_dir() else [path] if path.is_file() else sorted(map(Path, glob.glob(pattern)))
    )
    if not (files := [one for one in found if one.is_file() or (one / "provenance.json").is_file()]):
        raise ProtocolFault([f"--compare {pattern}: no recordings; allowed: a folder, a file, or a pattern in quotes"])
    return files


def compared(patterns: tuple[str, str], trained: Trained, protocol: FitProtocol) -> dict[str, Any]:
    """Differences of the groups' means, parameter by parameter, and p of all parameters together."""
    both = [[one for path in group(pattern) for one in recorded(path, protocol)] for pattern in patterns]
    samples = [
        np.stack([trained.samples(one, SAMPLES, seed) for seed, one in enumerate(of_group)]) for of_group in both
    ]
    space = Space(protocol)
    gains = [row["gain"] for row in trained.calibration["parameters"]]
    rows = [
        {"path": path, "label": label, "gain": gain} | found._asdict()
        for path, label, gain, found in zip(
            space.paths, space.labels, gains, groups.compare(samples[0], samples[1]), strict=True
        )
    ]
    named = [
        {"group": pattern, "recordings": [one.name for one in of]} for pattern, of in zip(patterns, both, strict=True)
    ]
    return {
        "groups": named,
        "parameters": rows,
        "p": groups.all_together(samples[0], samples[1]),
        "trained": str(trained.path),
    }
