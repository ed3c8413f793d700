"""Amortised inference: a posterior that is trained once on simulated recordings, for any number of real ones."""
