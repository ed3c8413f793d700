"""Measures of a reservoir: accuracy of the readout and of its controls, ranks, information, memory, drift."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from culture_sim.reservoir import echo_state, separation
from culture_sim.reservoir.readout import Answers, Split, joined, read, splits
from culture_sim.reservoir.tasks import Task, tasks
from protocols.plan.reservoir import Trials
from protocols.spec.protocol import ReservoirProtocol
from protocols.spec.random_streams import stream
from protocols.spec.reservoir.patterns import Images

PREFIX = "measured/"
CORRECT = "fraction correct"
GROWTH = 2  # of the numbers of trials and electrodes in a curve, from one to the next

WHAT = {
    "culture": "from the evoked response",
    "pattern": "from the currents of the electrodes",
    "stimulated": "from the response of stimulated electrodes",
    "before": "from equally long windows before the stimulus",
    "shuffled": "from the response of the culture with random targets of its synapses",
    "unconnected": "from the response of the culture without synapses",
    "without_plasticity": "from the response of the culture without plasticity",
    "echo_state": "from an echo state network of as many units as features, in each fold the best on validation trials",
    "lif": "from as many integrate-and-fire neurons, in each fold the best on validation trials",
}


class Measure(NamedTuple):
    """A value with its unit and definition."""

    value: float
    unit: str
    definition: str


class Source(NamedTuple):
    """What a readout reads.

    Parameters
    ----------
    settings
        Features, shape (n_trials, ...), of each setting that is tried: one of a culture, several of artificial
        reservoirs. The one that is best on the validation trials of a fold is tested in it.
    roots
        Whether the readout takes their square roots.
    """

    settings: Sequence[np.ndarray]
    roots: bool

    @property
    def features(self) -> np.ndarray:
        """Those of the only setting, or of the first."""
        return self.settings[0]


def measured(
    protocol: ReservoirProtocol, trials: Trials, responses: Mapping[str, np.ndarray], seed: int
) -> dict[str, np.ndarray]:
    """All measures of a seed, as arrays.

    Parameters
    ----------
    protocol, trials, seed
        What was done.
    responses
        Features of the culture (``culture``), before the stimuli (``before``), of simulated controls (``shuffled``,
        ``unconnected``, ``without_plasticity``, ``lif_0`` ...); shape (n_trials, n_windows, n_electrodes) each.
    """
    asked = tasks(trials, protocol.reservoir.memory)
    parts = {task.name: _splits(protocol, trials, task, seed) for task in asked}
    found: dict[str, Measure] = {}
    sources = dict(_sources(protocol, trials, responses, seed))
    answers: dict[str, Answers] = {}
    for task in asked:
        for name, source in sources.items():
            given = _read(protocol, source, task, parts[task.name])
            answers[task.prefix + name] = given
            how = f"share of trials whose answer is right: {task.meaning}, {WHAT[name]}"
            found[task.prefix + name] = Measure(given.accuracy, CORRECT, how)
            if task.name == "":
                found[f"validation/{name}"] = Measure(given.validation, CORRECT, f"{how}; within training trials")
    ours = answers["accuracy/culture"]
    for name in sources:
        if name != "culture":
            value = found["accuracy/culture"].value - found[f"accuracy/{name}"].value
            found[f"gain/{name}"] = Measure(value, CORRECT, f"accuracy of the culture less that {WHAT[name]}")
    n_classes = len(trials.classes)
    largest = float(np.bincount(ours.truth).max() / len(ours.truth))
    found["chance"] = Measure(largest, CORRECT, "share of the largest class among the tested trials")
    table = separation.confusion(ours.given, ours.truth, n_classes)
    found |= _of_states(protocol, trials, sources["culture"], table, seed)
    found |= _memory_bits(asked, answers, n_classes)
    found |= _drift(protocol, trials, sources)
    spelled = [(name, one.unit, one.definition) for name, one in found.items()]
    return {
        "answers": ours.given,
        "tested": ours.tested,
        "confusion": table,
        **_curves(protocol, trials, sources["culture"], asked[0], parts[""], seed),
        **{PREFIX + name: np.array(one.value) for name, one in found.items()},
        "definitions": np.array(spelled, np.str_).reshape(-1, 3),
    }


def _splits(protocol: ReservoirProtocol, trials: Trials, task: Task, seed: int) -> list[Split]:
    return splits(trials, task.truth, task.chosen, protocol.reservoir.readout.folds, seed)


def _read(protocol: ReservoirProtocol, source: Source, task: Task, parts: list[Split]) -> Answers:
    """Answers of each fold with the setting that is best on its validation trials."""
    return joined([_best(protocol, source, task.truth, part) for part in parts])


def _best(protocol: ReservoirProtocol, source: Source, truth: np.ndarray, part: Split) -> Answers:
    readout = protocol.reservoir.readout
    tried = [read(features, truth, [part], readout, roots=source.roots) for features in source.settings]
    return max(tried, key=lambda answers: answers.validation)


def _sources(
    protocol: ReservoirProtocol, trials: Trials, responses: Mapping[str, np.ndarray], seed: int
) -> Iterator[tuple[str, Source]]:
    """Features by name: of the culture, then of the controls in the protocol's order."""
    reservoir = protocol.reservoir
    roots = reservoir.response.features != "latency"
    read_out = np.ones(len(trials.patterned), bool)
    if reservoir.response.electrodes == "unstimulated":
        read_out = ~trials.patterned
    culture = responses["culture"][..., read_out]
    yield "culture", Source([culture], roots)
    for name in reservoir.controls:
        match name:
            case "pattern":
                yield name, Source([trials.current], roots=False)
            case "stimulated":
                yield name, Source([responses["culture"][..., trials.patterned]], roots)
            case "echo_state":
                units = int(np.prod(culture.shape[1:]))
                tried = echo_state.settings(reservoir.budget, seed)
                yield name, Source([echo_state.states(trials, units, one, seed) for one in tried], roots=False)
            case "lif":
                yield name, Source([responses[f"lif_{k}"][..., read_out] for k in range(reservoir.budget)], roots)
            case _:
                yield name, Source([responses[name][..., read_out]], roots)


