"""Figures of culture runs."""
