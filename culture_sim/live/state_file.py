"""The state of a live dish in a file: the culture's, and the pulses that are still to come."""

import hashlib
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from culture_sim.closed_loop.schedule import Pulse
from culture_sim.living import LivingCulture, LivingState
from protocols.spec.dish.living import LivingCulture as LivingSpec
from protocols.spec.faults import ProtocolFault

NEXT = "coming/"  # before the names of the pulses' arrays


def culture_key(spec: LivingSpec, seed: int) -> str:
    """What tells cultures apart: hash of the section and the seed."""
    return hashlib.sha256(f"{spec.model_dump_json()} {seed}".encode()).hexdigest()[:16]


def save(path: Path, key: str, state: LivingState, coming: Sequence[Pulse]) -> None:
    """Write the file, completely or not at all."""
    columns = {f"{NEXT}{name}": np.array([getattr(pulse, name) for pulse in coming]) for name in Pulse._fields}
    unfinished = path.with_name(f".{path.name}.unfinished.npz")
    np.savez(unfinished, **{"culture": np.array(key), **vars(state), **columns})
    os.replace(unfinished, path)


def load(path: Path, key: str, culture: LivingCulture) -> tuple[LivingState, list[Pulse]]:
    """The state, and the pulses that are still to come.

    Raises
    ------
    ProtocolFault
        If there is no such file, it is damaged, or it is another culture's.
    """
    try:
        with open(path, "rb") as file:
            content = dict(np.load(file))
        found = str(content.pop("culture"))
        columns = [content.pop(f"{NEXT}{name}").tolist() for name in Pulse._fields]
        state = LivingState(step=int(content.pop("step")), shared=float(content.pop("shared")), **content)
        if found == key:
            state.check(culture)
    except OSError as error:
        raise ProtocolFault([f"state: {path}: {error.strerror or error}; allowed: a file of LiveDish.save"]) from None
    except (ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise ProtocolFault([f"state: {path}: damaged: {error}; allowed: a file of LiveDish.save"]) from None
    if found != key:
        raise ProtocolFault([f"state: {path}: of another culture or seed; allowed: a state of this one"])
    return state, [Pulse(*row) for row in zip(*columns, strict=True)]
