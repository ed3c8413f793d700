"""The VAE: shapes in the decoder, the loss against torch's distributions and by hand, learning on a tiny set."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from hebbian_dl.images.in_memory import Examples, Splits
from hebbian_dl.networks import saved
from hebbian_dl.networks.build import build
from hebbian_dl.networks.vae import BetaVae, divergence, loss, vae_training
from protocols.loading.loader import load
from protocols.spec.nets.layers import Convolution, Dense, Layer, Normalisation, Pooling
from protocols.spec.nets.pretraining import VaePretraining
from tests.hebbian_dl.layers.test_rules import assert_close, draw_normal

Shape = tuple[int, int, int]
PLAIN, RELATIVE = Normalisation(norm="plain"), Normalisation(norm="relative")
LISTS: dict[str, tuple[Shape, tuple[Layer, ...]]] = {
    "conv": ((2, 7, 5), (Convolution(conv=4, kernel=3),)),
    "stride 2": ((3, 8, 9), (Convolution(conv=4, kernel=3, stride=2), Dense(dense=6))),
    "stride 3, padding": (
        (1, 11, 10),
        (Convolution(conv=4, kernel=4, stride=3, padding=2), PLAIN, Convolution(conv=3, kernel=2, stride=2)),
    ),
    "stride beyond the kernel": ((1, 9, 10), (Convolution(conv=4, kernel=1, stride=4),)),
    "odd pools": (
        (2, 13, 11),
        (Convolution(conv=4, kernel=3), Pooling(pool=2), RELATIVE, Convolution(conv=3, kernel=2), Pooling(pool=3)),
    ),
    "ends in norm of a map": ((1, 6, 6), (Convolution(conv=4, kernel=3), RELATIVE)),
    "ends in a map of one pixel": ((1, 6, 7), (Convolution(conv=4, kernel=5), Pooling(pool=2))),
    "ends in one pixel, normalised": ((2, 5, 5), (Convolution(conv=4, kernel=5), PLAIN)),
    "dense on one pixel": ((2, 4, 4), (Convolution(conv=4, kernel=4), RELATIVE, Dense(dense=5), PLAIN)),
    "dense first": ((3, 4, 5), (Dense(dense=7),)),
    "dense, dense, norm": ((1, 4, 4), (Dense(dense=7), RELATIVE, Dense(dense=6), RELATIVE)),
    "all": (
        (3, 15, 14),
        (
            Convolution(conv=5, kernel=3, padding=1),
            Pooling(pool=2),
            PLAIN,
            Convolution(conv=6, kernel=3, stride=2),
            RELATIVE,
            Dense(dense=9),
            RELATIVE,
            Dense(dense=8),
        ),
    ),
}


def vae_of(case: str, latents: int = 3) -> BetaVae:
    shape, layers = LISTS[case]
    torch.manual_seed(0)
    return BetaVae(build(layers, shape, None), layers, shape, latents)


@pytest.mark.parametrize("case", LISTS)
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_reconstructions_have_the_shape_of_the_images(case: str, memory: torch.memory_format) -> None:
    images = draw_normal(4, *LISTS[case][0]).float().contiguous(memory_format=memory)
    vae = vae_of(case)
    reconstruction, mean, log_variance = vae(images)
    assert reconstruction.shape == images.shape
    assert mean.shape == log_variance.shape == (4, 3)
    loss(reconstruction, images, mean, log_variance, VaePretraining()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in vae.parameters())


@pytest.mark.parametrize("case", LISTS)
def test_the_decoder_mirrors_the_encoder_weight_by_weight(case: str) -> None:
    vae = vae_of(case)
    forth = [p for name, p in vae.encoder.named_parameters() if name.endswith("0.weight")]
    back = [p for name, p in vae.decoder.named_parameters() if name.endswith("weight") and p.dim() > 1]
    assert [p.numel() for p in back] == [p.numel() for p in reversed(forth)]


def test_maxima_are_put_back_where_the_encoder_found_them() -> None:
    vae = vae_of("ends in a map of one pixel").eval()
    for seed in range(5):
        image = draw_normal(1, 1, 6, 7, seed=seed).float()
        with torch.no_grad():
            maps = vae.encoder[0](image)
            [(index, before)] = vae.encode(image)[2]
        assert before == maps.shape == (1, 4, 2, 3)
        wanted = maps[..., :2, :2].flatten(2).argmax(2)  # 0, 1 above, 2, 3 below; torch counts along rows of 3
        assert index.flatten().tolist() == (wanted + wanted // 2).flatten().tolist()
        signal = vae.expand(torch.ones(1, 3)).reshape(1, 4, 1, 1)
        unpooled = torch.zeros(1, 4, 6).scatter_(2, index.flatten(2), signal.flatten(2)).reshape(1, 4, 2, 3)
        assert torch.allclose(vae.decode(torch.ones(1, 3), [(index, before)]), vae.decoder[-1](unpooled), atol=1e-6)


def test_a_latent_variable_is_drawn_from_its_distribution() -> None:
    vae = vae_of("dense first").eval()
    seen: list[Tensor] = []
    vae.decode = lambda latents, places: seen.append(latents) or latents
    images = draw_normal(1, 3, 4, 5).float().expand(20000, -1, -1, -1)
    with torch.no_grad():
        vae.log_variance.bias += torch.tensor([0.0, 2.0, -3.0])
        _, mean, log_variance = vae(images)
    assert torch.allclose(seen[0].mean(0), mean[0], atol=0.1)
    assert torch.allclose(seen[0].std(0), (log_variance[0] / 2).exp(), rtol=0.03)


def test_the_divergence_is_that_of_torchs_distributions() -> None:
    mean, log_variance = 2 * draw_normal(5, 4), draw_normal(5, 4, seed=1)
    wanted = kl_divergence(Normal(mean, log_variance.exp().sqrt()), Normal(0.0, 1.0)).sum(1)
    assert_close(divergence(mean, log_variance), wanted, "divergence")
    assert torch.equal(divergence(torch.zeros(1, 3), torch.zeros(1, 3)), torch.zeros(1))


@pytest.mark.parametrize(("kind", "error"), [("sum", (9 + 4) / 2), ("mean", (9 + 4) / 2 / 4)])
@pytest.mark.parametrize("beta", [0.5, 3.0])
def test_the_loss_by_hand(kind: str, error: float, beta: float) -> None:
    images = torch.zeros(2, 1, 2, 2)
    reconstruction = images.clone()
    reconstruction[0, 0, 0, 1], reconstruction[1, 0, 1, 0] = 3, -2
    mean, log_variance = torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, math.log(3)]])
    nats = (4 / 2 + (3 - 1 - math.log(3)) / 2) / 2
    spec = VaePretraining(reconstruction=kind, beta=beta)
    assert loss(reconstruction, images, mean, log_variance, spec).item() == pytest.approx(error + beta * nats)


@pytest.mark.parametrize("case", ["all", "dense, dense, norm"])
@pytest.mark.parametrize("kind", ["sum", "mean"])
def test_a_few_steps_reduce_the_loss(case: str, kind: str) -> None:
    shape = LISTS[case][0]
    images = draw_normal(6, *shape, seed=3).float()
    part = Examples(images, torch.zeros(6, dtype=torch.long))
    rate = 2e-4 if kind == "sum" else 3e-2
    spec = VaePretraining(latents=3, beta=0.1, reconstruction=kind, learning_rate=rate, halve_from=100)
    training = vae_training("VAE", vae_of(case), spec, Splits(part, part, part))
    training.begin_epoch(0)
    losses = [training.step(part).item() for _ in range(40)]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    torch.manual_seed(1)
    scored = training.score()
    torch.manual_seed(1)
    with torch.no_grad():
        reconstruction, mean, log_variance = training.model(images)
        nats = divergence(mean, log_variance).mean().item()
        total = loss(reconstruction, images, mean, log_variance, spec).item()
    assert not training.model.training
    assert scored["divergence_nats"] == pytest.approx(nats, rel=1e-5)
    assert scored["negative_loss"] == pytest.approx(-total, rel=1e-5)


@pytest.mark.parametrize(("features", "width"), [("latents", 7), ("units", 16)])
def test_classifiers_get_the_latents_or_the_units(features: str, width: int) -> None:
    sets = ["network.layers=[{conv: 4, kernel: 3, stride: 2}, {norm: relative}, {pool: 3}, {dense: 16}]"]
    sets += ["network.methods.VAE.latents=7", f"network.methods.VAE.features={features}"]
    protocol = load("fasthebb_cifar10", sets)
    drawn = saved.draw(protocol, protocol.network.methods["VAE"], seed=0)
    images = torch.rand(3, 3, 32, 32)
    drawn.learner.eval()
    found = drawn.features(images)
    assert found.shape == (3, width)
    units = drawn.learner.encoder(images)
    wanted = units if features == "units" else units @ drawn.learner.mean.weight.t() + drawn.learner.mean.bias
    assert torch.allclose(found, wanted, atol=1e-6)
    if features == "latents":
        assert torch.allclose(found, drawn.learner(images)[1], atol=1e-6)
