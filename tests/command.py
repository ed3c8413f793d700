"""A command-line program, run in this process."""

from typing import Any

import pytest

from protocols.runs import cli


def exit_code(app: Any, *arguments: str) -> int:
    """Run a program (a Typer app) with these arguments; its exit code."""
    with pytest.raises(SystemExit) as exit_:
        cli.main(app, arguments)
    return int(exit_.value.code or 0)
