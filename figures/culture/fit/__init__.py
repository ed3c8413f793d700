"""Figures of fits to recordings: the calibration of a posterior, the twin of a culture."""
