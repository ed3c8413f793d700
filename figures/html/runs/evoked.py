"""Page of a run of stimuli in phases: courses before and after, the recording, maps and weights of the array."""

import numpy as np

from figures.culture import array
from figures.culture.evoked import leaky_course, published_course
from figures.html import common
from figures.html.blocks import Block, Plot, Section, Series, Subject, Table
from figures.html.recording import Array, Map, Recording, Span, Stimulus
from figures.runs.run import EvokedRun, RunData
from protocols.plan.timeline import Timeline, expand
from protocols.spec.stimuli import Stimulus as StimulusSpec

BINS_BEFORE, BINS_AFTER = 5, 20  # of an electrode's responses, around the onset
MOST_IN_MATRIX = 128  # electrodes: beyond, weights are shown as means


def subject(run: EvokedRun, name: str, most: int) -> Subject:
    """The run with its sections; `most`: spikes to draw."""
    names = [f"evoked/{probe}/{phase}" for phase in run.probing for probe in run.probes]
    sections = [
        common.asked(run, _stimuli(run), _phases(run)),
        common.result(run, names),
        Section("Responses before and after", _courses(run)),
        *([Section("Recording and array", [recording(run, most)])] if _kept(run) else []),
        *([Section("Weights", [found])] if (found := weights(run)) else []),
        common.provenance(run),
    ]
    return Subject(name, run.protocol.title, sections, common.headline(run, names))


def _stimuli(run: EvokedRun) -> Table:
    rows = [(name, str(len(s.electrodes)), _train(s)) for name, s in run.protocol.stimuli.items()]
    return Table(("stimulus", "electrodes", "pulses"), rows)


def _train(stimulus: StimulusSpec) -> str:
    train = stimulus.train.model_dump(mode="json")
    encoder = train.pop("encoder")
    given = ", ".join(f"{key} {value}" for key, value in train.items())
    return f"{encoder} ({given}) from {stimulus.onset * 1e3:g} ms on, {stimulus.duration * 1e3:g} ms"


def _phases(run: EvokedRun) -> Table:
    rows = [
        (p.name, common.listed(p.present), str(p.repetitions), f"{p.window * 1e3:g} ms", "yes" if p.plastic else "no")
        for p in run.protocol.phases
    ]
    return Table(("phase", "stimuli", "repetitions", "window", "learning"), rows)


def _courses(run: EvokedRun) -> list[Block]:
    """One plot a probe: its course in every probing phase, beside the published ones of cultures."""
    plots: list[Block] = []
    for probe in run.probes:
        series, others = [], []
        shown = [phase for phase in run.probing if run.presented(probe, phase)]
        for k, phase in enumerate(shown):
            time, course = leaky_course(run, probe, phase)
            mean, sd = course.mean(axis=0), course.std(axis=0, ddof=min(1, len(course) - 1))
            color = ("before" if k == 0 else "after") if len(shown) <= 2 else k
            series.append(Series(phase, time, mean, color, "line", mean - sd, mean + sd))
            others += _published(run, probe, phase, color)
        band = f"mean ± sd of {len(run.seeds)} cultures" if len(run.seeds) > 1 else "one culture"
        title = f"{probe.replace('_', ' ')}: {band}"
        plots.append(Plot(title, "time from stimulus onset (ms)", "leaky spikes per neuron", [*series, *others]))
    return plots


def _published(run: EvokedRun, probe: str, phase: str, color: str | int) -> list[Series]:
    course = [(x, each) for x, each in published_course(run, probe, phase) if each.subject == "culture"]
    if not course:
        return []
    x, y, sd = np.array([(x, each.value, np.nan if each.sd is None else each.sd) for x, each in course]).T
    return [Series(f"{phase}, published", x, y, color, "points", y - sd, y + sd)]


def _kept(run: EvokedRun) -> bool:
    return f"seed_{run.seeds[0]}/spikes/neuron" in run.arrays


def recording(run: EvokedRun, most: int) -> Recording:
    """The first culture: spikes of the neurons nearest to each electrode, phase by phase."""
    seed, dt = run.seeds[0], run.protocol.culture.simulation.dt
    timeline = expand(run.protocol, seed)
    table, places = timeline.presentations, run.array(seed, "electrodes")
    step, electrode = heard(*(run.array(seed, key) for key in ("spikes/step", "spikes/neuron", "units")))
    phase = table["phase"]
    starts = np.flatnonzero(np.diff(phase, prepend=-1))
    n_units = run.array(seed, "units").shape[1]
    return Recording(
        title=f"{common.culture_name(run)}: the {n_units} neurons nearest to each electrode; pauses are left out",
        time=step * dt,
        electrode=electrode,
        names=[f"electrode {k}" for k in range(len(places))],
        duration=float(table["onset_step"][-1] + table["n_steps"][-1]) * dt,
        positions=places,
        spans=[Span(timeline.phases[phase[k]], float(table["onset_step"][k]) * dt) for k in starts],
        stimuli=_presented(run, timeline),
        maps=_maps(run),
        breaks=table["onset_step"] * dt,
        most=most,
    )


