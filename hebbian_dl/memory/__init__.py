"""Memory and work of a training, estimated before the first step."""
