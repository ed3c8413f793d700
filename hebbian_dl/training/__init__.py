"""Training: the loop, Hebbian pre-training, fine-tuning, checkpoints, evaluation."""
