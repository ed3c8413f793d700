"""The ``network:`` section: one error line for each mistake, overrides, round trips, helper functions."""

from pathlib import Path

import pytest
import yaml

from protocols.loading.loader import builtin, load, parse_yaml
from protocols.loading.overrides import check
from protocols.runs.run_directory import resolved
from protocols.spec.faults import ProtocolFault
from protocols.spec.nets.layers import map_sizes
from protocols.spec.nets.pretraining import HebbianPretraining
from protocols.spec.network import regime_name
from protocols.spec.rules import HebbianPCA, SoftWTA

WITH_NETWORK = [name for name in sorted(builtin()) if getattr(load(name), "network", None) is not None]
LAYERS = "; allowed: a mapping with one of conv, pool, norm, dense"


def fault_lines(*overrides: str, base: str = "fasthebb_cifar10") -> list[str]:
    with pytest.raises(ProtocolFault) as fault:
        load(base, overrides)
    return fault.value.lines


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("network.layers.0.kernel=33", "network.layers.0.kernel: 33; allowed: at most 32, the map before it"),
        ("network.layers.8.kernel=6", "network.layers.8.kernel: 6; allowed: at most 5, the map before it"),
        ("network.layers.1.pool=29", "network.layers.1.pool: 29; allowed: at most 28, the map before it"),
        (
            "network.layers.11={conv: 8, kernel: 1}",
            "network.layers: conv or pool after a dense layer; allowed: dense and norm",
        ),
        ("network.layers.11={pool: 2}", "network.layers.11.pool: 2; allowed: at most 1, the map before it"),
        ("network.layers=[{norm: plain}]", "network.layers: no layer has neurons; allowed: at least one conv or dense"),
        ("network.layers=[{pool: 2}, {dense: 8}]", "network.layers.0: pools the image; allowed: conv, dense or norm"),
        (
            "network.layers.0={conv: 8, kernel: 3, padding: 32, border: reflect}",
            "network.layers.0.padding: 32; allowed: at most 31, with border reflect",
        ),
        (
            "network.layers.0={conv: 8, kernel: 3, padding: 33, border: circular}",
            "network.layers.0.padding: 33; allowed: at most 32, with border circular",
        ),
        ("network.layers.1={pool: 2, padding: 2}", "network.layers.1.padding: 2; allowed: at most 1, half of pool"),
        (
            "network.layers.1={pool: 2, take: median}",
            "network.layers.1.take: 'median' is not allowed: input should be 'largest' or 'mean'",
        ),
        (
            "network.methods.HPCA.rule=[{rule: hpca}, {rule: swta}]",
            "network.methods.HPCA.rule: a list of 2; allowed: one for all, or 5, one for each layer with neurons",
        ),
        (
            "network.methods.HPCA.learning_rate=[0.1]",
            "network.methods.HPCA.learning_rate: a list of 1; "
            "allowed: one for all, or 5, one for each layer with neurons",
        ),
        (
            "network.layers.0={conv: 8, kernel: 5, triangle: 0.5}",
            "network.layers.0.triangle: 0.5; allowed: not with a VAE, whose decoder mirrors the layers",
        ),
        (
            "network.layers.0={conv: 8, kernel: 5, border: reflect}",
            "network.layers.0.border: reflect; allowed: not with a VAE, whose decoder mirrors the layers",
        ),
        (
            "network.layers.1={pool: 2, stride: 1}",
            "network.layers.1.pool: other than the largest of squares side by side; "
            "allowed: not with a VAE, whose decoder mirrors the layers",
        ),
        (
            "network.methods.none={pretraining: none, weights: xavier, initial_norm: 2}",
            "network.methods.none.initial_norm: 2; allowed: null, with weights: xavier",
        ),
        (
            "network.finetuning.halve_at=[2]",
            "network.finetuning.halve_at.0: 2 is not allowed: input should be less than or equal to 1",
        ),
        ("network.layers.0={convv: 8, kernel: 3}", f"network.layers.0: keys convv, kernel{LAYERS}"),
        ("network.layers.3=7", f"network.layers.3: 7 is no layer{LAYERS}"),
        ("network.layers.3=pool", f"network.layers.3: 'pool' is no layer{LAYERS}"),
        ("network.layers.3={}", f"network.layers.3: is no layer{LAYERS}"),
        ("network.layers.3={conv: 8}", "network.layers.3.kernel: missing"),
        ("network.methods.HPCA.batch=1", "network.methods.HPCA.batch: 1; allowed: at least 2, for batch normalisation"),
        ("network.methods.VAE.batch=1", "network.methods.VAE.batch: 1; allowed: at least 2, for batch normalisation"),
        (
            "network.methods.HPCA.at_a_time=1",
            "network.methods.HPCA.at_a_time: 1; allowed: at least 2, for batch normalisation",
        ),
        (
            "network.methods.SWTA.whitening_patch=8",
            "network.methods.SWTA.whitening_patch: 8; allowed: an odd side, at most 31",
        ),
        (
            "data.size=[224, 224]",
            "network.methods.SWTA.whitening: a matrix of 150528 x 150528 pixels, 181 GB; "
            "allowed: at most 12288 pixels, or patches (whitening_patch)",
        ),
        (
            "network.methods.HPCA.whitening_patch=5",
            "network.methods.HPCA.whitening_patch: 5; allowed: null, without whitening",
        ),
        ("network.finetuning.at_a_time=65", "network.finetuning.at_a_time: 65; allowed: at most 64, the batch"),
        ("network.finetuning.batch=1", "network.finetuning.batch: 1; allowed: at least 2, for batch normalisation"),
        ("network.regimes=[0.1, 0.1]", "network.regimes: a fraction is listed twice"),
        ("data.classes=[3, 10]", "data.classes: 10; allowed: 0 to 9"),
        ("data.classes=[3]", "data.classes: 1 given; allowed: at least 2"),
        ("network.depth=0", "network.depth: 0 is not allowed: input should be greater than or equal to 1"),
        (
            "network.methods.HPCA.learnign_rate=1",
            "network.methods.HPCA.learnign_rate: unknown key; did you mean 'learning_rate'?",
        ),
        ("network.layers.0={conv: 8, kernal: 3}", "network.layers.0.kernal: unknown key; did you mean 'kernel'?"),
        (
            "network.layers.0={conv: 0, kernel: 3}",
            "network.layers.0.conv: 0 is not allowed: input should be greater than or equal to 1",
        ),
        (
            "network.layers.0={conv: 8, kernel: 0}",
            "network.layers.0.kernel: 0 is not allowed: input should be greater than or equal to 1",
        ),
        (
            "network.methods.none.epochs=1",
            "network.methods.none.epochs: unknown key; allowed: initial_norm, pretraining, weights, whitening, "
            "whitening_patch",
        ),
        (
            "network.methods.none={pretraining: hebbian, rule: {rule: oja}, learnign_rate: 1}",
            "network.methods.none.learnign_rate: unknown key; did you mean 'learning_rate'?",
        ),
        ("network.regimes=[0]", "network.regimes.0: 0 is not allowed: input should be greater than 0"),
        ("network.layers=[7]", f"network.layers.0: 7 is no layer{LAYERS}"),
        ("network.methods.HPCB.epochs=3", "network.methods.HPCB.epochs: no 'HPCB'; did you mean 'HPCA'?"),
    ],
)
def test_a_mistake_is_one_line_with_path_and_what_is_allowed(override: str, expected: str) -> None:
    assert fault_lines(override) == [expected]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("network.methods.HPCA.rule={rule: swtaa}", ("network.methods.HPCA.rule: ", "'swtaa'", "'swta'", "'hpca'")),
        ("network.methods.HPCA.pretraining=hebb", ("network.methods.HPCA: ", "'hebb'", "'hebbian'", "'vae'")),
        ("network.regimes=[0.1, 0]", ("network.regimes.1: 0 ", "greater than 0")),
        ("network.regimes=[0.1, 1.01]", ("network.regimes.1: 1.01 ", "less than or equal to 1")),
        ("network.layers=[]", ("network.layers: ", "one of layers, architecture, module")),
        ("network.methods={}", ("network.methods: ", "at least 1")),
        ("network.methods={FF: {pretraining: forward_forward, batch: 1}}", ("network.methods.FF.batch: 1;", "hybrids")),
        ("network.methods={FF: {pretraining: forward_forward, blur: 1}}", ("network.methods.FF.blur: ", "'blurs'")),
        (
            "network.methods={SC: {pretraining: hebbian, learning_rate: 1, rule: {rule: sparse_coding, threshold: 0}}}",
            ("network.methods.SC.rule.threshold: 0 ", "greater than 0"),
        ),
        ("network.finetuning.momentum=1", ("network.finetuning.momentum: 1 ", "less than 1")),
    ],
)
def test_a_value_that_is_not_allowed_is_one_line_too(override: str, words: tuple[str, ...]) -> None:
    (line,) = fault_lines(override)
    assert line.startswith(words[0])
    assert all(word in line for word in words)


