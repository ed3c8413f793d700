"""Hook of mkdocs: ``<!-- help: MODULE -->`` on a line becomes what ``python -m MODULE --help`` prints.

One process, ``python docs/command_help.py MODULE ...``, asks all commands of a page and imports each library once.
"""

import contextlib
import io
import json
import os
import re
import runpy
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MARK = re.compile(r"^<!-- help: ([\w.]+) -->$", re.MULTILINE)
ROOT = Path(__file__).parent.parent


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the help of each command that a page names in place of its mark."""
    modules = MARK.findall(markdown)
    if not modules:
        return markdown
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100", "NO_COLOR": "1"}
    command = [sys.executable, __file__, *modules]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    helps = json.loads(printed)
    return MARK.sub(lambda mark: f"```text\n{helps[mark[1]]}\n```", markdown)


def _helps(modules: Sequence[str]) -> dict[str, str]:
    """What each module prints with ``--help``."""
    warnings.simplefilter("ignore", RuntimeWarning)  # of modules that another command has imported
    helps = {}
    for module in modules:
        sys.argv = [module, "--help"]
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            try:
                runpy.run_module(module, run_name="__main__", alter_sys=True)
            except SystemExit as end:
                if end.code:
                    raise
        helps[module] = text.getvalue().strip()
    return helps


if __name__ == "__main__":
    print(json.dumps(_helps(sys.argv[1:])))
