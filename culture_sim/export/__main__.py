"""Write the recordings of a run for other tools: ``python -m culture_sim.export RUN_DIR --format nwb``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from culture_sim.export import neo_file, nwb_file, tables
from culture_sim.formats import finished_run
from culture_sim.formats.experiment import Experiment
from protocols.runs import cli
from protocols.spec.faults import ProtocolFault, installation

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


class Format(StrEnum):
    """Formats of files that are written."""

    nwb = "nwb"
    csv = "csv"
    neo = "neo"


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Directory of a finished run.")],
    format_: Annotated[
        Format, typer.Option("--format", help="nwb (.nwb), csv (a folder of tables), neo (.nix).")
    ] = Format.nwb,
    out: Annotated[Path | None, typer.Option(help="Folder for the files. Default: the run directory.")] = None,
) -> None:
    """Write one file per seed: spikes, electrodes, stimulation, trials, steps, protocol, seed, code version."""
    folder = out or run
    if not folder.is_dir():
        raise ProtocolFault([f"--out {folder}: no such folder; allowed: an existing one"])
    if not finished_run.recognises(run):
        raise ProtocolFault([f"{run}: not a finished run; allowed: {finished_run.DESCRIPTION}"])
    try:
        for seed, experiment in finished_run.experiments(run).items():
            print(written(experiment, format_, folder, f"{experiment.metadata['protocol']}_seed_{seed}"))
    except ModuleNotFoundError as error:
        raise ProtocolFault([f"--format {format_}: {error.name} is not installed ({installation('lab')})"]) from None
    except (ValueError, KeyError) as error:
        raise ProtocolFault([f"{run}: {error}"]) from None


def written(experiment: Experiment, format_: Format, folder: Path, name: str) -> Path:
    """Write one experiment; where it lies. A file or folder of that name is replaced once the new one is whole."""
    match format_:
        case Format.nwb:
            return nwb_file.write(experiment, folder / f"{name}.nwb")
        case Format.csv:
            return tables.write(experiment, folder / name)
        case Format.neo:
            return neo_file.write(experiment, folder / f"{name}.nix")


if __name__ == "__main__":
    cli.main(app)
