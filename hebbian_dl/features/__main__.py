"""Features of images as arrays: ``python -m hebbian_dl.features RUN_DIR IMAGES ...``."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from hebbian_dl.features.options import MethodOption, RunArgument, SeedOption
from hebbian_dl.run import check_installed
from protocols.runs import cli
from protocols.spec.faults import ProtocolFault, listed

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def features(
    run_dir: RunArgument,
    images: Annotated[list[Path], typer.Argument(help="Image files, folders of them, or one .npy or .npz of images.")],
    method: MethodOption = None,
    seed: SeedOption = None,
    layer: Annotated[str | None, typer.Option(help="Module whose output is wanted. Default: the last.")] = None,
    out: Annotated[Path, typer.Option(help="File to write: .npz with names, or .npy.")] = Path("features.npz"),
    allow_code: cli.AllowCodeOption = False,
) -> None:
    """Compute the features of images by a pre-trained network: one row per image."""
    if out.suffix not in {".npz", ".npy"} or not out.parent.is_dir():
        raise ProtocolFault([f"--out {out}: allowed: a .npz or .npy file in a directory that exists"])
    check_installed()
    from hebbian_dl.features.extract import Extractor
    from hebbian_dl.features.pixels import from_array, from_files, image_files

    extractor = Extractor.of_run(run_dir, method, seed, allow_code=allow_code)
    data = extractor.protocol.data
    if len(images) == 1 and images[0].suffix in {".npy", ".npz"}:
        try:
            pixels = from_array(_array(images[0]), data.shape)
        except ValueError as error:
            raise ProtocolFault([f"{images[0]}: {error}"]) from None
        names = [str(index) for index in range(len(pixels))]
    else:
        files = image_files(images)
        pixels, names = from_files(files, data), [str(path) for path in files]
    found = extractor(pixels, layer)
    np.save(out, found) if out.suffix == ".npy" else np.savez(out, features=found, names=np.array(names))
    print(f"{out}: {found.shape[0]} images, {found.shape[1]} features, {extractor.method}, seed {extractor.seed}")


def _array(path: Path) -> np.ndarray:
    """The images in a file: the array, or the one called ``images`` or the only one."""
    try:
        found = np.load(path)
    except (OSError, ValueError) as error:
        raise ProtocolFault([f"{path}: {str(error).splitlines()[0]}; allowed: an array of images"]) from None
    if isinstance(found, np.ndarray):
        return found
    name = "images" if "images" in found.files else found.files[0] if len(found.files) == 1 else None
    if name is None:
        raise ProtocolFault([f"{path}: holds {listed(found.files) or 'no array'}; allowed: an array 'images'"])
    return np.asarray(found[name])


if __name__ == "__main__":
    cli.main(app)
