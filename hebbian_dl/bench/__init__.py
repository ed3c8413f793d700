"""Benchmarks of training steps, epochs and retrieval on this machine: ``python -m hebbian_dl.bench``."""
