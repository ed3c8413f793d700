"""Export of a run's log to TensorBoard: ``python -m hebbian_dl.tensorboard RUN_DIR [RUN_DIR ...]`` (needs tensorboard).

Works on finished and on unfinished runs (``<hash>.partial``); event files go to ``RUN_DIR/tensorboard/``.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from protocols.spec.faults import ProtocolFault


def convert(run_dir: Path) -> list[Path]:
    """Write the scores of every epoch as TensorBoard events, one folder per training.

    Returns
    -------
    list of Path
        The folders.

    Raises
    ------
    ProtocolFault
        If TensorBoard is not installed, or the run has no log.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ProtocolFault(["tensorboard is not installed (pip install tensorboard)"]) from None
    logs = sorted(run_dir.glob("log_seed_*.jsonl"))
    if not logs:
        raise ProtocolFault([f"{run_dir}: no log_seed_*.jsonl; allowed: a run directory of hebbian_dl.run"])
    written: dict[Path, SummaryWriter] = {}
    for line in (line for log in logs for line in log.read_text().splitlines()):
        record = json.loads(line)
        name, seed, epoch = record.pop("training"), record.pop("seed"), record.pop("epoch")
        folder = run_dir / "tensorboard" / f"seed_{seed}" / name.replace("/", "_")
        if folder not in written:
            written[folder] = SummaryWriter(str(folder))
        for key, value in record.items():
            written[folder].add_scalar(key, value, epoch)
    for writer in written.values():
        writer.close()
    return list(written)


def main(arguments: Sequence[str]) -> int:
    """Run the command; exit codes 0 done, 2 wrong input."""
    if not arguments or arguments[0] in {"-h", "--help"}:
        print("usage: python -m hebbian_dl.tensorboard RUN_DIR [RUN_DIR ...]")
        return 0 if arguments else 2
    try:
        for argument in arguments:
            for folder in convert(Path(argument)):
                print(folder)
    except ProtocolFault as fault:
        print(f"error: {fault.lines[0]}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
