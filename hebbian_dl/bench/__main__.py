"""``python -m hebbian_dl.bench``."""

from hebbian_dl.bench.steps import app
from protocols.runs import cli

cli.main(app)
