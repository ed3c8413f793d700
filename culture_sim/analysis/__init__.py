"""Pure functions from recordings to measures."""
