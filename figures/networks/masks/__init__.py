"""Figures of segmentation: Dice coefficients over the fraction of the masks, predictions beside masks."""
