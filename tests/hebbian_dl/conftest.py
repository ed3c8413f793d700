"""Fixtures that tests of whole runs share."""

from collections.abc import Iterator

import pytest
import torch

from hebbian_dl.run import NetworkLearner


@pytest.fixture(scope="module")
def alone() -> Iterator[None]:
    """One thread, as the other tests have it, and no figures, which have tests of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setattr(NetworkLearner, "figures", lambda *_: None)
        yield
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def tiny_numbers_count() -> Iterator[None]:
    """A run in the process of the tests leaves its setting for tiny numbers behind."""
    yield
    torch.set_flush_denormal(False)
