"""A digital twin of neuronal cultures on multi-electrode arrays."""

from importlib.metadata import version

from culture_sim.engines.recording import Recording
from culture_sim.engines.session import Session
from culture_sim.engines.simulate import simulate, simulate_many
from culture_sim.model.culture import Culture
from protocols.spec.culture import Culture as CultureSpec

__all__ = ["Culture", "CultureSpec", "Recording", "Session", "__version__", "simulate", "simulate_many"]

__version__ = version("culture-twin")
