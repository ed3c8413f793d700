"""Encoding of images and labels as stimulation pulses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from culture_sim.engines.session import Session
from culture_sim.experiments.stimulus import encode_rates
from protocols.images.examples import Examples
from protocols.spec.protocol import CultureAssociation
from protocols.spec.random_streams import stream


@dataclass(frozen=True)
class Pulses:
    """Pulses of `n` consecutive presentations; steps count from the start of the first."""

    n: int
    electrode: np.ndarray
    step: np.ndarray


class ImageEncoder:
    """Encodes the images of one protocol as pulses, for one seed.

    Parameters
    ----------
    protocol
        Defines the place of images and labels on the array, their rates and the encoder.
    seed
        Seeds the streams ``stimulus/<set>``, together with the protocol's ``stimulus_seed``.
    """

    def __init__(self, protocol: CultureAssociation, seed: int) -> None:
        self.protocol, self.seed, self.plan = protocol, seed, protocol.association
        self.n_steps = protocol.culture.steps(self.plan.presentation)
        columns = protocol.culture.array.columns
        #: label electrodes of each class, in the order of ``data.classes``
        self.regions = [
            [row * columns + column for row, column in self.plan.label.regions[label]]
            for label in protocol.data.classes
        ]

    def truth(self, examples: Examples) -> np.ndarray:
        """Index of the class of each image."""
        return examples.truth(self.protocol.data.classes)

    def alone(self, examples: Examples, name: str) -> Pulses:
        """Pulses of images without labels; the k-th image of a set called `name` always has the same pulses."""
        return self._encode(self._image_rates(examples), name, 0)

    def labelled(self, examples: Examples, first: int) -> Pulses:
        """Pulses of images with their labels; `first` is the number of the first training presentation among them."""
        rates = self._image_rates(examples)
        for row, truth in zip(rates, self.truth(examples), strict=True):
            row[self.regions[truth]] = self.plan.label.rate
        return self._encode(rates, "training", first)

    def session(self, parts: Sequence[Pulses], learning: Sequence[float] | np.ndarray = ()) -> Session:
        """A session of the parts in sequence; `learning` holds the factors of the first presentations, 0 follows."""
        n = sum(part.n for part in parts)
        starts = np.cumsum([0, *(part.n for part in parts[:-1])]) * self.n_steps
        return Session(
            np.full(n, self.n_steps),
            np.concatenate([learning, np.zeros(n - len(learning))]),
            np.concatenate([part.electrode for part in parts]),
            np.concatenate([part.step + start for part, start in zip(parts, starts, strict=True)]),
        )

    def _image_rates(self, examples: Examples) -> np.ndarray:
        """Rates of all electrodes in Hz, shape (n_images, n_electrodes)."""
        array, (height, width), at = self.protocol.culture.array, self.protocol.data.size, self.plan.image
        rates = np.zeros((len(examples), array.rows, array.columns))
        rates[:, at.row : at.row + height, at.column : at.column + width] = examples.images * at.rate
        return rates.reshape(len(examples), array.n_electrodes)

    def _encode(self, rates: np.ndarray, name: str, first: int) -> Pulses:
        salt, dt = self.protocol.stimulus_seed, self.protocol.culture.simulation.dt
        seeds = [stream(f"stimulus/{name}", self.seed, salt, first + k) for k in range(len(rates))]
        return Pulses(len(rates), *encode_rates(rates, self.n_steps, self.plan.encoding, dt, seeds))
