"""A dish for programs that stimulate while they listen: ``with live("spontaneous", seed=0) as dish: ...``."""

from culture_sim.closed_loop.dish import Spikes, Tick
from culture_sim.live.session import LiveDish, live

__all__ = ["LiveDish", "Spikes", "Tick", "live"]
