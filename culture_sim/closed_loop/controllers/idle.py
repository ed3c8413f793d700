"""The controller that does nothing."""

from culture_sim.closed_loop.dish import Tick


class IdleController:
    """Lets the dish be."""

    def tick(self, tick: Tick) -> None:
        """Do nothing."""
