"""Measures of a reservoir: accuracy of the readout and of its controls, ranks, information, memory, drift."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from culture_sim.analysis.panel import Measure, as_arrays
from culture_sim.reservoir import echo_state, separation
from culture_sim.reservoir.readout import Answers, Split, joined, read, splits
from culture_sim.reservoir.tasks import Task, tasks
from protocols.plan.reservoir import Trials
from protocols.spec.protocol import ReservoirProtocol
from protocols.spec.random_streams import stream
from protocols.spec.reservoir.patterns import Images
from protocols.spec.reservoir.section import Readout

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


#: Features of each setting that is tried, shape (n_trials, ...), as a readout takes them: one of a culture, several of
#: artificial reservoirs. The setting that is best on the validation trials of a fold is tested in it.
Settings = list[np.ndarray]


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
    asked, readout = tasks(trials, protocol.reservoir.memory), protocol.reservoir.readout
    parts = {task.name: splits(trials, task.truth, task.chosen, readout.folds, seed) for task in asked}
    found: dict[str, Measure] = {}
    sources = dict(_sources(protocol, trials, responses, seed))
    answers: dict[str, Answers] = {}
    for task in asked:
        for name, settings in sources.items():
            given = answered(readout, settings, task.truth, parts[task.name])
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
    table = ours.confusion(n_classes)
    found |= _of_states(protocol, trials, sources["culture"][0], table, seed)
    found |= _of_spikes(protocol, trials, responses["culture"], found["information"].value)
    found |= _memory_bits(asked, answers, n_classes)
    found |= _drift(readout, trials, sources)
    return {
        "answers": ours.given,
        "tested": ours.tested,
        "confusion": table,
        **_curves(readout, trials, sources["culture"][0], parts[""], seed),
        **as_arrays(found),
    }


def answered(readout: Readout, settings: Settings, truth: np.ndarray, parts: Sequence[Split]) -> Answers:
    """Answers to the test trials of every split, with the setting that is best on its validation trials."""

    def best(part: Split) -> Answers:
        tried = [read(features, truth, [part], readout) for features in settings]
        return max(tried, key=lambda answers: answers.validation)

    return joined([best(part) for part in parts])


def _sources(
    protocol: ReservoirProtocol, trials: Trials, responses: Mapping[str, np.ndarray], seed: int
) -> Iterator[tuple[str, Settings]]:
    """Features by name: of the culture, then of the controls in the protocol's order; of counts the square roots."""
    reservoir, read_out = protocol.reservoir, _read_out(protocol, trials)

    def response(name: str, electrodes: np.ndarray) -> np.ndarray:
        features = responses[name][..., electrodes].astype(np.float64)
        return features if reservoir.response.features == "latency" else np.sqrt(features)

    culture = response("culture", read_out)
    yield "culture", [culture]
    for name in reservoir.controls:
        match name:
            case "pattern":
                yield name, [trials.current]
            case "stimulated":
                yield name, [response("culture", trials.patterned)]
            case "echo_state":
                units = int(np.prod(culture.shape[1:]))
                tried = echo_state.settings(reservoir.budget, seed)
                yield name, [echo_state.states(trials, units, one, seed) for one in tried]
            case "lif":
                yield name, [response(f"lif_{k}", read_out) for k in range(reservoir.budget)]
            case _:
                yield name, [response(name, read_out)]


def _read_out(protocol: ReservoirProtocol, trials: Trials) -> np.ndarray:
    """Which electrodes are read; bool, shape (n_electrodes,)."""
    all_of_them = protocol.reservoir.response.electrodes == "all"
    return np.ones(len(trials.patterned), bool) if all_of_them else ~trials.patterned


def _of_states(
    protocol: ReservoirProtocol, trials: Trials, features: np.ndarray, table: np.ndarray, seed: int
) -> dict[str, Measure]:
    """Ranks of the responses, and information."""
    from sklearn.preprocessing import scale

    first, images = trials.session == 0, isinstance(protocol.reservoir.patterns, Images)
    group = (trials.truth if images else trials.pattern)[first]
    rng = np.random.default_rng(stream("reservoir/ranks", seed))
    kernel, generalisation, n = separation.ranks(scale(features[first].reshape(len(group), -1)), group, rng)
    different, same = ("classes", "a class") if images else ("patterns", "a pattern")
    rank = f"effective rank (at most {n - 1}) of {n} responses, one to each of {n} {different}"
    bits = separation.information(table)
    return {
        "kernel rank": Measure(kernel, "", rank),
        "generalisation rank": Measure(generalisation, "", f"effective rank of {n} responses to {same}"),
        "information": Measure(bits, "bits", "mutual information of class and answer, less its bias"),
    }


def _of_spikes(protocol: ReservoirProtocol, trials: Trials, counts: np.ndarray, bits: float) -> dict[str, Measure]:
    """The spikes that carry the information, where they are counted."""
    if protocol.reservoir.response.features != "counts":
        return {}
    first = trials.session == 0
    spikes = float(counts[first][..., _read_out(protocol, trials)].sum() / first.sum())
    how = "counts of all windows and electrodes, per trial; a spike that two electrodes hear counts twice"
    each = bits / spikes if spikes else np.nan
    return {
        "evoked spikes": Measure(spikes, "spikes", how),
        "information per spike": Measure(each, "bits", "information / evoked spikes"),
    }


def _memory_bits(asked: list[Task], answers: Mapping[str, Answers], n_classes: int) -> dict[str, Measure]:
    """Information about earlier stimuli, summed over them."""
    names = [task.prefix + "culture" for task in asked if task.name.startswith("memory/")]
    if not names:
        return {}
    each = [separation.information(answers[name].confusion(n_classes), least=-np.inf) for name in names]
    how = f"information about the classes of the {len(names)} stimuli before, summed, less its bias"
    return {"memory": Measure(float(max(sum(each), 0)), "bits", how)}


def _drift(readout: Readout, trials: Trials, sources: Mapping[str, Settings]) -> dict[str, Measure]:
    """Accuracy in later sessions of readouts that learned the first."""
    learned = np.flatnonzero(trials.session == 0)
    found = {}
    for k in range(1, int(trials.session[-1]) + 1):
        tested = np.flatnonzero(trials.session == k)
        for name, settings in sources.items():
            given = answered(readout, settings, trials.truth, [(learned, tested)])
            how = f"share of the trials of session {k + 1} that a readout of session 1 answers right, {WHAT[name]}"
            found[f"session/{k + 1}/{name}"] = Measure(given.accuracy, CORRECT, how)
    return found


def _curves(
    readout: Readout, trials: Trials, features: np.ndarray, parts: list[Split], seed: int
) -> dict[str, np.ndarray]:
    """Accuracy against training trials of a class, and against electrodes (drawn at random); number and accuracy."""
    rng, truth = np.random.default_rng(stream("reservoir/curves", seed)), trials.truth
    fewest = min(int(np.bincount(truth[training]).min()) for training, _ in parts)
    by_trials = []
    for n in _numbers(2, fewest):
        fewer = [(_first_of_each(training, truth, n), test) for training, test in parts]
        by_trials.append((n, read(features, truth, fewer, readout).accuracy))
    order = rng.permutation(features.shape[-1])
    by_electrodes = [
        (n, read(features[..., np.sort(order[:n])], truth, parts, readout).accuracy) for n in _numbers(1, len(order))
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
