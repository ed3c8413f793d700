"""Extracellular spikes: what electrodes hear of neurons, synthetic traces, threshold detection, comparison."""
