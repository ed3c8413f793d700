"""Living cultures as reservoirs: responses to patterns, read out by a linear classifier, beside controls."""
