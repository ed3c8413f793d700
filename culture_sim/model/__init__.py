"""The culture: placement, wiring, electrodes, neuron and synapse equations."""
