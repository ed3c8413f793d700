"""The training loop: Hebbian, supervised, checkpoints, evaluation."""
