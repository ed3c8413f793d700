"""Fit twins to recordings, compare groups of recordings, predict: ``python -m culture_sim.fit RECORDING``."""

import collections
import json
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from culture_sim import living
from culture_sim.fit import point, report
from culture_sim.fit.amortised.trained import Trained, read_trained
from culture_sim.fit.amortised.training import fit_protocol
from culture_sim.fit.measured import Recorded, recorded, spread
from culture_sim.fit.space import Space, as_dish, check_free
from culture_sim.fit.twin import Fitted, judged
from culture_sim.fit.uses.compare import compared
from culture_sim.fit.uses.predict import predicted
from culture_sim.fit.uses.rank import labels, ranked
from culture_sim.fit.uses.versus import scored as compare_models
from culture_sim.living.simulation import DEVICES
from figures.after_run import draw_fit_if_possible
from protocols.loading.loader import load
from protocols.runs import cli, scratch
from protocols.runs.machine import cores
from protocols.spec.faults import ProtocolFault
from protocols.spec.protocol import FitProtocol

DRAWS = 40  # cultures in which a protocol is predicted

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
    versus: Annotated[
        Path | None,
        typer.Option(help="A posterior of another model: which one predicts second halves of recordings better?"),
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
    if sum(asked is not None for asked in (compare, predict, rank, versus)) > 1:
        raise ProtocolFault(["--compare, --predict, --rank, --versus: allowed: one of them"])
    if predict is not None:
        found = predicted(paths, load(predict, list(set_ or []), quick=quick), list(set_ or []), draws, options)
        print(json.dumps(found, indent=2)) if json_ else report.show_prediction(found, console)
        return
    fitted = fit_protocol(load(protocol, list(set_ or []), quick=quick))
    check_free(list(set_ or []), Space(fitted).paths)
    if compare is not None:
        if paths:
            raise ProtocolFault([f"{paths[0]}: beside --compare; allowed: its two groups alone"])
        found = compared(compare, _needed(trained, fitted, "--compare"), fitted)
        print(json.dumps(found, indent=2)) if json_ else report.show_comparison(found, console)
        return
    if not paths:
        raise ProtocolFault(["RECORDING: missing; allowed: one or several files of recordings"])
    how = by or ("posterior" if trained is not None else "search")
    learned = _needed(trained, fitted, "--by posterior") if how == "posterior" else None
    sd = spread(fitted, cli.targets_of(protocol, fitted))
    if versus is not None:
        models = _needed(trained, fitted, "--versus"), read_trained(versus, option="--versus")
        scored = compare_models(paths, models, sd, living.prepare(device), options.jobs or 1)
        print(json.dumps(scored, indent=2)) if json_ else report.show_scores(scored, console)
        return
    rules = learned.protocol.fit.other_rules if learned else ()
    all_recorded = [one for path in paths for one in recorded(path, fitted, rules)]
    _check_names(all_recorded)
    groups = None if rank is None else labels(rank, all_recorded)
    scratch.claim()
    messages = Console(stderr=True, highlight=False)
    results, twins = [], []
    with cli.kept_on_interruption(messages, out):
        engine = living.prepare(device)
        default = judged(as_dish(fitted), {}, engine, options.jobs or 1)
        for one in all_recorded:
            making = Fitted(fitted, one, sd, default, engine, options.jobs or 1)
            content = _fit(making, learned, options, messages, force)
            if content is None:
                continue
            results.append(content)
            twins.append(making.arrays["twin"])
            if not json_:
                report.show(content, console)
    ranking = None
    if rank is not None and groups is not None:
        if len(twins) < len(all_recorded):
            raise RuntimeError("--rank: not every recording has a twin yet")
        ranking = ranked(rank, groups, twins, all_recorded, fitted, sd)
    if json_:
        print(json.dumps({"twins": results} | ({"rank": ranking} if ranking else {}), indent=2, default=float))
    elif ranking is not None:
        report.show_ranking(ranking, console)


def _needed(trained: Path | None, protocol: FitProtocol, what: str) -> Trained:
    if trained is None:
        raise ProtocolFault([f"--trained: missing; allowed beside {what}: a run of python -m culture_sim.fit.train"])
    return read_trained(trained, protocol)


def _fit(
    making: Fitted, trained: Trained | None, options: cli.Options, messages: Console, force: bool
) -> dict[str, Any] | None:
    """Fit one recording and write its directory; None if another process finishes its search."""
    protocol, one = making.protocol, making.recorded
    folder = options.out / point.twin_name(one)
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


def _check_names(all_recorded: list[Recorded]) -> None:
    """Refuse recordings whose twins would have the same directory."""
    for name, count in collections.Counter(map(point.twin_name, all_recorded)).items():
        if count > 1:
            raise ProtocolFault([f"{name}: {count} recordings would have this twin; allowed: files of different names"])
