"""What electrodes hear of a simulated culture: ``python -m culture_sim.electrode_view RUN_DIR``.

The spikes of all neurons of a run become extracellular traces (amplitude by distance, templates, noise); a threshold
detector finds them again. The table gives recall by amplitude, precision, and the panel of the detected spikes beside
that of the true ones. ``--out`` keeps the traces and the true spikes as NWB, to test a spike sorter.
"""

import json
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from rich import box
from rich.table import Table

from culture_sim.analysis.panel import Measure, panel
from culture_sim.analysis.spike_trains import SpikeTrains
from culture_sim.export import traces_file
from culture_sim.extracellular.comparison import Scores, scores
from culture_sim.extracellular.detection import described, detect
from culture_sim.extracellular.traces import Traces
from culture_sim.formats import finished_run
from culture_sim.formats.mending import spike_trains
from protocols.loading.definitions import overridden
from protocols.loading.loader import load
from protocols.runs import cli
from protocols.spec.dish.extracellular import Extracellular
from protocols.spec.dish.recordings import Detection
from protocols.spec.faults import ProtocolFault, installation
from protocols.spec.protocol import DishProtocol, EvokedProtocol
from protocols.spec.section import Section

CLASSES = np.array([5, 10, 15, 20, 25, 30, 40, 60, 100, 1000]) * 1e-6  # V

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


class ElectrodeView(Section):
    """How spikes look at electrodes, and how they are detected."""

    extracellular: Extracellular = Extracellular()
    detection: Detection = Detection()


class View(NamedTuple):
    """Traces of one culture and what was detected in them.

    `traces`; `scores`: recall by amplitude, precision; `true`, `detected`: panels, of the neurons of at least `least`
    (V) at an electrode, and of the detected spikes.
    """

    traces: Traces
    scores: Scores
    least: float
    true: dict[str, Measure]
    detected: dict[str, Measure]


@app.command()
def electrode_view(
    run: Annotated[Path, typer.Argument(help="Directory of a finished run that kept all spikes (record.spikes=all).")],
    seed: Annotated[int | None, typer.Option(help="Which culture. Default: the first.")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Length from the start of the run.")] = 60.0,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="For example extracellular.noise='0.01 mV', detection.threshold=4."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write traces and true spikes as NWB here.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print everything as JSON, nothing else.")] = False,
) -> None:
    """Make extracellular traces of a run, detect spikes in them, compare with the true ones."""
    spec = overridden(ElectrodeView(), set_ or [])
    if out is not None and not out.parent.is_dir():
        raise ProtocolFault([f"--out {out}: no folder {out.parent}; allowed: a file in an existing folder"])
    traces, places = of_run(run, seed, seconds, spec.extracellular)
    if out is not None:
        try:
            traces_file.write(traces, *places, out)
        except ModuleNotFoundError as error:
            raise ProtocolFault([f"--out: {error.name} is not installed ({installation('lab')})"]) from None
    found = view(traces, places[0], spec.detection)
    if json_:
        print(json.dumps(_plain(found), indent=2))
        return
    console = cli.result_console()
    console.print(
        described(spec.detection),
        recall_table(found.scores),
        f"precision {found.scores.precision:.4f}; false spikes {found.scores.false_rate_hz:.3g} / s and electrode",
        panel_table(found),
        sep="\n",
    )


def of_run(
    run: Path, seed: int | None, seconds: float, spec: Extracellular
) -> tuple[Traces, tuple[np.ndarray, np.ndarray]]:
    """Traces of one culture of a run; positions (m) of electrodes and neurons.

    Raises
    ------
    ProtocolFault
        If it is no finished run, has no such seed, or did not keep the spikes of all neurons.
    """
    if not finished_run.recognises(run):
        raise ProtocolFault([f"{run}: not a finished run; allowed: {finished_run.DESCRIPTION}"])
    protocol = load(str(run / "protocol.yaml"))
    if not isinstance(protocol, (DishProtocol, EvokedProtocol)):
        raise ProtocolFault([f"{run}: keeps no spikes; allowed: a run of stimuli in phases or of steps"])
    chosen = protocol.first_seed if seed is None else seed
    if chosen not in protocol.seed_list:
        raise ProtocolFault([f"--seed {chosen}: not in the run; allowed: {', '.join(map(str, protocol.seed_list))}"])
    if protocol.record.spikes != "all":
        raise ProtocolFault([f"{run}: record.spikes: {protocol.record.spikes}; allowed: all, those of every neuron"])
    with np.load(run / "arrays.npz") as arrays:
        step, neuron, electrodes, neurons = (
            arrays[f"seed_{chosen}/{name}"] for name in ("spikes/step", "spikes/neuron", "electrodes", "positions")
        )
    dt = protocol.culture.simulation.dt
    duration = min(seconds, finished_run.n_steps(protocol) * dt)
    return Traces.of(spec, step, neuron, dt, duration, electrodes, neurons, chosen), (electrodes, neurons)


def view(traces: Traces, electrodes: np.ndarray, detection: Detection) -> View:
    """Detect spikes in the traces and compare them with the true ones."""
    rate = traces.spec.sampling
    detected = detect(traces.chunks(), rate, detection)
    true = []
    for row in traces.amplitude:
        heard = row[traces.neuron] > 0
        true.append((traces.sample[heard] / rate, row[traces.neuron[heard]]))
    found = scores(true, detected, CLASSES, traces.duration_s)
    enough = np.flatnonzero(found.recall >= 0.5)
    least = float(CLASSES[enough[0]]) if len(enough) else float(CLASSES[-1])

    def trains(times: list[np.ndarray]) -> SpikeTrains:
        return spike_trains(times, traces.duration_s, electrodes)

    return View(traces, found, least, panel(trains(traces.truth(least))), panel(trains(detected)))


def recall_table(found: Scores) -> Table:
    """Recall by amplitude."""
    shown = Table("amplitude, uV", "true spikes", "recall", box=box.SIMPLE_HEAD)
    for low, high, n, recall in zip(found.edges[:-1], found.edges[1:], found.n_true, found.recall, strict=True):
        shown.add_row(f"{low * 1e6:g} to {high * 1e6:g}", str(n), "-" if np.isnan(recall) else f"{recall:.3f}")
    return shown


def panel_table(found: View) -> Table:
    """The panel of detected spikes beside that of the true ones."""
    heard = f"true, of at least {found.least * 1e6:g} uV"
    shown = Table("measure", heard, "detected", "unit", box=box.SIMPLE_HEAD, title="panel")
    for name, true in found.true.items():
        shown.add_row(name, f"{true.value:.3g}", f"{found.detected[name].value:.3g}", true.unit)
    return shown


def _plain(found: View) -> dict[str, Any]:
    def values(measures: dict[str, Measure]) -> dict[str, float | None]:
        return {name: None if np.isnan(each.value) else each.value for name, each in measures.items()}

    recall = [None if np.isnan(value) else float(value) for value in found.scores.recall]
    return {
        "amplitude_uV": (found.scores.edges * 1e6).round(6).tolist(),
        "true_spikes": found.scores.n_true.tolist(),
        "recall": recall,
        "precision": None if np.isnan(found.scores.precision) else found.scores.precision,
        "false_rate_hz": found.scores.false_rate_hz,
        "least_uV": found.least * 1e6,
        "panel": {"true": values(found.true), "detected": values(found.detected)},
    }


if __name__ == "__main__":
    cli.main(app)
