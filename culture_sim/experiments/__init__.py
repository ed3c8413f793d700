"""One module per kind of experiment, from protocol to arrays of a seed; work estimate and tables."""
