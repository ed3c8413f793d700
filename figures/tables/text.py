"""Tables as text: Markdown to read, CSV to compute with."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd


def as_markdown(rows: Iterable[Sequence[str]], header: Sequence[str]) -> str:
    """A Markdown table of cells that are text already."""
    cells = pd.DataFrame(list(rows), columns=list(header), dtype=object).replace(r"\|", r"\\|", regex=True)
    return cells.to_markdown(index=False, tablefmt="github", disable_numparse=True, stralign=None) + "\n"


def as_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """CSV with these columns; a value that a row lacks, or None, is an empty field."""
    table = pd.DataFrame(list(rows), columns=list(columns), dtype=object)  # object: a missing count makes no floats
    return table.to_csv(index=False, lineterminator="\n")
