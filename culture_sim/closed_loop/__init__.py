"""Closed loop: a living culture that goes on between ticks, what is done to it, and controllers that decide it."""
