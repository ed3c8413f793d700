"""Search for better parameters of a protocol: trials, samplers, workers, and the analysis of the result."""
