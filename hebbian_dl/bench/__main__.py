"""Entry point of ``python -m hebbian_dl.bench``: the benchmark of training steps."""

from hebbian_dl.bench.command import app
from protocols.runs import cli

cli.main(app)
