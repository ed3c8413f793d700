"""Memory and number of operations of a training, estimated before its first step."""