def test_forward_forward_needs_a_list_of_layers_and_two_of_them_for_the_later_ones() -> None:
    method = "network.methods={FF: {pretraining: forward_forward}}"
    layers = "network.layers=[{conv: 4, kernel: 3}, {pool: 2}]"
    (line,) = fault_lines(method, layers)
    assert line == ("network.methods.FF.features: 'later' of a network of one layer; allowed: last, or more layers")
    (line,) = fault_lines(method, "network.layers=[]", "network.architecture=resnet18")
    assert line.startswith("network.methods.FF.pretraining: 'forward_forward', which learns network.layers one by one;")


def test_a_network_for_an_association_sees_single_images() -> None:
    lines = fault_lines("network.layers=[{dense: 8}, {norm: plain}]", base="digits01")
    assert lines == ["network.layers.1: batch normalisation of single presentations; allowed: conv, pool, dense"]
    assert fault_lines("network.layers.0={conv: 4, kernel: 99}", base="digits01")[0].startswith(
        "network.layers.0.kernel: 99; allowed: at most "
    )


def test_a_network_without_data_is_told_so(tmp_path: Path) -> None:
    content = yaml.safe_load(builtin()["digits_hebb"].read_text())
    del content["data"]
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ProtocolFault) as fault:
        load(str(path))
    assert fault.value.lines == ["data: missing"]


