"""The spiking network of Diehl and Cook (2015): its equations, two engines, and its training on labelled images."""

from culture_sim.spiking.network import Presentations, Responses, Weights
from culture_sim.spiking.simulation import prepare, present

__all__ = ["Presentations", "Responses", "Weights", "prepare", "present"]
