"""Hook of mkdocs: ``<!-- help: MODULE -->`` on a line becomes what ``python -m MODULE --help`` prints."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

MARK = re.compile(r"^<!-- help: ([\w.]+) -->$", re.MULTILINE)
ROOT = Path(__file__).parent.parent


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the help of each command that a page names in place of its mark."""
    modules = MARK.findall(markdown)
    if not modules:
        return markdown
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        helps = dict(zip(modules, pool.map(_help, modules), strict=True))
    return MARK.sub(lambda mark: f"```text\n{helps[mark[1]].strip()}\n```", markdown)


def _help(module: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100", "NO_COLOR": "1"}
    command = [sys.executable, "-m", module, "--help"]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=120).stdout
