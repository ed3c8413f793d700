"""Environment of a process: what torch is told before it computes."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.whole

CODE = """
import torch
from hebbian_dl.environment import set_up_torch
set_up_torch(2, tiny_is_zero={tiny_is_zero})
product = torch.full((2**20,), 1e-30) * 1e-10  # large enough for both threads
print(torch.get_num_threads(), int(product.view(torch.int32).ne(0).sum()))
"""


@pytest.mark.parametrize("tiny_is_zero", [True, False])
def test_tiny_numbers_are_zero_in_all_threads_or_in_none(tiny_is_zero: bool) -> None:
    code = CODE.format(tiny_is_zero=tiny_is_zero)
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["2", "0" if tiny_is_zero else str(2**20)]
