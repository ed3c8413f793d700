"""Networks that are not a list of layers: architectures that come with the project, modules of one's own."""
