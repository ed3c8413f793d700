"""Page of a living dish: its timeline, the recording with responses, and the measures of each culture."""

import numpy as np

from figures.culture.dish import courses, paired_pulse
from figures.html import common
from figures.html.blocks import Block, Plot, Section, Series, Subject, Table
from figures.html.recording import Recording, Span, Stimulus
from figures.html.spikes import responses
from figures.runs.run import DishRun
from protocols.plan.dish import COURSE, DishPlan, expand_dish
from protocols.plan.loops import LoopPulse, loop_pulses
from protocols.spec.dish.timeline import Loop, Pair, Probe, Single, Train, unrolled

MOST_HEADLINES = 24


def subject(run: DishRun, name: str, most: int) -> Subject:
    """The run with its sections; `most`: spikes to draw."""
    plan = expand_dish(run.protocol)
    names = [path for path, _ in common.measured(run)][:MOST_HEADLINES]
    answers, cultures = _courses(run), _cultures(run)
    sections = [
        common.asked(run, *_patterns(run), _timeline(run, plan)),
        common.result(run, names, *([cultures] if cultures else [])),
        *([Section("Responses before and after", answers)] if answers else []),
        *([Section("Paired pulses", pairs)] if (pairs := _pairs(run)) else []),
        Section("Recording and array", [recording(run, plan, most)]),
        common.provenance(run),
    ]
    return Subject(name, run.protocol.title, sections, common.headline(run, names))


def _patterns(run: DishRun) -> list[Block]:
    """What each pattern stimulates, and with which pulse; nothing without patterns."""
    rows = []
    for name, pattern in run.protocol.patterns.items():
        chosen = [str(k) for k in run.protocol.culture.array.numbers(pattern.electrodes)]
        pulse = f"{pattern.amplitude * 1e6:g} uA", f"{pattern.width * 1e6:g} us"
        rows.append((name.replace("_", " "), str(len(chosen)), common.listed(chosen, 16), *pulse))
    return [Table(("pattern", "electrodes", "which", "amplitude", "width"), rows)] if rows else []


def _given(step: Single) -> str:
    """When the pulses of a step come."""
    match step:
        case Probe(every=every):
            return f"single pulses every {every:g} s"
        case Train(pulses=pulses, rate=rate, repetitions=n, every=every):
            return f"{n} trains of {pulses} pulses at {rate:g} Hz, every {every:g} s"
        case Pair(interval=interval, repetitions=n, every=every):
            return f"{n} pairs {interval * 1e3:g} ms apart, every {every:g} s"
        case Loop(loop=controller, rate=rate):
            return f"by {controller.controller}, {rate:g} ticks a second"
    return ""


def _timeline(run: DishRun, plan: DishPlan) -> Table:
    dt, unrolled_steps = run.protocol.culture.simulation.dt, dict(unrolled(run.protocol.timeline))
    rows, of_loops = [], loop_pulses(plan, run.arrays, run.seeds[0])
    for k, (name, step) in enumerate(zip(plan.names, plan.steps, strict=True)):
        own = plan.pulses[plan.pulses["step"] == k]
        patterns = [plan.patterns[p] for p in own["pattern"].tolist()] + [p.label for p in of_loops if p.step == name]
        given = f"{len(patterns):,} of {common.listed(list(dict.fromkeys(patterns)))}" if patterns else "none"
        start, length = step["start"] * dt, (step["stop"] - step["start"]) * dt
        when = _given(unrolled_steps[name])
        rows.append((name, f"{start:g} s", f"{length:g} s", given, when, "yes" if step["plastic"] else "no"))
    return Table(("step", "from", "length", "pulses", "given as", "learning"), rows)


def _courses(run: DishRun) -> list[Block]:
    """One plot a pattern, one line a step: rate of the electrodes around the pulses, mean ± sd over cultures."""
    plots = list[Block]()
    for pattern, steps in courses.steps_by_pattern(run).items():
        series = []
        for k, step in enumerate(steps):
            edges, mean, sd = courses.rates(run, step, pattern)
            color = ("before", "after")[k] if len(steps) == 2 else k
            series.append(Series(step, 500 * (edges[1:] + edges[:-1]), mean, color, "line", mean - sd, mean + sd))
        title = f"{pattern.replace('_', ' ')}: mean ± sd of {len(run.seeds)} cultures"
        plots.append(Plot(title, "time from the pulse (ms)", "spikes per electrode (Hz)", series))
    return plots


