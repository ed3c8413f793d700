"""Figures of a culture that serves as a reservoir."""
