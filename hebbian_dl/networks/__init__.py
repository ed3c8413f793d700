"""Networks: built from layer lists, batch normalisation, the VAE, saved and reused networks."""