def _pairs(run: DishRun) -> list[Block]:
    """Responses to the first and second pulse at each interval, and their ratio over the interval."""
    found = paired_pulse.paired(run)
    if not found:
        return []
    x = [each.interval * 1e3 for each in found]
    cultures = [
        Series(f"culture {seed}", x, [each.ratio[k] for each in found], k, "thin") for k, seed in enumerate(run.seeds)
    ]
    mean = [
        float(np.mean(each.ratio[np.isfinite(each.ratio)])) if np.isfinite(each.ratio).any() else np.nan
        for each in found
    ]
    ratio = Series("mean of the cultures", x, mean, "ink")
    label = "second over first response"
    plots: list[Block] = [
        Plot("Paired-pulse ratio", "interval of the pulses (ms)", label, [ratio, *cultures], log_x=True)
    ]
    for each in found:
        middle = 500 * (each.edges[1:] + each.edges[:-1])
        series = []
        for rates, color, name in zip(each.rates, ("before", "after"), ("first pulse", "second pulse"), strict=True):
            average, sd = rates.mean(axis=0), rates.std(axis=0, ddof=min(1, len(rates) - 1))
            series.append(Series(name, middle, average, color, "line", average - sd, average + sd))
        title = f"{paired_pulse.spelled(each.interval)} apart: mean ± sd of {len(run.seeds)} cultures"
        plots.append(Plot(title, "time from the pulse (ms)", "spikes per electrode (Hz)", series))
    return plots


def _cultures(run: DishRun) -> Plot | None:
    """Every culture's measures as distances from the published means, in published standard deviations."""
    rows = [row for row in run.metrics["targets"] if row["published"]["sd"]]
    if not rows:
        return None
    series = []
    for k in range(len(run.seeds)):
        x, y = [], []
        for place, row in enumerate(rows):
            value = run.metrics[row["quantity"]]["per_seed"][k]
            if value is not None:
                x.append(place + 0.06 * (k - (len(run.seeds) - 1) / 2))
                y.append((value - row["published"]["mean"]) / row["published"]["sd"])
        series.append(Series(f"culture {run.seeds[k]}", x, y, k, "points"))
    ticks = [(float(place), str(place + 1)) for place in range(len(rows))]
    names = "; ".join(f"{k + 1} {row['quantity'].partition('/')[2]}" for k, row in enumerate(rows))
    return Plot(
        title="Each culture's distance from the published means",
        x="measure",
        y="published standard deviations",
        series=series,
        ticks=ticks,
        levels=[(-1, ""), (1, "")],
        note=names,
    )


def recording(run: DishRun, plan: DishPlan, most: int) -> Recording:
    """What the electrodes of the first culture heard."""
    seed, dt = run.seeds[0], run.protocol.culture.simulation.dt
    places = run.array(seed, "electrodes")
    time, electrode = run.array(seed, "heard/step") * dt, run.array(seed, "heard/electrode")
    return Recording(
        title=f"{common.culture_name(run)}: what each electrode hears",
        time=time,
        electrode=electrode,
        names=[f"electrode {k}" for k in range(len(places))],
        duration=plan.n_steps * dt,
        positions=places,
        spans=[Span(name, float(step["start"]) * dt) for name, step in zip(plan.names, plan.steps, strict=True)],
        stimuli=_stimuli(run, plan, time, electrode),
        most=most,
    )


def _stimuli(run: DishRun, plan: DishPlan, time: np.ndarray, electrode: np.ndarray) -> list[Stimulus]:
    """Every pattern of every step; with responses where the course around its pulses was measured."""
    dt, n = run.protocol.culture.simulation.dt, len(run.array(run.seeds[0], "electrodes"))
    found = []
    for row in np.unique(plan.pulses[["step", "pattern"]]):
        step, pattern = plan.names[row["step"]], plan.patterns[row["pattern"]]
        own = plan.pulses[(plan.pulses["step"] == row["step"]) & (plan.pulses["pattern"] == row["pattern"])]
        pulses = own["at"] * dt
        course = run.arrays.get(f"seed_{run.seeds[0]}/course/{step}/{pattern}")
        edges = None if course is None else np.linspace(*COURSE, len(course) + 1)
        response = None if edges is None else responses(time, electrode, n, pulses, edges)
        electrodes = run.protocol.culture.array.numbers(run.protocol.patterns[pattern].electrodes)
        found.append(Stimulus(f"{pattern.replace('_', ' ')}, {step}", pulses, np.array(electrodes), edges, response))
    return found + _of_loops(loop_pulses(plan, run.arrays, run.seeds[0]), dt)


def _of_loops(pulses: list[LoopPulse], dt: float) -> list[Stimulus]:
    """What closed loops stimulated, by step and label; electrodes: all that had a pulse of that label."""
    named = dict[tuple[str, str], list[LoopPulse]]()
    for pulse in pulses:
        named.setdefault((pulse.step, pulse.label), []).append(pulse)
    return [
        Stimulus(
            f"{label.replace('_', ' ')}, {step}",
            np.array([pulse.at for pulse in own]) * dt,
            np.unique(np.concatenate([pulse.electrodes for pulse in own])),
            None,
            None,
        )
        for (step, label), own in named.items()
    ]
