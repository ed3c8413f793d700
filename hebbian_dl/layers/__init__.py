"""Hebbian layers: geometry, competition, learning rules, and the module that applies them."""
