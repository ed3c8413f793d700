"""Images as tensors: held in memory or streamed from files, normalised, whitened."""
