"""Figures and page of a search."""
