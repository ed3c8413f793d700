"""Competition between neurons, one part of a batch after another."""

import pytest
import torch

from hebbian_dl.layers import competition, rules
from hebbian_dl.layers.geometry import Geometry
from protocols.spec import rules as specs
from tests.hebbian_dl.layers.test_rules import assert_close, draw_normal


@pytest.mark.parametrize(
    ("n", "neurons", "most", "sizes"), [(7, 3, 99, [7]), (7, 3, 9, [3, 3, 1]), (2, 3, 1, [1, 1]), (0, 3, 9, [0])]
)
def test_parts_hold_every_image_once(
    n: int, neurons: int, most: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(competition, "PART", most)
    drive = torch.arange(n)[:, None].expand(n, neurons)
    parts = [drive[images] for images in competition.parts(drive)]
    assert [len(part) for part in parts] == sizes
    assert torch.equal(torch.cat(parts), drive)


@pytest.mark.parametrize("rule", [specs.SoftWTA(), specs.TopWTA(k=2), specs.SoftHebb(anti_hebbian=True)], ids=str)
@pytest.mark.parametrize("images", [True, False])
def test_what_is_learned_in_parts_is_what_is_learned_at_once(
    rule: specs.Rule, images: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    geometry = Geometry((1, 2), (0, 1), (1, 1)) if images else Geometry()
    inputs = draw_normal(5, 4, *((4, 5) if images else ()))
    weights = draw_normal(6, *((4, 2, 3) if images else (4,)), seed=1)
    output, whole = rules.learn(rule, inputs, weights, geometry)
    monkeypatch.setattr(competition, "PART", 2 * output[0].numel())
    again, parts = rules.learn(rule, inputs, weights, geometry)
    assert torch.equal(again, output)
    assert_close(parts.total, whole.total, rule)
    assert_close(parts.weight, whole.weight, rule)
