"""A command-line program, run in this process or in one of its own."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protocols.runs import cli


def finished_run(app: Any, out: Path, *arguments: str) -> Path:
    """Run a program to its end, with `out` as the folder of runs, and exit code 0; the directory of its only run."""
    assert exit_code(app, *arguments, "--out", str(out)) == 0
    (found,) = (path for protocol in out.iterdir() for path in protocol.iterdir() if path.is_dir())
    return found


def exit_code(app: Any, *arguments: str) -> int:
    """Run a program (a Typer app) with these arguments; its exit code."""
    with pytest.raises(SystemExit) as exit_:
        cli.main(app, arguments)
    return int(exit_.value.code or 0)


@contextlib.contextmanager
def started(line: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a process that nothing ends by itself; a test that fails meanwhile ends it, with its children."""
    with subprocess.Popen(line, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