def _of_states(
    protocol: ReservoirProtocol, trials: Trials, source: Source, table: np.ndarray, seed: int
) -> dict[str, Measure]:
    """Ranks, information, and the spikes that carry it."""
    first = trials.session == 0
    group = trials.truth if isinstance(protocol.reservoir.patterns, Images) else trials.pattern
    flat = source.features[first].reshape(int(first.sum()), -1)
    flat = separation.standardised(np.sqrt(flat) if source.roots else flat)
    rng = np.random.default_rng(stream("reservoir/ranks", seed))
    kernel, generalisation, n = separation.ranks(flat, group[first], rng)
    images = isinstance(protocol.reservoir.patterns, Images)
    different, same = ("classes", "a class") if images else ("patterns", "a pattern")
    rank = f"effective rank (at most {n - 1}) of {n} responses, one to each of {n} {different}"
    bits = separation.information(table)
    found = {
        "kernel rank": Measure(kernel, "", rank),
        "generalisation rank": Measure(generalisation, "", f"effective rank of {n} responses to {same}"),
        "information": Measure(bits, "bits", "mutual information of class and answer, less its bias"),
    }
    if protocol.reservoir.response.features == "counts":
        spikes = float(source.features[first].sum() / first.sum())
        how = "counts of all windows and electrodes, per trial; a spike that two electrodes hear counts twice"
        found["evoked spikes"] = Measure(spikes, "spikes", how)
        each = bits / spikes if spikes else np.nan
        found["information per spike"] = Measure(each, "bits", "information / evoked spikes")
    return found


def _memory_bits(asked: list[Task], answers: Mapping[str, Answers], n_classes: int) -> dict[str, Measure]:
    """Information about earlier stimuli, summed over them."""
    names = [task.prefix + "culture" for task in asked if task.name.startswith("memory/")]
    if not names:
        return {}
    each = [
        separation.information(separation.confusion(answers[name].given, answers[name].truth, n_classes), least=-np.inf)
        for name in names
    ]
    how = f"information about the classes of the {len(names)} stimuli before, summed, less its bias"
    return {"memory": Measure(float(max(sum(each), 0)), "bits", how)}


def _drift(protocol: ReservoirProtocol, trials: Trials, sources: Mapping[str, Source]) -> dict[str, Measure]:
    """Accuracy in later sessions of readouts that learned the first."""
    learned = np.flatnonzero(trials.session == 0)
    found = {}
    for k in range(1, int(trials.session[-1]) + 1):
        tested = np.flatnonzero(trials.session == k)
        for name, source in sources.items():
            given = _best(protocol, source, trials.truth, (learned, tested))
            how = f"share of the trials of session {k + 1} that a readout of session 1 answers right, {WHAT[name]}"
            found[f"session/{k + 1}/{name}"] = Measure(given.accuracy, CORRECT, how)
    return found


def _curves(
    protocol: ReservoirProtocol, trials: Trials, source: Source, task: Task, parts: list[Split], seed: int
) -> dict[str, np.ndarray]:
    """Accuracy against training trials of a class, and against electrodes (drawn at random); number and accuracy."""
    rng = np.random.default_rng(stream("reservoir/curves", seed))
    fewest = min(int(np.bincount(trials.truth[training]).min()) for training, _ in parts)
    by_trials = []
    for n in _numbers(2, fewest):
        fewer = [(_first_of_each(training, trials.truth, n), test) for training, test in parts]
        by_trials.append((n, _read(protocol, source, task, fewer).accuracy))
    order = rng.permutation(source.features.shape[-1])
    by_electrodes = [
        (n, _read(protocol, Source([source.features[..., np.sort(order[:n])]], source.roots), task, parts).accuracy)
        for n in _numbers(1, len(order))
    ]
    return {"curve/trials": np.array(by_trials, float), "curve/electrodes": np.array(by_electrodes, float)}


def _numbers(first: int, most: int) -> list[int]:
    """From `first` on, each twice the one before, and the most."""
    found = []
    while first < most:
        found.append(first)
        first *= GROWTH
    return [*found, most]


def _first_of_each(chosen: np.ndarray, truth: np.ndarray, n: int) -> np.ndarray:
    """The first `n` chosen trials of each class, in order."""
    return np.sort(np.concatenate([chosen[truth[chosen] == one][:n] for one in np.unique(truth[chosen])]))
