"""Segmentation with few masks."""
