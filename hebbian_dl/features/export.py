"""Export of a pre-trained network, in plain PyTorch or ONNX: ``python -m hebbian_dl.features.export RUN_DIR FILE``.

The exported network takes pixels from 0 to 255 and contains what prepares them. Layers with activation, normalised
weights and relative normalisation become plain modules of torch that compute the same.
"""

import importlib.util
import logging
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from hebbian_dl.features.options import MethodOption, RunArgument, SeedOption
from hebbian_dl.run import check_installed
from protocols.runs import cli
from protocols.spec.faults import ProtocolFault, installation

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
SUFFIXES = (".pt", ".onnx")


@app.command()
def export(
    run_dir: RunArgument,
    file: Annotated[Path, typer.Argument(help="File to write: .pt (plain PyTorch) or .onnx.")],
    method: MethodOption = None,
    seed: SeedOption = None,
    allow_code: cli.AllowCodeOption = False,
) -> None:
    """Write a pre-trained network so that it can be used without this package."""
    if file.suffix not in SUFFIXES or not file.parent.is_dir():
        raise ProtocolFault([f"{file}: allowed: a .pt or .onnx file in a directory that exists"])
    check_installed()
    from hebbian_dl.features.extract import Extractor
    from hebbian_dl.features.plain import plain_layers, plain_network

    extractor = Extractor.of_run(run_dir, method, seed, allow_code=allow_code)
    network = plain_network(extractor)
    if file.suffix == ".onnx":
        write_onnx(network, extractor.protocol.data.shape, file)
    else:
        import torch

        torch.save({"layers": plain_layers(network), "state": network.state_dict()}, file)
    print(f"{file}: {extractor.method}, seed {extractor.seed}, images {extractor.protocol.data.shape}")


def write_onnx(network: Any, shape: tuple[int, int, int], file: Path) -> None:
    """Write a torch module as ONNX: ``images`` (n, *shape) to ``features`` (n, n_features), for any n.

    Raises
    ------
    ProtocolFault
        If the package onnx is missing, or has no form of a layer.
    """
    import torch

    for package in ("onnx", "onnxscript"):
        if importlib.util.find_spec(package) is None:
            raise ProtocolFault([f"{file}: {package} is not installed ({installation('onnx')})"])
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it names packages that nobody needs here
    names: dict[str, Any] = {"input_names": ["images"], "output_names": ["features"], "dynamic_shapes": ({0: "n"},)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            example = (torch.zeros(2, *shape),)
            torch.onnx.export(network, example, str(file), dynamo=True, verbose=False, external_data=False, **names)
    except Exception as error:
        file.unlink(missing_ok=True)
        reason = " ".join(str(error.__cause__ or error).split())[:200]
        raise ProtocolFault([f"{file}: a layer has no form in ONNX: {reason}; allowed: .pt"]) from None


if __name__ == "__main__":
    cli.main(app)
