"""The training of a posterior as a run: simulate recordings of the prior, learn, check on held-out ones.

The recordings are saved in batches as they come; the same command goes on where an interrupted one stopped. The run
directory holds the panels of all recordings, the networks, and the calibration.
"""

import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from culture_sim import living
from culture_sim.fit.amortised import posterior
from culture_sim.fit.amortised.calibration import SHARES, Calibration, calibrate, identified
from culture_sim.fit.amortised.posterior import Posterior
from culture_sim.fit.measured import on_scale
from culture_sim.fit.simulated import asked_panel, definitions_by, heard, panel_values, with_parameters
from culture_sim.fit.space import Space, as_dish
from culture_sim.living.simulation import DEVICES
from culture_sim.run import CultureLearner
from figures.after_run import make_if_possible
from protocols.runs import cli, run_directory
from protocols.runs.machine import cores
from protocols.runs.processes import Failed, Next, Work, side_by_side
from protocols.runs.progress import SeedProgress
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import FitProtocol, Protocol
from protocols.spec.random_streams import stream

BATCH = 25  # simulations that are saved together
LEARNER = "culture_sim.fit"  # in the provenance of such a run
FIRST_CULTURE = 10**6  # seed of the first simulated culture; those of runs are smaller

#: Runs the tasks that a function hands out, and yields (key, result) as each ends.
Workers = Callable[[Work, Next], Iterator[tuple[int, Any]]]


def batches(protocol: FitProtocol) -> list[range]:
    """Numbers of the simulations of each batch: those to learn from, then the held-out ones."""
    n = protocol.fit.simulations + protocol.fit.held_out
    return [range(first, min(first + BATCH, n)) for first in range(0, n, BATCH)]


def point(space: Space, number: int) -> np.ndarray:
    """Parameters of one simulation in the unit cube, drawn from the prior."""
    drawn = np.random.default_rng(stream("fit", space.protocol.first_seed, number)).random(len(space.dimensions))
    return space.unit(np.array(list(space.named(drawn).values()), float))  # of the rounded values


def simulated(protocol: FitProtocol, device: str, numbers: Sequence[int], report: Any) -> dict[str, np.ndarray]:
    """A batch of simulated recordings.

    ``unit``: parameters, shape (n, n_parameters); ``panel``, and ``panel/RULE`` under each further rule of network
    bursts: measures, shape (n, n_measures of `PANEL`).
    """
    space, dish = Space(protocol), as_dish(protocol)
    definitions = {"panel": asked_panel(protocol).definitions}
    definitions |= {panel_of(rule): of for rule, of in definitions_by(protocol.fit.other_rules, dish).items()}
    points: list[np.ndarray] = []
    panels: dict[str, list[np.ndarray]] = {name: [] for name in definitions}
    for done, number in enumerate(numbers):
        points.append(point(space, number))
        one = with_parameters(dish, space.spelled(points[-1]))
        trains = heard(one, device, FIRST_CULTURE + protocol.first_seed + number)
        for name, of in definitions.items():
            panels[name].append(panel_values(trains, of))
        report((done + 1) / len(numbers))
    return {"unit": np.array(points)} | {name: np.array(of) for name, of in panels.items()}


def panel_of(rule: str) -> str:
    """Name of the array of panels under a further rule of network bursts."""
    return f"panel/{rule}"


def prefix_of(rule: str) -> str:
    """Beginning of the names of the arrays of the posterior that was learned under such a rule."""
    return f"posterior_{rule}/"


class Learned(NamedTuple):
    """A posterior, its calibration, numbers of recordings (learned from, held out), and the share that is usable."""

    posterior: Posterior
    found: Calibration
    n: int
    held_out: int
    usable: float


