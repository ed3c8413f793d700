"""Seeding of torch's global generator from a named random stream."""

import numpy as np
import torch


def seed_torch(rng: np.random.Generator) -> None:
    """Seed torch's global generator with one draw from `rng`."""
    torch.manual_seed(int(rng.integers(2**63)))
