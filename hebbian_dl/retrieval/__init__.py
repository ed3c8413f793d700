"""Image retrieval: binary codes, ranking by Hamming distance, average precision."""
