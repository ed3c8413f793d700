"""Torch's global generator, seeded from a named stream."""

import numpy as np
import torch


def seed_torch(rng: np.random.Generator) -> None:
    """Seed torch by one draw."""
    torch.manual_seed(int(rng.integers(2**63)))
