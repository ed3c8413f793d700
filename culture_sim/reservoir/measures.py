"""Measures of a reservoir: accuracy of the readout and of its controls, ranks, information, memory, drift."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from culture_sim.reservoir import echo_state, separation
from culture_sim.reservoir.readout import Answers, Split, read, splits
from culture_sim.reservoir.tasks import Task, tasks
from protocols.plan.reservoir import Trials
from protocols.spec.protocol import ReservoirProtocol
from protocols.spec.random_streams import stream
from protocols.spec.reservoir.patterns import Images

PREFIX = "measured/"
GROWTH = 2  # of the numbers of trials and electrodes in a curve, from one to the next

WHAT = {
    "culture": "from the evoked response",
    "pattern": "from the currents of the electrodes",
    "stimulated": "from the response of stimulated electrodes",
    "before": "from equally long windows before the stimulus",
    "shuffled": "from the response of the culture with random targets of its synapses",
    "unconnected": "from the response of the culture without synapses",
    "without_plasticity": "from the response of the culture without plasticity",
    "echo_state": "from an echo state network with as many units as features, the best on validation trials",
    "lif": "from as many integrate-and-fire neurons, the best strength on validation trials",
}


class Measure(NamedTuple):
    """A value with its unit and definition."""

    value: float
    unit: str
    definition: str


class Source(NamedTuple):
    """Features that a readout reads, shape (n_trials, ...); `roots`: whether it takes their square roots."""

    features: np.ndarray
    roots: bool


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
    sources = dict(_sources(protocol, trials, responses, seed, parts[""]))
    answers: dict[str, Answers] = {}
    for task in asked:
        for name, source in sources.items():
            given = _read(protocol, source, task, parts[task.name])
            answers[task.prefix + name] = given
            how = f"share of trials whose answer is right: {task.meaning}, {WHAT[name]}"
            found[task.prefix + name] = Measure(given.accuracy, "", how)
            if task.name == "":
                found[f"validation/{name}"] = Measure(given.validation, "", f"{how}; within training trials")
    ours = answers["accuracy/culture"]
    for name in sources:
        if name != "culture":
            value = found["accuracy/culture"].value - found[f"accuracy/{name}"].value
            found[f"gain/{name}"] = Measure(value, "", f"accuracy of the culture less that {WHAT[name]}")
    n_classes = len(trials.classes)
    found["chance"] = Measure(float(np.bincount(ours.truth).max() / len(ours.truth)), "", "share of the largest class")
    table = separation.confusion(ours.given, ours.truth, n_classes)
    found |= _of_states(protocol, trials, sources["culture"], table, seed)
    found |= _memory_bits(asked, answers, n_classes)
    found |= _drift(protocol, trials, sources["culture"])
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
    return read(source.features, task.truth, parts, protocol.reservoir.readout, roots=source.roots)


def _sources(
    protocol: ReservoirProtocol, trials: Trials, responses: Mapping[str, np.ndarray], seed: int, parts: list[Split]
) -> Iterator[tuple[str, Source]]:
    """Features by name: of the culture, then of the controls in the protocol's order."""
    reservoir = protocol.reservoir
    roots = reservoir.response.features != "latency"
    read_out = np.ones(len(trials.patterned), bool)
    if reservoir.response.electrodes == "unstimulated":
        read_out = ~trials.patterned
    culture = responses["culture"][..., read_out]
    yield "culture", Source(culture, roots)
    task = tasks(trials, 0)[0]
    for name in reservoir.controls:
        match name:
            case "pattern":
                yield name, Source(trials.current, roots=False)
            case "stimulated":
                yield name, Source(responses["culture"][..., trials.patterned], roots)
            case "echo_state":
                units = int(np.prod(culture.shape[1:]))
                networks = (
                    Source(echo_state.states(trials, units, setting, seed), roots=False)
                    for setting in echo_state.settings(reservoir.budget, seed)
                )
                yield name, max(networks, key=lambda source: _read(protocol, source, task, parts).validation)
            case "lif":
                tried = [Source(responses[f"lif_{k}"][..., read_out], roots) for k in range(reservoir.budget)]
                yield name, max(tried, key=lambda source: _read(protocol, source, task, parts).validation)
            case _:
                yield name, Source(responses[name][..., read_out], roots)


def _of_states(
    protocol: ReservoirProtocol, trials: Trials, source: Source, table: np.ndarray, seed: int
) -> dict[str, Measure]:
    """Ranks, information, and the spikes that carry it."""
    first = trials.session == 0
    group = trials.truth if isinstance(protocol.reservoir.patterns, Images) else trials.pattern
    flat = source.features[first].reshape(int(first.sum()), -1)
    flat = separation.standardised(np.sqrt(flat) if source.roots else flat)
    rng = np.random.default_rng(stream("reservoir/ranks", seed))
    kernel, generalisation = separation.ranks(flat, group[first], rng)
    same = "images of the same class" if isinstance(protocol.reservoir.patterns, Images) else "repetitions of a pattern"
    bits = separation.information(table)
    found = {
        "kernel rank": Measure(kernel, "", "effective rank of the responses to different patterns, one trial each"),
        "generalisation rank": Measure(generalisation, "", f"effective rank of as many responses to {same}"),
        "information": Measure(bits, "bits", "mutual information of class and answer, less its bias"),
    }
    if protocol.reservoir.response.features == "counts":
        spikes = float(source.features[first].sum() / first.sum())
        found["evoked spikes"] = Measure(spikes, "spikes", "heard in the windows, per trial")
        each = bits / spikes if spikes else np.nan
        found["information per spike"] = Measure(each, "bits", "information / evoked spikes")
    return found


def _memory_bits(asked: list[Task], answers: Mapping[str, Answers], n_classes: int) -> dict[str, Measure]:
    """Information about earlier stimuli, summed over them."""
    names = [task.prefix + "culture" for task in asked if task.name.startswith("memory/")]
    if not names:
        return {}
    each = [
        separation.information(separation.confusion(answers[name].given, answers[name].truth, n_classes))
        for name in names
    ]
    how = f"information about the classes of the {len(names)} stimuli before, summed, less its bias"
    return {"memory": Measure(float(sum(each)), "bits", how)}


def _drift(protocol: ReservoirProtocol, trials: Trials, source: Source) -> dict[str, Measure]:
    """Accuracy in later sessions of a readout that learned the first."""
    learned = np.flatnonzero(trials.session == 0)
    found = {}
    for k in range(1, int(trials.session[-1]) + 1):
        tested = np.flatnonzero(trials.session == k)
        given = read(source.features, trials.truth, [(learned, tested)], protocol.reservoir.readout, roots=source.roots)
        how = f"accuracy in session {k + 1} of the readout that learned session 1"
        found[f"session/{k + 1}"] = Measure(given.accuracy, "", how)
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
        (n, _read(protocol, Source(source.features[..., np.sort(order[:n])], source.roots), task, parts).accuracy)
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
