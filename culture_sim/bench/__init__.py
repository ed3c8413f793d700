"""Speed of the simulator on this machine: ``python -m culture_sim.bench``."""
