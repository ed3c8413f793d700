"""Images as tensors: in memory, streamed from files, whitened."""
