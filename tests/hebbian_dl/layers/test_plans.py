"""Plans of `hebbianize`: which layers learn by which rule, which stay, which are refused; and the table of them."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from hebbian_dl.layers.hebbian import hebbian_layers
from hebbian_dl.layers.hebbianize import Plan, hebbianize
from hebbian_dl.layers.layer_table import layer_table
from protocols.spec.rules import HebbianPCA, SoftWTA

HPCA, SWTA = HebbianPCA(), SoftWTA()


def network() -> nn.Sequential:
    """Layers of every kind: plain, frozen, lazy, parametrised, padded, those of an attention, an embedding."""
    frozen = nn.Linear(8, 8)
    frozen.weight.requires_grad_(False)
    return nn.Sequential(
        nn.ModuleDict({"stem": nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"), "body": nn.Conv2d(8, 8, 3)}),
        nn.ModuleDict(
            {"frozen": frozen, "lazy": nn.LazyLinear(4), "norm": parametrizations.weight_norm(nn.Linear(8, 8))}
        ),
        nn.MultiheadAttention(8, 2),
        nn.Embedding(5, 8),
    )


def rules_of(model: nn.Module) -> dict[str, str]:
    return {name: layer.rule.rule for name, layer in hebbian_layers(model)}


@pytest.mark.parametrize(
    ("plan", "learned"),
    [
        ({"0.stem": HPCA}, {"0.stem": "hpca"}),
        ({"0": SWTA}, {"0.stem": "swta", "0.body": "swta"}),  # a name counts for all that it contains
        ({"0.body": SWTA, "0": HPCA}, {"0.body": "swta", "0.stem": "hpca"}),  # the first name that fits decides
        ({"0": HPCA, "0.body": SWTA}, {"0.body": "hpca", "0.stem": "hpca"}),
        ({"0.stem": None, "*": HPCA}, {"0.body": "hpca", "1.frozen": "hpca"}),
        ({"*.b*": HPCA}, {"0.body": "hpca"}),
    ],
)
def test_the_first_name_that_fits_a_layer_decides_on_its_rule(plan: Plan, learned: dict[str, str]) -> None:
    assert rules_of(hebbianize(network(), plan)) == learned


@pytest.mark.parametrize(
    ("plan", "line"),
    [
        ({}, "plan: names no layer; allowed: a mapping"),
        ({"0.stem": None}, "plan: no layer learns"),
        ({"0.stm": HPCA}, r"plan: '0\.stm' names no layer; allowed: 0\.stem, 0\.body, 1\.frozen"),
        ({"3": HPCA}, "plan: '3' names no layer"),  # of a kind that has no rule
        ({"1.lazy": HPCA}, r"plan: layer '1\.lazy': LazyLinear has no weights yet"),
        ({"1.norm": HPCA}, r"plan: layer '1\.norm': ParametrizedLinear computes its weight"),
        ({"2.out_proj": HPCA}, r"plan: layer '2\.out_proj': MultiheadAttention reads the weights"),
        ({"1.[ln]*": HPCA}, "plan: no layer learns"),
    ],
)
def test_a_plan_by_which_nothing_learns_is_refused_and_leaves_the_network(plan: Plan, line: str) -> None:
    model = network()
    with pytest.raises(ValueError, match=f"^{line}") as fault:
        hebbianize(model, plan)
    assert "\n" not in str(fault.value)
    assert rules_of(model) == {}


def test_a_network_without_a_layer_that_could_learn_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^no linear or convolutional layer below the network itself$"):
        hebbianize(nn.Sequential(nn.ReLU(), nn.Embedding(3, 4)), {"*": HPCA})


def test_two_layers_with_one_weight_learn_once() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    assert rules_of(hebbianize(model, {"*": HPCA})) == {"0": "hpca"}


def test_a_layer_used_in_two_places_has_one_rule_in_both() -> None:
    shared = nn.Linear(4, 4)
    model = hebbianize(nn.Sequential(shared, nn.Tanh(), shared), {"2": HPCA})
    assert model[0] is model[2]
    assert layer_table(model).rows[0].rule == "hpca"


def test_the_table_says_what_became_of_every_layer_and_why() -> None:
    model = hebbianize(network(), {"0.stem": SWTA, "0.body": None, "*": HPCA})
    rows = {row.layer: (row.state, row.rule) for row in layer_table(model).rows}
    assert rows == {
        "0.stem": ("learns", "swta"),
        "0.body": ("stays", ""),
        "1.frozen": ("frozen", "hpca"),
        "1.lazy": ("refused", ""),
        "1.norm": ("refused", ""),
        "2": ("refused", ""),
        "2.out_proj": ("refused", ""),
        "3": ("refused", ""),
    }
    text = str(layer_table(model)).splitlines()
    assert text[0].split() == ["layer", "kind", "weights", "state", "rule", "reason"]
    assert text[1].split() == ["0.stem", "Conv2d", "8", "x", "3", "x", "3", "x", "3", "learns", "swta"]
    assert text[3].endswith("requires_grad=False")
    assert len(text) == 9


def test_the_table_is_true_of_what_changes() -> None:
    model = hebbianize(network()[0], {"*": HPCA})
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    model["stem"].weight.requires_grad_(False)
    for layer in model.values():
        layer.learning_rate = 0.1
    torch.manual_seed(0)
    model["body"](model["stem"](torch.randn(2, 3, 8, 8)))
    changed = {n.rpartition(".")[0] for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert changed == {row.layer for row in layer_table(model).rows if row.state == "learns"} == {"body"}