def heard(step: np.ndarray, neuron: np.ndarray, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Step and electrode of each spike of a unit; a neuron that is a unit of several electrodes counts for each.

    Parameters
    ----------
    step, neuron : shape (n_spikes,)
        In order of time.
    units : shape (n_electrodes, n_units)
        Neurons of each electrode.
    """
    order = np.argsort(units.ravel(), kind="stable")
    by_neuron, electrode = units.ravel()[order], order // units.shape[1]
    first, last = (np.searchsorted(by_neuron, neuron, side) for side in ("left", "right"))
    times = last - first
    within = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
    return np.repeat(step, times), electrode[np.repeat(first, times) + within]


def _presented(run: EvokedRun, timeline: Timeline) -> list[Stimulus]:
    """Every stimulus of every phase, with responses where it was probed."""
    seed, culture, table = run.seeds[0], run.protocol.culture, timeline.presentations
    found = []
    for row in np.unique(table[["phase", "stimulus"]]):
        stimulus, phase = timeline.stimuli[row["stimulus"]], timeline.phases[row["phase"]]
        own = np.flatnonzero((table["phase"] == row["phase"]) & (table["stimulus"] == row["stimulus"]))
        drives = timeline.drives[timeline.drives["presentation"] == own[0]]
        onset, bin_s = run.protocol.stimuli[stimulus].onset, culture.readout.bin
        response = run.arrays.get(f"seed_{seed}/psth/{stimulus}/{phase}")
        edges = None
        if response is not None:
            first = max(0, int(onset / bin_s) - BINS_BEFORE)
            response = np.nan_to_num(response[:, first : first + BINS_BEFORE + BINS_AFTER]) / bin_s
            edges = (first + np.arange(response.shape[1] + 1)) * bin_s - onset
        found.append(
            Stimulus(
                name=f"{stimulus.replace('_', ' ')}, {phase}",
                times=table["onset_step"][own] * culture.simulation.dt + onset,
                electrodes=np.unique(drives["electrode"]),
                edges=edges,
                response=response,
                unit="spikes per neuron (Hz)",
            )
        )
    return found


def _maps(run: EvokedRun) -> list[Map]:
    """Evoked spikes of each probe in every probing phase, and their change; mean over cultures."""
    maps, (first, *_, last) = [], run.probing if len(run.probing) > 1 else [run.probing[0]] * 2
    for probe in run.probes:
        of = {phase: _evoked(run, probe, phase) for phase in run.probing if run.presented(probe, phase)}
        name, unit = probe.replace("_", " "), "spikes per neuron and probe"
        maps += [Map(f"response to {name}, {phase}", unit, values) for phase, values in of.items()]
        if first != last and {first, last} <= of.keys():
            maps.append(Map(f"response to {name}, {last} - {first}", unit, of[last] - of[first], diverging=True))
    return maps


def _evoked(run: EvokedRun, probe: str, phase: str) -> np.ndarray:
    return array.mean_over_cultures(run.stack(f"psth/{probe}/{phase}").sum(axis=2))


def weights(run: RunData) -> Array | None:
    """Weights from each electrode before and after, of plastic projections; None if none was kept."""
    seed, maps = run.seeds[0], []
    for name, projection in run.protocol.culture.projections.items():  # type: ignore[attr-defined]
        paths = [f"weights/{name}/{when}" for when in ("before", "after")]
        if not projection.plastic or not all(f"seed_{seed}/{path}" in run.arrays for path in paths):
            continue
        before, after = (1e3 * np.nanmean(run.stack(path), axis=0) for path in paths)
        if len(before) > MOST_IN_MATRIX:
            before, after = (np.nanmean(each, axis=1) for each in (before, after))
        maps.append(Map(f"{name}: change", "mV", after - before, diverging=True))
        maps += [Map(f"{name}: {when}", "mV", each) for when, each in (("before", before), ("after", after))]
    if not maps:
        return None
    which = "from the selected electrode, else the mean from all" if maps[0].values.ndim == 2 else "from each electrode"
    n = len(run.seeds)
    title = (
        f"Weight onto the neurons around each electrode, {which}; {f'mean of {n} cultures' if n > 1 else 'one culture'}"
    )
    if maps[0].values.ndim == 1:
        title = title.replace("onto the neurons around each electrode", "onto all neurons")
    return Array(title, run.array(seed, "electrodes"), maps)
