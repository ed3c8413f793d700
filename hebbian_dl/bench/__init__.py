"""Benchmarks of training steps, epochs and retrieval on this machine: ``python -m hebbian_dl.bench``."""

import sys

from hebbian_dl.run import check_installed
from protocols.runs import cli
from protocols.spec.faults import ProtocolFault

try:
    check_installed()  # here: all modules of the benchmarks import torch
except ProtocolFault as fault:
    cli.tell(fault.lines)
    sys.exit(2)
