"""``python -m culture_sim.search``."""

from culture_sim.search.command import app
from protocols.runs import cli

cli.main(app)
