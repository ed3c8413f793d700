"""Augmentation, losses, thresholds and pre-training of segmenters, each against something literal."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hebbian_dl.images.in_memory import Examples, Splits
from hebbian_dl.layers import rules
from hebbian_dl.layers.geometry import Geometry
from hebbian_dl.layers.hebbian import hebbian_layers
from hebbian_dl.networks.architectures.unet import EncoderDecoder
from hebbian_dl.segmentation import pretraining
from hebbian_dl.segmentation.augmentation import augmented
from hebbian_dl.segmentation.finetuning import best_threshold, repeated
from hebbian_dl.segmentation.losses import dice_loss, supervised_loss
from hebbian_dl.segmentation.segmenter import Segmenter, decided
from protocols.results import overlap
from protocols.spec.faults import ProtocolFault
from protocols.spec.nets.masks import ShapesData
from protocols.spec.nets.pretraining import HebbianPretraining
from protocols.spec.nets.segmentation import (
    MapHebbianPretraining,
    MapVaePretraining,
    MaskAugmentation,
    MaskFinetuning,
    Segmentation,
)
from protocols.spec.rules import HebbianPCA, SoftWTA

DATA = ShapesData(source="shapes_with_masks", validation=1, test=1, size=(8, 8))


def spec_of(**methods: Any) -> Segmentation:
    return Segmentation(network={"width": 3, "depth": 2}, methods=methods)


def images_of(n: int = 6, side: int = 8) -> Examples:
    generator = torch.Generator().manual_seed(0)
    return Examples(torch.randn(n, 3, side, side, generator=generator), torch.zeros(n, dtype=torch.int64))


def splits_of(n: int = 6) -> Splits[Examples]:
    return Splits(images_of(n), images_of(n), images_of(n))


@pytest.mark.parametrize(
    "flips", [("horizontal",), ("vertical",), ("transpose",), ("horizontal", "vertical", "transpose")]
)
def test_augmentation_keeps_every_pixel_under_its_mask(flips: tuple[Any, ...]) -> None:
    torch.manual_seed(0)
    masks = torch.randint(0, 4, (40, 6, 6))
    images = masks[:, None].expand(-1, 2, -1, -1).double()
    found, moved = augmented(images, masks, MaskAugmentation(flips=flips, contrast=0, brightness=0))
    assert torch.equal(found, moved[:, None].expand(-1, 2, -1, -1).double())
    seen = {tuple(map(tuple, places(before, after))) for before, after in zip(masks, moved, strict=True)}
    assert len(seen) == 2 ** len(flips)


def places(before: Tensor, after: Tensor) -> list[list[int]]:
    """Which of the reflections of a square turn one map into the other: one, for random maps."""
    found = []
    for turns in range(4):
        for mirrored in (False, True):
            one = np.rot90(before.numpy(), turns)
            if np.array_equal(one.T if mirrored else one, after.numpy()):
                found.append([turns, mirrored])
    return found


def test_intensities_change_by_one_factor_and_shift_a_channel() -> None:
    torch.manual_seed(0)
    images, masks = images_of().images, torch.randint(0, 2, (6, 8, 8))
    found, same = augmented(images, masks, MaskAugmentation(flips=(), contrast=0.2, brightness=0.3))
    assert torch.equal(same, masks)
    for before, after in zip(images.flatten(0, 1), found.flatten(0, 1), strict=True):
        factor, shift = np.polyfit(before.flatten(), after.flatten(), 1)
        assert np.allclose(factor * before + shift, after, atol=1e-5)
    factors = found.flatten(2).std(2) / images.flatten(2).std(2)
    assert factors.std() > 0.1


def test_losses_are_their_literal_formulas() -> None:
    scores = torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    masks = torch.randint(0, 3, (2, 4, 5), generator=torch.Generator().manual_seed(2))
    shares = scores.exp() / scores.exp().sum(1, keepdim=True)
    entropy, ratios = 0.0, []
    every = [(i, r, c) for i in range(2) for r in range(4) for c in range(5)]
    for i, r, c in every:
        entropy -= float(shares[i, masks[i, r, c], r, c].log()) / len(every)
    for label in (1, 2):
        p = [float(shares[i, label, r, c]) for i, r, c in every]
        m = [int(masks[i, r, c] == label) for i, r, c in every]
        ratios.append(2 * sum(a * b for a, b in zip(p, m, strict=True)) / (sum(p) + sum(m)))
    wanted = 1 - sum(ratios) / 2
    assert dice_loss(shares, masks).item() == pytest.approx(wanted, abs=1e-6)
    assert supervised_loss(scores, masks, 0.5).item() == pytest.approx(entropy + 0.5 * wanted, abs=1e-6)


def test_a_perfect_prediction_has_no_dice_loss_and_a_class_that_is_nowhere_costs_nothing() -> None:
    masks = torch.zeros(1, 4, 4, dtype=torch.int64)
    masks[0, 1:3, 1:3] = 1
    shares = nn.functional.one_hot(masks, 3).movedim(-1, 1).double()
    assert dice_loss(shares, masks).item() == pytest.approx(0, abs=1e-6)


def test_the_threshold_has_the_best_dice_of_all() -> None:
    generator = torch.Generator().manual_seed(3)
    masks = torch.randint(0, 2, (5, 6, 7), generator=generator)
    masks[4] = 0
    foreground = (0.3 * masks + 0.5 * torch.rand(5, 6, 7, generator=generator)).clamp(0, 1)
    foreground[4] = 0.2
    threshold, found = best_threshold(torch.stack([1 - foreground, foreground], 1), masks)
    by_hand = {}
    for percent in range(5, 100, 5):
        predicted = (foreground >= percent / 100).numpy().astype(int)
        by_hand[percent / 100] = overlap.of_images(predicted, masks.numpy(), 2)["dice"].mean()
    assert found == pytest.approx(max(by_hand.values()), abs=1e-12)
    assert by_hand[threshold] == max(by_hand.values())
    assert threshold == min(t for t, dice in by_hand.items() if dice == max(by_hand.values()))


def test_of_three_classes_the_most_probable_is_taken() -> None:
    shares = torch.tensor([0.2, 0.5, 0.3]).reshape(1, 3, 1, 1)
    assert best_threshold(shares, torch.ones(1, 1, 1, dtype=torch.int64)) == (None, 0.5 * (1 + 1))
    assert decided(shares, None).item() == 1


@pytest.mark.parametrize(("n", "epoch", "wanted"), [(3, 8, [3, 3, 2]), (3, None, [2, 1, 1]), (9, 4, [1] * 9)])
def test_few_images_are_repeated_in_an_epoch(n: int, epoch: int | None, wanted: list[int]) -> None:
    labelled = Examples(torch.arange(n).float().reshape(n, 1, 1, 1), torch.zeros(n, 1, 1, dtype=torch.int64))
    found = repeated(labelled, MaskFinetuning(batch=4, epoch_images=epoch))
    assert torch.bincount(found.images.flatten().long()).tolist() == wanted


@pytest.mark.parametrize("rule", [HebbianPCA(), SoftWTA()])
def test_every_convolution_learns_from_what_it_sees_and_nothing_else_changes(rule: Any) -> None:
    """One step: the change of each layer is the rule's update for the inputs that a plain network gives it."""
    method = MapHebbianPretraining(rule=rule, learning_rate=0.1, epochs=1, batch=6)
    spec = spec_of(hebbian=method)
    plain = pretraining.drawn(spec, DATA, method, 0)
    inputs: dict[str, Tensor] = {}
    layers = {n: m for n, m in plain.named_modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)}
    for name, layer in layers.items():
        layer.register_forward_pre_hook(lambda _, given, name=name: inputs.update({name: given[0].detach()}))
    images = splits_of()
    plain.train()(images.training.images)
    learner = pretraining.drawn(spec, DATA, method, 0)
    pretraining.pretraining("hebbian", learner, spec, images).run(0, None, None, lambda _: None)
    learned = learner.state_dict()
    assert sum(isinstance(layer, nn.ConvTranspose2d) for layer in layers.values()) == 2
    for name, layer in layers.items():
        before = layer.weight.detach()
        wanted = before + 0.1 * rules.update(rule, inputs[name], before, Geometry.of(layer))
        assert not torch.equal(learned[f"{name}.weight"], before), name
        assert torch.allclose(learned[f"{name}.weight"], wanted, rtol=0, atol=2e-5 * float(wanted.abs().max())), name
    plain.load_state_dict(learned)  # the same names and shapes
    assert all(torch.equal(learned[n], p) for n, p in plain.named_parameters() if n.endswith("bias"))


