"""Search the parameters of cultures: ``python -m culture_sim.search protocols/mnist01_search.yaml``."""

from culture_sim.run import CultureLearner
from culture_sim.search.trials import CultureTrials
from protocols.search.command import command

app = command(CultureLearner(), CultureTrials())
