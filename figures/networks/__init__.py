"""Figures of network runs."""