def test_all_methods_start_from_the_same_weights() -> None:
    spec = spec_of(a={"pretraining": "denoising"}, b={"pretraining": "none", "initial_norm": 1.0})
    one, other, scaled = (
        pretraining.drawn(spec, DATA, spec.methods[name], seed) for name, seed in (("a", 0), ("a", 0), ("b", 0))
    )
    assert all(map(torch.equal, one.parameters(), other.parameters()))
    norms = scaled.down[2].conv2.weight.flatten(1).norm(dim=1)
    assert norms.mean().item() == pytest.approx(1, abs=0.15)


def test_denoising_and_the_vae_learn_and_leave_nothing_in_the_network() -> None:
    spec = spec_of(
        denoising={"pretraining": "denoising", "optimizer": "adam", "learning_rate": 0.01, "epochs": 12, "batch": 3},
        VAE={"pretraining": "vae", "optimizer": "adam", "learning_rate": 0.01, "epochs": 12, "batch": 3, "latents": 2},
    )
    for name, method in spec.methods.items():
        network = pretraining.drawn(spec, DATA, method, 0)
        names = set(network.state_dict())
        training = pretraining.pretraining(name, network, spec, splits_of())
        training.run(0, None, None, lambda _: None)
        losses = [record["training_loss"] for record in training.history]
        assert losses[-1] < 0.9 * losses[0], name
        assert set(network.state_dict()) == names


