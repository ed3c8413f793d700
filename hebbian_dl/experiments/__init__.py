"""Experiments: one module per kind, from a protocol to the arrays of a training; summaries and tables."""
