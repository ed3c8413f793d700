"""The command with short stretches, and files of at most so many bytes: ``LONGEST_S MOST_BYTES ARGUMENTS ...``.

A module, so that the processes of seeds, which import it again, have the same settings.
"""

import resource
import sys

from culture_sim.experiments import stretches
from culture_sim.run import app
from protocols.runs import cli

stretches.LONGEST_S, most = float(sys.argv[1]), int(sys.argv[2])
stretches.SHORTEST_S = min(stretches.SHORTEST_S, stretches.LONGEST_S)
if most:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

if __name__ == "__main__":
    cli.main(app, sys.argv[3:])
