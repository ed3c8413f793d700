"""A finished run, read from its directory."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from protocols.faults import ProtocolFault
from protocols.loader import check, parse_yaml
from protocols.schema import Protocol
from protocols.store import FILES
from protocols.targets import Target, read_targets


@dataclass(frozen=True)
class RunData:
    """Protocol, arrays and published values of one run."""

    path: Path
    protocol: Protocol
    arrays: dict[str, np.ndarray]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a run directory.

        Raises
        ------
        ProtocolFault
            If it is not a complete run.
        """
        if not path.is_dir():
            raise ProtocolFault([f"{path}: no such run directory"])
        for name in FILES:
            if not (path / name).is_file():
                raise ProtocolFault([f"{path}: not a complete run: {name} is missing"])
        try:
            protocol = check(parse_yaml((path / "protocol.yaml").read_text(), str(path)), str(path))
            with open(path / "arrays.npz", "rb") as file:
                return cls(path, protocol, dict(np.load(file)))
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ProtocolFault([f"{path}: damaged run: {error}"]) from None

    @property
    def seeds(self) -> list[int]:
        """The seeds that were run."""
        return list(self.protocol.seed_list)

    def stack(self, key: str) -> np.ndarray:
        """An array of every seed, shape (n_seeds, ...)."""
        return np.stack([self.arrays[f"seed_{seed}/{key}"] for seed in self.seeds])

    @property
    def targets(self) -> list[Target]:
        """Published values, if the protocol names any."""
        if self.protocol.targets is None:
            return []
        return read_targets(self.path / self.protocol.targets)

    @property
    def probes(self) -> list[str]:
        """Stimuli presented without learning."""
        return list(dict.fromkeys(name for p in self.protocol.phases if not p.plastic for name in p.present))

    @property
    def probing(self) -> list[str]:
        """Phases without learning."""
        return [phase.name for phase in self.protocol.phases if not phase.plastic]

    def presented(self, probe: str, phase: str) -> bool:
        """Whether a probe was presented in a phase."""
        return f"seed_{self.seeds[0]}/psth/{probe}/{phase}" in self.arrays

    def drawn(self, stimulus: str) -> np.ndarray:
        """The electrodes of a stimulus as a boolean image of the array."""
        array = self.protocol.culture.array
        image = np.zeros((array.rows, array.columns), bool)
        image[tuple(np.transpose(self.protocol.stimuli[stimulus].electrodes))] = True
        return image