class PosteriorLearner:
    """Training side of the command: checks, plans, runs and summarises."""

    packages: tuple[str, ...] = CultureLearner.packages
    devices: tuple[str, ...] = DEVICES

    def __init__(self, workers: Workers | None = None) -> None:
        self.workers = workers

    def check(self, protocol: Protocol, options: cli.Options) -> None:
        """Refuse a protocol without a fit, or a machine without sbi."""
        given = fit_protocol(protocol)
        posterior.require()
        Space(given).dimensions  # noqa: B018  (refuses an empty range)
        CultureLearner().check(as_dish(given), options)

    def check_data(self, protocol: Protocol, run: run_directory.Run) -> None:
        """Nothing to compare."""

    def plan(self, protocol: Protocol, options: cli.Options) -> list[str]:
        """Parameters, and the number of simulations."""
        given = fit_protocol(protocol)
        lines = [f"  {d.path}: {d.low:g} to {d.high:g} {d.unit}".rstrip() for d in Space(given).dimensions]
        fit = given.fit
        return ["prior:", *lines, f"simulations: {fit.simulations} to learn from, {fit.held_out} held out"]

    def execute(
        self, protocol: Protocol, run: run_directory.Run, options: cli.Options, console: Console
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, np.ndarray]]:
        """Simulate what is missing, learn, and check."""
        given = fit_protocol(protocol)
        device = living.prepare(options.device)
        started = time.monotonic()
        parts = self._simulate(given, run, device, options.jobs or cores(), console)
        simulated_s = time.monotonic() - started
        arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        started = time.monotonic()
        own = _learned(given, arrays["unit"], arrays["panel"], "", console)
        others = {
            rule: _learned(given, arrays["unit"], arrays[panel_of(rule)], f" by the rule '{rule}'", console)
            for rule in given.fit.other_rules
        }
        facts = {
            "learner": LEARNER,
            "device": device,
            "seeds": [given.first_seed],
            "simulated_s": round(simulated_s, 1),
            "learned_s": round(time.monotonic() - started, 1),
        }
        arrays |= {"ranks": own.found.ranks, "correlation": own.found.correlation}
        for prefix, learned in {
            "posterior/": own,
            **{prefix_of(rule): other for rule, other in others.items()},
        }.items():
            arrays |= {prefix + name: array for name, array in learned.posterior.arrays().items()}
        space = Space(given)
        metrics = _metrics(space, own) | {
            "other_rules": {rule: _metrics(space, other) for rule, other in others.items()},
            "targets": [],
        }
        return metrics, facts, arrays

    def _simulate(
        self, protocol: FitProtocol, run: run_directory.Run, device: str, jobs: int, console: Console
    ) -> list[dict[str, np.ndarray]]:
        """All batches, those that are not saved yet simulated now."""
        todo = batches(protocol)
        name = "seed_batch_{}".format
        missing = [index for index in range(len(todo)) if run.load_part(name(index)) is None]
        if done := len(todo) - len(missing):
            console.print(f"Resuming: {done} of {len(todo)} batches of simulations are finished already.")
        waiting = [(index, todo[index]) for index in missing]
        work = functools.partial(simulated, protocol, device)
        workers = self.workers or functools.partial(_here, jobs)
        with (
            SeedProgress(console, missing, "simulating", {}) as progress,
            contextlib.closing(workers(work, lambda: waiting.pop(0) if waiting else None)) as results,  # type: ignore[type-var]
        ):
            for index, part in results:
                if isinstance(part, Failed):
                    raise RuntimeError(f"a batch of simulations failed: {part.reason}")
                run.save_part(name(index), part)
                progress.report(index, 1.0)
        found = [run.load_part(name(index)) for index in range(len(todo))]
        whole = [part for part in found if part is not None]
        if len(whole) < len(todo):  # one became unreadable meanwhile
            raise RuntimeError(
                f"{run.partial}: {len(todo) - len(whole)} batches are damaged; the same command does them again"
            )
        return whole

    def show(self, metrics: dict[str, Any], console: Console) -> None:
        """Print what the posterior is worth, parameter by parameter."""
        console.print(calibration_table(metrics))
        console.print(
            "Gain: error of the prior mean over that of the posterior mean. Width of 90 % intervals, of the prior's; "
            "others known: if all other parameters were known."
        )
        console.print(
            f"n = {metrics['held_out']} held-out recordings. Not identified by these measures: "
            f"{', '.join(metrics['not_identified']) or 'none'}."
        )

    def figures(self, run_dir: Any, console: Console) -> None:
        """Draw the calibration, if matplotlib is installed."""
        make_if_possible(run_dir, console.print)


