"""Searches over cultures: ``python -m culture_sim.search``."""
