"""Networks from layer lists, normalisation, the VAE, saved and reused networks."""
