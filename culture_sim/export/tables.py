"""Tables: a folder with spikes, electrodes, stimulation, steps, trials and the protocol."""

import csv
import json
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from culture_sim.export.trials import trials
from culture_sim.formats.experiment import Experiment


def write(experiment: Experiment, folder: Path) -> Path:
    """Write the folder ``spikes.csv`` is in, completely or not at all."""
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _write_all(experiment, unfinished)
        unfinished.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _write_all(experiment: Experiment, folder: Path) -> None:
    tick = experiment.tick_s
    facts = {
        "duration_s": experiment.duration_s,
        "resolution_s": tick,
        "whole": str(experiment.whole).lower(),
        **experiment.metadata,
    }
    spikes = zip((experiment.spike * tick).tolist(), experiment.electrode.tolist(), strict=True)
    _table(
        folder / "spikes.csv", ["time_s", "electrode"], spikes, [f"# {key}: {value}" for key, value in facts.items()]
    )
    places = ([k, f"{x * 1e6:.10g}", f"{y * 1e6:.10g}"] for k, (x, y) in enumerate(experiment.positions))
    _table(folder / "electrodes.csv", ["electrode", "x_um", "y_um"], places)
    steps = ([name, start * tick, stop * tick] for name, start, stop in zip(*experiment.steps, strict=True))
    _table(folder / "steps.csv", ["step", "start_s", "stop_s"], steps)
    pulses = experiment.pulses
    header = ["time_s", *(field for field in pulses._fields if field != "at")]
    rows = (
        [at * tick, *rest, " ".join(map(str, electrodes)) if len(electrodes) else ""]
        for at, *rest, electrodes in zip(*pulses, strict=True)
    )
    _table(folder / "stimulation.csv", header, rows)
    _table(folder / "trials.csv", ["start_s", "stop_s", "step", "pattern", "trial"], trials(experiment))
    (folder / "protocol.yaml").write_text(experiment.protocol, encoding="utf-8")
    (folder / "provenance.json").write_text(json.dumps(experiment.provenance, indent=2) + "\n", encoding="utf-8")


def _table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], facts: Sequence[str] = ()) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        file.writelines(f"{fact}\n" for fact in facts)
        writer.writerows(rows)
