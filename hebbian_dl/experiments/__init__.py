"""One module per kind of experiment, from protocol to arrays of a training; summaries and tables."""
