"""A fit to a recording, read from its directory."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from protocols.runs.run_directory import read_json
from protocols.spec.faults import ProtocolFault


@dataclass(frozen=True)
class FitData:
    """Content of ``fit.json``, and the samples of the parameters, in the unit cube, shape (n, n_parameters)."""

    path: Path
    content: dict[str, Any]
    samples: np.ndarray


def read_fit(path: Path) -> FitData:
    """Read the directory of a fit.

    Raises
    ------
    ProtocolFault
        If it is none, or damaged.
    """
    if not (path / "fit.json").is_file():
        raise ProtocolFault([f"{path}: no fit: fit.json is missing"])
    content = read_json(path / "fit.json")
    try:
        with open(path / "fit.npz", "rb") as file:
            samples = np.load(file)["samples"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ProtocolFault([f"{path}: damaged fit: fit.npz: {error}"]) from None
    return FitData(path, content, samples)
