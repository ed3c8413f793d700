"""``python -m culture_sim.fit``."""

from culture_sim.fit.command import app
from protocols.runs import cli

if __name__ == "__main__":
    cli.main(app)
