"""Twins of real cultures: parameters fitted to recordings, with their uncertainty."""
