"""Expand a reservoir protocol into plain tables: the trials, and every stimulation pulse of every electrode."""

from dataclasses import dataclass

import numpy as np

from protocols.images.examples import count_images, load_splits
from protocols.plan.dish import ElectrodePulses
from protocols.spec.array import Array
from protocols.spec.protocol import ReservoirProtocol
from protocols.spec.random_streams import stream
from protocols.spec.reservoir.layout import classes, pixels, placed
from protocols.spec.reservoir.patterns import Images

CROSS_VALIDATED, TRAINING, TEST = 0, 1, 2  # what a trial is for
DIM = 0.1  # least intensity of a grey pixel that is stimulated


@dataclass(frozen=True, eq=False)
class Trials:
    """All trials of one culture, in the order in which they are presented.

    Parameters
    ----------
    classes
        Names of the classes.
    at : int64, shape (n_trials,)
        Time step of the stimulus, from the start of the experiment.
    truth, pattern, session, part : int32, shape (n_trials,)
        Index of the class, of the pattern (of images, of the image), of the session; and what it is for:
        `CROSS_VALIDATED`, `TRAINING` or `TEST`.
    current : float32, shape (n_trials, n_electrodes)
        Current of each electrode, as a share of the amplitude.
    patterned : bool, shape (n_electrodes,)
        Electrodes that some pattern stimulates; noise may stimulate others.
    plastic : int64, shape (n_intervals, 2)
        Time steps, from and to, in which synapses change.
    n_steps
        Length of the experiment in time steps.
    """

    classes: tuple[str, ...]
    at: np.ndarray
    truth: np.ndarray
    pattern: np.ndarray
    session: np.ndarray
    part: np.ndarray
    current: np.ndarray
    patterned: np.ndarray
    plastic: np.ndarray
    n_steps: int

    def __len__(self) -> int:
        """Number of trials."""
        return len(self.at)


def n_trials(protocol: ReservoirProtocol) -> int:
    """Number of trials of a culture; images are counted, not prepared. Raises as `expand_reservoir`."""
    if protocol.data is not None:
        training, _, test = count_images(protocol.data)
        return training + test
    reservoir, array = protocol.reservoir, protocol.culture.array
    return len(placed(reservoir.patterns, array)) * reservoir.trials * reservoir.sessions.count  # type: ignore[arg-type]


def n_steps(protocol: ReservoirProtocol) -> int:
    """Length of the experiment in time steps: the first stimulus, the others every so often, sessions after a pause."""
    reservoir, steps = protocol.reservoir, protocol.culture.steps
    every, pauses = steps(reservoir.every), reservoir.sessions.count - 1
    return steps(reservoir.settling) + n_trials(protocol) * every + pauses * (steps(reservoir.sessions.pause) - every)


def expand_reservoir(protocol: ReservoirProtocol, seed: int) -> Trials:
    """Expand a checked protocol for one culture; the seed sets the order of the trials and the noise of the stimuli.

    Raises
    ------
    ProtocolFault
        If images are missing or damaged, or there are too few.
    """
    reservoir, array = protocol.reservoir, protocol.culture.array
    assert isinstance(array, Array)  # noqa: S101  (checked by the specification)
    salt = protocol.stimulus_seed
    rng = np.random.default_rng(stream("reservoir/order", seed, salt))
    if isinstance(reservoir.patterns, Images):
        names, truth, current, part = _images(protocol, array, rng)
        pattern, session = np.arange(len(truth)), np.zeros(len(truth), int)
    else:
        names = classes(reservoir.patterns, array)
        members = placed(reservoir.patterns, array)
        shown = np.zeros((len(members), array.n_electrodes), np.float32)
        for k, one in enumerate(members):
            shown[k, array.numbers(one.places)] = 1
        each = np.repeat(np.arange(len(members)), reservoir.trials)
        pattern = np.concatenate([rng.permutation(each) for _ in range(reservoir.sessions.count)])
        session = np.repeat(np.arange(reservoir.sessions.count), len(each))
        truth, current = np.array([one.truth for one in members])[pattern], shown[pattern]
        part = np.full(len(pattern), CROSS_VALIDATED)
    patterned = (current > 0).any(axis=0)
    noise = np.random.default_rng(stream("reservoir/noise", seed, salt))
    current = disturbed(current, reservoir.stimulus.noise, noise)
    at, plastic, n_steps = _times(protocol, session)
    return Trials(
        tuple(names),
        at,
        truth.astype(np.int32),
        pattern.astype(np.int32),
        session.astype(np.int32),
        part.astype(np.int32),
        current,
        np.asarray(patterned),
        plastic,
        n_steps,
    )


