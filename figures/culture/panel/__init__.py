"""Figures of the panel of recordings, real or simulated: development, synchrony, avalanches, network bursts."""
