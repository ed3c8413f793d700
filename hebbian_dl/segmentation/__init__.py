"""Segmentation with few masks: inputs, the U-Net with its last layer, pre-training, fine-tuning, prediction."""