def electrode_pulses(protocol: ReservoirProtocol, trials: Trials) -> ElectrodePulses:
    """The pulses of all trials, one row an electrode and pulse."""
    stimulus, steps = protocol.reservoir.stimulus, protocol.culture.steps
    trial, electrode = np.nonzero(trials.current)
    turns = np.array([steps(k / stimulus.rate) for k in range(stimulus.pulses)])
    step = (trials.at[trial][:, None] + turns).ravel()
    amplitude = np.repeat(stimulus.amplitude * trials.current[trial, electrode].astype(float), len(turns))
    return ElectrodePulses(
        step, np.repeat(electrode, len(turns)).astype(np.int64), amplitude, np.full(len(step), stimulus.width)
    )


def disturbed(current: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Currents of which each fails with probability `noise`; on average as many others are given in their place.

    Others have the mean current of the trial. If there are fewer than fail on average, all of them may be given.

    Parameters
    ----------
    current : shape (n_trials, n_electrodes)
        0 for electrodes without a pulse.
    """
    if noise == 0:
        return current
    there = current > 0
    n = there.sum(axis=1, keepdims=True)
    others = np.maximum(current.shape[1] - n, 1)
    draws = rng.random(current.shape)
    kept = np.where(there & (draws >= noise), current, 0)
    mean = current.sum(axis=1, keepdims=True) / np.maximum(n, 1)
    return np.where(~there & (draws < noise * n / others), mean, kept).astype(np.float32)


def _images(
    protocol: ReservoirProtocol, array: Array, rng: np.random.Generator
) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Classes, truth, currents and part of the trials: training and test images in one random order."""
    data, patterns = protocol.data, protocol.reservoir.patterns
    assert data is not None and isinstance(patterns, Images)  # noqa: S101, PT018  (checked by the specification)
    splits = load_splits(data)
    images = np.concatenate([splits.training.images, splits.test.images]).astype(np.float32)
    intensity = images.reshape(len(images), -1)
    if patterns.images == "binary":
        intensity = (intensity >= 0.5 * intensity.max(axis=1, keepdims=True)).astype(np.float32)
    current = np.zeros((len(images), array.n_electrodes), np.float32)
    current[:, [array.places[place] for place in pixels(patterns, data.size, array)]] = intensity
    current[current < DIM] = 0
    truth = np.concatenate([part.truth(data.classes) for part in (splits.training, splits.test)])
    part = np.repeat([TRAINING, TEST], [len(splits.training), len(splits.test)])
    order = rng.permutation(len(images))
    return [str(label) for label in data.classes], truth[order], current[order], part[order]


def _times(protocol: ReservoirProtocol, session: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Time step of each trial, plastic intervals, and steps in all."""
    reservoir, steps = protocol.reservoir, protocol.culture.steps
    every, pause = steps(reservoir.every), steps(reservoir.sessions.pause)
    at = steps(reservoir.settling) + np.arange(len(session), dtype=np.int64) * every + session * (pause - every)
    end = int(at[-1]) + every
    plastic = []
    for k in range(int(session[-1]) + 1):
        first, last = int(at[session == k][0]), int(at[session == k][-1]) + every
        if k and reservoir.sessions.plastic:
            plastic.append((first - pause + every, first))
        if reservoir.plastic:
            plastic.append((first, last))
    return at, np.array(plastic, np.int64).reshape(-1, 2), end
