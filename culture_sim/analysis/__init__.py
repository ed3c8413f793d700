"""Analysis: pure functions from recordings to measures."""
