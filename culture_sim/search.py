"""Search the parameters of cultures: ``python -m culture_sim.search protocols/mnist01_search.yaml``."""

from culture_sim.run import CultureLearner
from culture_sim.trials import CultureTrials
from protocols import cli
from protocols.search.command import command

app = command(CultureLearner(), CultureTrials())

if __name__ == "__main__":
    cli.main(app)
