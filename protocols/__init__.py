"""Experiment files and the contract around them, shared by the culture simulator and the Hebbian networks."""
