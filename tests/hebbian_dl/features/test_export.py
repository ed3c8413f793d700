"""Exported networks compute, without this package, what the run's own network does."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hebbian_dl.features.export import app, write_onnx
from hebbian_dl.features.extract import Extractor
from hebbian_dl.features.plain import plain_layers, plain_network
from hebbian_dl.images.prepare import Prepare
from hebbian_dl.networks import saved
from protocols.loading.loader import load
from protocols.spec.faults import ProtocolFault
from tests.command import exit_code
from tests.hebbian_dl.features.test_features import pixels_of

PAGE = Path(__file__).parents[3] / "docs/how_to/export.md"


def loader() -> str:
    """The loader that the page gives."""
    return next(
        block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "torch.load" in block
    )


def test_the_loader_of_the_page_loads_softhebb_with_the_activation_of_the_page(triangle: Path, tmp_path: Path) -> None:
    assert exit_code(app, str(triangle), str(tmp_path / "network.pt")) == 0
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict = {"nn": nn}
    exec(next(block for block in blocks if "class Triangle" in block), names)
    exec(loader().replace("network.pt", str(tmp_path / "network.pt")), names)
    del nn.Triangle  # type: ignore[attr-defined]
    pixels = pixels_of(triangle)
    with torch.no_grad():
        found = names["network"](torch.from_numpy(pixels).float())
    np.testing.assert_allclose(found.numpy(), Extractor.of_run(triangle)(pixels), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", ["HPCA", "SWTA", "VAE"])
def test_the_loader_of_the_page_gives_the_same_features(run: Path, tmp_path: Path, method: str) -> None:
    assert exit_code(app, str(run), str(tmp_path / "network.pt"), "--method", method) == 0
    text = loader()
    assert len(text.strip().splitlines()) <= 12
    assert "hebbian_dl" not in text
    names: dict = {}
    exec(text.replace("network.pt", str(tmp_path / "network.pt")), names)
    assert not any(type(module).__module__.startswith("hebbian_dl") for module in names["network"].modules())
    pixels = pixels_of(run)
    with torch.no_grad():
        found = names["network"](torch.from_numpy(pixels).float())
    np.testing.assert_allclose(found.numpy(), Extractor.of_run(run, method)(pixels), rtol=1e-3, atol=1e-4)


def drawn(method: str) -> Extractor:
    """A network of a method, as it was drawn, behind a normalisation of pixels."""
    protocol = load("digits_hebb", [f"network.methods={{it: {method}}}"])
    network = saved.draw(protocol, protocol.network.methods["it"], 0).features.eval()
    prepare = Prepare(torch.full((1, 1, 1, 1), 80.0), torch.full((1, 1, 1, 1), 0.01))
    return Extractor(network, prepare, protocol, "it", 0)


def test_forward_forward_s_network_is_exported_as_it_is() -> None:
    extractor = drawn("{pretraining: forward_forward}")
    network = plain_network(extractor)
    assert plain_layers(network) is None
    pixels = np.random.default_rng(0).integers(0, 256, (5, 1, 8, 8), np.uint8)
    with torch.no_grad():
        found = network(torch.from_numpy(pixels).float())
    np.testing.assert_allclose(found.numpy(), extractor(pixels), rtol=1e-4, atol=1e-5)


def test_sparse_codes_have_no_plain_form_and_that_is_one_line() -> None:
    with pytest.raises(ProtocolFault) as fault:
        plain_network(drawn("{pretraining: hebbian, rule: {rule: sparse_coding}, learning_rate: 0.1}"))
    assert fault.value.lines == ["export: sparse codes are found step by step; allowed: methods without sparse_coding"]


def test_a_network_that_is_no_list_of_layers_exports_its_own_state(residual: Path, tmp_path: Path) -> None:
    assert exit_code(app, str(residual), str(tmp_path / "network.pt")) == 0
    extractor = Extractor.of_run(residual)
    file = torch.load(tmp_path / "network.pt", weights_only=True)
    assert file["layers"] is None
    own = {name.removeprefix("1.0."): value for name, value in file["state"].items() if name.startswith("1.0.")}
    assert own.keys() == extractor.network[0].state_dict().keys()
    pixels = pixels_of(residual)
    with torch.no_grad():
        found = plain_network(extractor)(torch.from_numpy(pixels).float())
    np.testing.assert_allclose(found.numpy(), extractor(pixels), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("which", "method"), [("run", "HPCA"), ("residual", "HPCA"), ("triangle", "SoftHebb")])
def test_onnx_computes_the_same_for_any_number_of_images(
    which: str, method: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    path = request.getfixturevalue(which)
    assert exit_code(app, str(path), str(tmp_path / "network.onnx"), "--method", method) == 0
    assert [file.name for file in tmp_path.iterdir()] == ["network.onnx"]
    session = onnxruntime.InferenceSession(str(tmp_path / "network.onnx"))
    pixels = pixels_of(path)[:7]
    (found,) = session.run(["features"], {"images": pixels.astype(np.float32)})
    np.testing.assert_allclose(found, Extractor.of_run(path, method)(pixels), rtol=1e-3, atol=1e-3)


class Spectrum(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return torch.linalg.eigvals(images).real.flatten(1)


def test_a_layer_without_a_form_in_onnx_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    with pytest.raises(ProtocolFault) as fault:
        write_onnx(nn.Sequential(Spectrum()), (1, 4, 4), tmp_path / "network.onnx")
    (line,) = fault.value.lines
    assert "network.onnx: a layer has no form in ONNX: " in line
    assert line.endswith("; allowed: .pt")
    assert not list(tmp_path.iterdir())


def test_without_onnx_the_message_says_what_to_install(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hebbian_dl.features.export.importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ProtocolFault, match=r"onnx is not installed \(pip install -c constraints.txt -e '\.\[onnx\]'\)"
    ):
        write_onnx(nn.Identity(), load(str(run / "protocol.yaml")).data.shape, tmp_path / "a.onnx")
    assert exit_code(app, str(run), str(tmp_path / "a.txt")) == 2
    assert "allowed: a .pt or .onnx file" in capsys.readouterr().err
