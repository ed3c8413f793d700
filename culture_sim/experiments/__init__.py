"""Experiments: one module per kind, from the protocol to the arrays of a seed; work estimate and result tables."""
