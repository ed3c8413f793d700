"""Binary codes, Hamming ranking and its precision."""
