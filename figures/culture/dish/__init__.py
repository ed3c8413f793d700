"""Figures of living dishes: runs with a timeline."""
