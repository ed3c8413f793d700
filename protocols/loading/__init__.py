"""From a file and overrides to a checked protocol; published values; the space of a search."""
