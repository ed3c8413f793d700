"""``python -m culture_sim.bench``."""

from culture_sim.bench.presentations import app
from protocols.runs import cli

cli.main(app)
