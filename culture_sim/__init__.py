"""A digital twin of neuronal cultures on multi-electrode arrays."""

from culture_sim.culture import Culture
from culture_sim.recording import Recording
from culture_sim.session import Session
from culture_sim.simulate import simulate, simulate_many
from protocols.culture import Culture as CultureSpec

__all__ = ["Culture", "CultureSpec", "Recording", "Session", "simulate", "simulate_many"]