def test_the_vae_has_the_loss_of_its_formula_and_no_way_around_the_latents() -> None:
    torch.manual_seed(0)
    spec = spec_of(VAE=MapVaePretraining())
    model = pretraining.MapVae(EncoderDecoder(spec.network, 3, 0.1), 3, 2).eval()
    images = images_of(4).images
    found = model(images)
    error = ((found.images - images) ** 2).sum((1, 2, 3))
    m, v = found.mean, found.log_variance
    divergence = -0.5 * (1 + v - m**2 - v.exp()).sum(1)
    assert torch.allclose(model.loss(images, 0.7)[:, 0], error + 0.7 * divergence, rtol=1e-5)
    assert m.shape == (4, 2 * 2 * 2)
    with torch.no_grad():
        for layer in (model.mean, model.log_variance):
            layer.weight.zero_()
        constant = model(images).images
    assert torch.allclose(constant, constant[:1].expand_as(constant), atol=1e-6)


def test_a_plan_that_names_no_layer_is_one_line() -> None:
    method = {"pretraining": "hebbian", "rule": {"rule": "hpca"}, "learning_rate": 0.1, "plan": {"nowhere": None}}
    with pytest.raises(ProtocolFault, match=r"^segmentation\.methods\.HPCA: plan: 'nowhere' names no layer; allowed: "):
        pretraining.check(spec_of(HPCA=method), DATA)


def test_a_star_in_the_plan_decides_over_layers_that_no_other_name_fits() -> None:
    rule = {"rule": "hpca"}
    some = {"pretraining": "hebbian", "rule": rule, "learning_rate": 0.1, "plan": {"down.0": rule, "*": None}}
    spec = spec_of(HPCA=some, all=some | {"plan": {}})
    layers = {}
    for name, method in spec.methods.items():
        assert isinstance(method, HebbianPretraining)
        network = pretraining.drawn(spec, DATA, method, 0)
        layers[name] = [n for n, _ in hebbian_layers(pretraining.hebbian(name, network, method))]
    assert layers["HPCA"] == ["0.down.0.conv1", "0.down.0.conv2"]
    assert len(layers["all"]) == 2 * 5 + 2  # levels and transposed convolutions


def test_neurons_get_the_norm_that_their_layer_had_and_keep_their_direction() -> None:
    method = {"pretraining": "hebbian", "rule": {"rule": "swta"}, "learning_rate": 0.1, "plan": {"down.0": None}}
    spec = spec_of(SWTA=method)
    plain, network = (pretraining.drawn(spec, DATA, spec.methods["SWTA"], seed) for seed in (0, 1))
    assert isinstance(spec.methods["SWTA"], HebbianPretraining)
    pretraining.hebbian("SWTA", network, spec.methods["SWTA"])
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    pretraining.rescale(network, pretraining.mean_norms(plain))
    layers = dict(plain.named_modules())
    changed = {name: tensor for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert set(changed) == {f"{name}.weight" for name, _ in hebbian_layers(network)}
    for key, weight in changed.items():
        neurons = 1 if "enlarge" in key else 0  # output channels of a transposed convolution
        rows, old = (w.transpose(0, neurons).flatten(1) for w in (weight, before[key]))
        own = layers[key.removesuffix(".weight")].weight.transpose(0, neurons).flatten(1)
        assert torch.allclose(rows.norm(dim=1), own.norm(dim=1).mean().expand(len(rows)))
        assert torch.allclose(nn.functional.cosine_similarity(rows, old), torch.ones(len(rows)))


def test_a_segmenter_gives_every_pixel_a_score_of_each_class() -> None:
    model = Segmenter(EncoderDecoder(spec_of(a={"pretraining": "none"}).network, 3, 0.1), 4)
    assert model(images_of(2, 16).images).shape == (2, 4, 16, 16)
