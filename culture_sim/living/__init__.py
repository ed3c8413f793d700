"""A culture that is active by itself, in continuous time: growth, session, engines, recording."""

from culture_sim.living.culture import LivingCulture
from culture_sim.living.recording import LivingRecording, LivingState
from culture_sim.living.session import LivingSession
from culture_sim.living.simulation import prepare, simulate

__all__ = ["LivingCulture", "LivingRecording", "LivingSession", "LivingState", "prepare", "simulate"]
