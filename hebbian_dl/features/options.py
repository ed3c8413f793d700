"""Options that the commands on pre-trained networks share: which network of which run."""

from pathlib import Path
from typing import Annotated

import typer

RunArgument = Annotated[Path, typer.Argument(help="Directory of a finished run of hebbian_dl.run.")]
MethodOption = Annotated[str | None, typer.Option(help="Pre-training method. Default: the only one.")]
SeedOption = Annotated[int | None, typer.Option(min=0, help="Default: the first.")]
