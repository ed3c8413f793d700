"""Pre-trained networks in use: features of any images, a scikit-learn estimator, probes, export."""
