"""Figures of a search, and its recipe on one page."""
