"""Architectures that come with the project: plain torch networks, whose layers `hebbianize` makes learn."""
