"""Images with masks: generated, or pairs of files in two folders; read and split."""
