"""Fit twins to recordings, compare groups of recordings, predict: ``python -m culture_sim.fit RECORDING``."""

import collections
import glob
import json
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from rich.console import Console

from culture_sim import living
from culture_sim.fit import groups, point, report
from culture_sim.fit.amortised.trained import Trained, read_trained
from culture_sim.fit.amortised.training import fit_protocol
from culture_sim.fit.measured import Recorded, distance, recorded, spread
from culture_sim.fit.predictive import outcomes
from culture_sim.fit.space import INTERVAL, Space, as_dish, check_free
from culture_sim.fit.twin import Fitted, judged
from culture_sim.living.simulation import DEVICES
from figures.after_run import draw_fit_if_possible
from figures.runs.fit import read_fit
from protocols.loading.loader import load
from protocols.runs import cli, run_directory, scratch
from protocols.runs.machine import cores
from protocols.spec.faults import ProtocolFault, nearest
from protocols.spec.protocol import DishProtocol, FitProtocol, Protocol

SAMPLES = 1000  # of each culture of a group
DRAWS = 40  # cultures in which a protocol is predicted
FIRST_PREDICTION = 5 * 10**6  # seed of the first of them

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def fit(
    given: Annotated[
        list[Path] | None, typer.Argument(metavar="RECORDING...", help="Recordings; with --predict, a fitted twin.")
    ] = None,
    by: Annotated[
        Literal["search", "posterior"] | None,
        typer.Option(help="A point fit by CMA-ES, or a trained posterior. Default: the posterior, with --trained."),
    ] = None,
    trained: Annotated[Path | None, typer.Option(help="Run directory of culture_sim.fit.train.")] = None,
    protocol: Annotated[str, typer.Option(help="Protocol with a 'fit:' section.")] = "spontaneous_fit",
    quick: Annotated[bool, typer.Option("--quick", help="The file's small version.")] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Override, for example search.budget.trials=200.")
    ] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(help="Two groups of recordings, each a folder, a file or a pattern such as 'div7/*.h5'."),
    ] = None,
    predict: Annotated[str | None, typer.Option(help="What this protocol would do in the fitted culture.")] = None,
    rank: Annotated[
        str | None, typer.Option(help="Metadata, such as age: are twins nearer to recordings of their own group?")
    ] = None,
    draws: Annotated[int, typer.Option(min=2, help="Cultures that --predict simulates.")] = DRAWS,
    jobs: Annotated[int | None, typer.Option(min=1, help="Simulations at a time. Default: one a core.")] = None,
    device: Annotated[str, typer.Option(help=" | ".join(DEVICES))] = "auto",
    out: Annotated[Path, typer.Option(help="Where twins go.")] = Path("runs"),
    json_: Annotated[bool, typer.Option("--json", help="Print the result as JSON, nothing else.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Put an earlier search aside and start a new one.")] = False,
) -> None:
    """Fit twins to recordings; an interrupted search resumes."""
    cli.check_device(device, DEVICES)
    options = cli.Options(device, jobs or cores(), None, out)
    paths, console = list(given or []), cli.result_console()
    if sum(asked is not None for asked in (compare, predict, rank)) > 1:
        raise ProtocolFault(["--compare, --predict, --rank: allowed: one of them"])
    if predict is not None:
        found = _predicted(paths, load(predict, list(set_ or []), quick=quick), list(set_ or []), draws, options)
        print(json.dumps(found, indent=2)) if json_ else report.show_prediction(found, console)
        return
    fitted = fit_protocol(load(protocol, list(set_ or []), quick=quick))
    check_free(list(set_ or []), Space(fitted).paths)
    if compare is not None:
        if paths:
            raise ProtocolFault([f"{paths[0]}: beside --compare; allowed: its two groups alone"])
        found = _compared(compare, _needed(trained, fitted, "--compare"), fitted)
        print(json.dumps(found, indent=2)) if json_ else report.show_comparison(found, console)
        return
    if not paths:
        raise ProtocolFault(["RECORDING: missing; allowed: one or several files of recordings"])
    how = by or ("posterior" if trained is not None else "search")
    learned = _needed(trained, fitted, "--by posterior") if how == "posterior" else None
    sd = spread(fitted, cli.targets_of(protocol, fitted))
    all_recorded = [one for path in paths for one in recorded(path, fitted)]
    _check_names(all_recorded)
    labels = None if rank is None else _labels(rank, all_recorded)
    scratch.claim()
    messages = Console(stderr=True, highlight=False)
    results = []
    with cli.kept_on_interruption(messages, out):
        engine = living.prepare(device)
        default = judged(as_dish(fitted), {}, engine, options.jobs or 1)
        for one in all_recorded:
            making = Fitted(fitted, one, sd, default, engine, options.jobs or 1)
            content = _fit(making, learned, options, messages, force)
            if content is None:
                continue
            results.append(content)
            if not json_:
                report.show(content, console)
    ranking = None
    if labels is not None:
        ranking = {"by": rank} | _ranked(labels, results, all_recorded, fitted, sd, options)
    if json_:
        print(json.dumps({"twins": results} | ({"rank": ranking} if ranking else {}), indent=2, default=float))
    elif ranking is not None:
        report.show_ranking(ranking, console)


def _needed(trained: Path | None, protocol: FitProtocol, what: str) -> Trained:
    if trained is None:
        raise ProtocolFault([f"--trained: missing; allowed beside {what}: a run of python -m culture_sim.fit.train"])
    return read_trained(trained, protocol)


def folder_of(one: Recorded, out: Path) -> Path:
    """Directory of the twin of a recording."""
    return out / point.twin_name(one)