def _here(jobs: int, work: Work, following: Next) -> Iterator[tuple[int, Any]]:
    return side_by_side(work, following, jobs, lambda *_: None, ("culture_sim.fit.simulated",))


def fit_protocol(protocol: Protocol) -> FitProtocol:
    """The protocol, if it is one of a fit.

    Raises
    ------
    ProtocolFault
        If it has no ``fit:`` or no ``search:`` section.
    """
    if not isinstance(protocol, FitProtocol):
        raise ProtocolFault([f"fit: missing in '{protocol.name}'; allowed: a protocol with a 'fit:' section"])
    if protocol.search is None:
        raise ProtocolFault([f"search: missing in '{protocol.name}'; allowed beside fit: a space of parameters"])
    return protocol


def _learned(protocol: FitProtocol, unit: np.ndarray, panels: np.ndarray, of: str, console: Console) -> Learned:
    """Learn from the simulated recordings that have all measures, and check on the held-out ones.

    Raises
    ------
    RuntimeError
        If too few have them.
    ProtocolFault
        If a measure is the same in all.
    """
    fit = protocol.fit
    x = on_scale(panels, fit.measures)
    usable = np.isfinite(x).all(axis=1)
    learn = usable & (np.arange(len(unit)) < fit.simulations)
    held = usable & ~learn
    least = 10 * len(fit.measures)
    if learn.sum() < min(least, fit.simulations // 4) or held.sum() < 2:
        raise RuntimeError(
            f"{learn.sum()} of {fit.simulations} simulations have all measures of the fit{of}; more are needed"
        )
    if constant := [name for name, sd in zip(fit.measures, x[learn].std(axis=0), strict=True) if sd < 1e-9]:
        raise ProtocolFault([f"fit.measures: {constant[0]}: is constant in all simulations{of}; allowed: others"])
    console.print(f"Learning from {learn.sum()} recordings{of}; {(~usable).sum()} lack a measure of the fit.")
    learned = Posterior.trained(unit[learn], x[learn], fit.networks, protocol.first_seed)
    found = calibrate(learned, unit[held], x[held], protocol.first_seed)
    return Learned(learned, found, int(learn.sum()), int(held.sum()), float(usable.mean()))


def _metrics(space: Space, learned: Learned) -> dict[str, Any]:
    found = learned.found
    told, untold = identified(found.gain, space.labels)
    rows = [
        {
            "path": path,
            "label": label,
            "gain": round(float(found.gain[k]), 3),
            "width": round(float(found.width[k]), 3),
            "alone": round(float(found.alone[k]), 3),
        }
        | {f"coverage_{share:.0%}": round(float(found.coverage[i, k]), 4) for i, share in enumerate(SHARES)}
        for k, (path, label) in enumerate(zip(space.paths, space.labels, strict=True))
    ]
    shares = {"learned": learned.n, "held_out": learned.held_out, "usable": round(learned.usable, 4)}
    return {"parameters": rows, "identified": told, "not_identified": untold, **shares}


def calibration_table(metrics: dict[str, Any]) -> Table:
    """A line a parameter: error against the prior's, by each rule, width of the interval, coverage."""
    others = metrics["other_rules"]
    columns = ["parameter", "gain", *(f"gain, {rule}" for rule in others), "width", "others known"]
    table = Table(*columns, *(f"{s:.0%} covers" for s in SHARES), box=box.SIMPLE_HEAD)
    for k, row in enumerate(metrics["parameters"]):
        gains = [f"{of['parameters'][k]['gain']:.2f}" for of in (metrics, *others.values())]
        widths = [f"{row['width']:.0%}", f"{row['width'] * row['alone']:.0%}"]
        table.add_row(row["label"], *gains, *widths, *(f"{row[f'coverage_{share:.0%}']:.0%}" for share in SHARES))
    return table