def test_batches_of_one_are_allowed_where_nothing_is_normalised() -> None:
    sets = ["network.layers=[{conv: 4, kernel: 3}, {dense: 8}]", "network.finetuning.batch=1"]
    assert load("fasthebb_cifar10", sets).network.finetuning.batch == 1


def test_overrides_reach_a_method() -> None:
    before = load("fasthebb_cifar10").network.methods
    after = load("fasthebb_cifar10", ["network.methods.HPCA.epochs=3"]).network.methods
    assert after["HPCA"].epochs == 3
    assert after["HPCA"] == before["HPCA"].model_copy(update={"epochs": 3})
    assert {name: method for name, method in after.items() if name != "HPCA"} == {
        name: method for name, method in before.items() if name != "HPCA"
    }


def test_overrides_give_a_method_another_rule() -> None:
    method = load("fasthebb_cifar10", ["network.methods.HPCA.rule={rule: swta}"]).network.methods["HPCA"]
    assert isinstance(method, HebbianPretraining)
    assert method.rule == SoftWTA()
    assert isinstance(load("fasthebb_cifar10").network.methods["HPCA"].rule, HebbianPCA)


@pytest.mark.parametrize("name", WITH_NETWORK)
def test_builtin_networks_survive_a_round_trip(name: str) -> None:
    for protocol in (load(name), *([load(name, quick=True)] if load(name).quick else [])):
        again = check(parse_yaml(resolved(protocol), name))
        assert again == protocol
        assert resolved(again) == resolved(protocol)


def test_the_published_network_is_among_the_builtin_ones() -> None:
    assert "fasthebb_cifar10" in WITH_NETWORK
    layers = load("fasthebb_cifar10").network.layers
    neurons = [size for size, *_ in map_sizes(layers, 3, 32, 32)]
    assert [n for i, n in enumerate(neurons) if i == 0 or n != neurons[i - 1]] == [96, 128, 192, 256, 4096]


@pytest.mark.parametrize(
    ("fraction", "name"), [(0.01, "1%"), (0.025, "2.5%"), (1.0, "100%"), (0.07, "7%"), (0.29, "29%")]
)
def test_a_regime_is_named_in_percent(fraction: float, name: str) -> None:
    assert regime_name(fraction) == name


@pytest.mark.parametrize("name", ["", "a/b", "../x", " x", "x" * 41, "ä", "a\nb"])
def test_names_of_methods_can_be_names_of_files(name: str) -> None:
    content = load("digits_hebb").model_dump(mode="json")
    content["network"]["methods"] = {name: {"pretraining": "none"}}
    with pytest.raises(ProtocolFault):
        check(content)