def _fit(
    making: Fitted, trained: Trained | None, options: cli.Options, messages: Console, force: bool
) -> dict[str, Any] | None:
    """Fit one recording and write its directory; None if another process finishes its search."""
    protocol, one = making.protocol, making.recorded
    folder = folder_of(one, options.out)
    folder.mkdir(parents=True, exist_ok=True)
    point.write_targets(folder / point.TABLE, protocol, one, making.sd)
    started = time.monotonic()
    if trained is not None:
        making.from_posterior(trained)
    else:
        answer = point.search(protocol, one, folder, options, messages, force)
        if answer is None:
            return None
        making.from_search(answer)
    making.content["seconds"] = round(time.monotonic() - started, 1)
    making.write(folder / "fit")
    (folder / "fit" / point.TABLE).write_bytes((folder / point.TABLE).read_bytes())
    draw_fit_if_possible(folder / "fit", messages.print)
    messages.print(f"Twin: {folder / 'fit'}", soft_wrap=True)
    return making.content


def group(pattern: str) -> list[Path]:
    """Files of a group: those of a folder, one file, or those that a pattern names.

    Raises
    ------
    ProtocolFault
        If there are none.
    """
    path = Path(pattern)
    found = (
        sorted(path.iterdir()) if path.is_dir() else [path] if path.is_file() else sorted(map(Path, glob.glob(pattern)))
    )
    if not (files := [one for one in found if one.is_file() or (one / "provenance.json").is_file()]):
        raise ProtocolFault([f"--compare {pattern}: no recordings; allowed: a folder, a file, or a pattern in quotes"])
    return files


def _compared(patterns: tuple[str, str], trained: Trained, protocol: FitProtocol) -> dict[str, Any]:
    both = [[one for path in group(pattern) for one in recorded(path, protocol)] for pattern in patterns]
    samples = [
        np.stack([trained.samples(one, SAMPLES, seed) for seed, one in enumerate(of_group)]) for of_group in both
    ]
    space = Space(protocol)
    gains = [row["gain"] for row in trained.calibration["parameters"]]
    rows = [
        {"path": path, "label": label, "gain": gain} | found._asdict()
        for path, label, gain, found in zip(
            space.paths, space.labels, gains, groups.compare(samples[0], samples[1]), strict=True
        )
    ]
    named = [
        {"group": pattern, "recordings": [one.name for one in of]} for pattern, of in zip(patterns, both, strict=True)
    ]
    return {
        "groups": named,
        "parameters": rows,
        "p": groups.all_together(samples[0], samples[1]),
        "trained": str(trained.path),
    }


def _check_names(all_recorded: list[Recorded]) -> None:
    """Refuse recordings whose twins would have the same directory."""
    for name, count in collections.Counter(map(point.twin_name, all_recorded)).items():
        if count > 1:
            raise ProtocolFault([f"{name}: {count} recordings would have this twin; allowed: files of different names"])


def _labels(key: str, all_recorded: list[Recorded]) -> np.ndarray:
    """Group of each recording, by what its file says."""
    known = sorted({name for one in all_recorded for name in one.metadata})
    if missing := [one.name for one in all_recorded if key not in one.metadata]:
        raise ProtocolFault([f"--rank {key}: not in the metadata of {missing[0]}; {nearest(key, known)}"])
    labels = np.array([str(one.metadata[key]) for one in all_recorded])
    if max(np.unique(labels, return_counts=True)[1]) < 2 or len(set(labels)) < 2:
        raise ProtocolFault([f"--rank {key}: allowed: two groups at least, one of them with two recordings"])
    return labels


def _ranked(
    labels: np.ndarray,
    results: list[dict[str, Any]],
    all_recorded: list[Recorded],
    protocol: FitProtocol,
    sd: np.ndarray,
    options: cli.Options,
) -> dict[str, Any]:
    if len(results) < len(all_recorded):
        raise RuntimeError("--rank: not every recording has a twin yet")
    twins = []
    for one in all_recorded:
        with np.load(folder_of(one, options.out) / "fit" / "fit.npz") as arrays:
            twins.append(arrays["twin"])
    distances = np.array(
        [[distance(twin, one.values, protocol.fit.distance, sd).mean() for one in all_recorded] for twin in twins]
    )
    return groups.rank(distances, labels)._asdict()


def _predicted(
    paths: list[Path], asked: Protocol, overrides: list[str], draws: int, options: cli.Options
) -> dict[str, Any]:
    if len(paths) != 1 or not (paths[0] / "fit.json").is_file():
        raise ProtocolFault(["--predict: allowed: with one fitted twin, such as runs/twin_NAME/fit"])
    if not isinstance(asked, DishProtocol) or isinstance(asked, FitProtocol):
        raise ProtocolFault([f"--predict {asked.name}: allowed: a protocol of a living culture with a timeline"])
    fitted = fit_protocol(run_directory.read_protocol(paths[0], ("protocol.yaml", "fit.npz")))
    space = Space(fitted)
    check_free(overrides, space.paths)
    samples = read_fit(paths[0]).samples
    chosen = samples[np.random.default_rng(0).integers(len(samples), size=draws)]
    device = living.prepare(options.device)
    found = outcomes(asked, [space.spelled(unit) for unit in chosen], FIRST_PREDICTION, device, options.jobs or 1)
    rows = []
    for measure, (_, unit) in found[0].items():
        values = np.array([one[measure][0] for one in found])
        values = values[np.isfinite(values)]
        if len(values):
            low, middle, high = (float(v) for v in np.quantile(values, INTERVAL))
            rows.append(
                {"measure": measure, "unit": unit, "median": middle, "low": low, "high": high, "n": len(values)}
            )
    result = {"twin": str(paths[0]), "protocol": asked.name, "cultures": draws, "measures": rows}
    (paths[0] / f"predicted_{asked.name}.json").write_text(json.dumps(result, indent=2) + "\n")
    return result
