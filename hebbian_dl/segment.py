"""Masks for images without one: ``python -m hebbian_dl.segment RUN_DIR IMAGES --out predictions``."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from hebbian_dl.run import check_installed
from protocols.images.masks import pairs
from protocols.runs import cli
from protocols.spec.faults import ProtocolFault
from protocols.spec.nets.masks import MaskFolder

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
GREY = (0, 255)  # values of the classes of generated shapes


@app.command()
def segment(
    run_dir: Annotated[Path, typer.Argument(help="Directory of a finished run of a segmentation protocol.")],
    images: Annotated[Path, typer.Argument(help="Folder of image files.")],
    method: Annotated[str | None, typer.Option(help="Default: the best on validation images.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Default: the first.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the masks, made if it is not there.")] = Path("predictions"),
) -> None:
    """Predict a mask for every image of a folder, by the network that learned from the most masks.

    A mask is a PNG file with the image's name and size, of a volume a TIFF file with a page for each slice; its values
    are those of the run's masks.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ProtocolFault([f"--out {out}: is there already; allowed: a new folder, or an empty one"])
    check_installed()
    from hebbian_dl.segmentation.predicted import predicted
    from hebbian_dl.segmentation.saved import load_segmenter

    how = "allowed: a folder of image files"
    files = pairs.by_stem(images, how)
    if not files:
        raise ProtocolFault([f"{images}: no image in it; {how}"])
    saved = load_segmenter(run_dir, method, seed)
    data = saved.protocol.data
    values = np.array(data.values if isinstance(data, MaskFolder) else GREY)
    values = values.astype(np.uint8 if values.max() < 256 else np.uint16)
    from PIL import Image

    for path in files.values():  # all are read before a file is written
        pairs.read_image(path, data)
    out.mkdir(parents=True, exist_ok=True)
    for stem, path in files.items():
        mask = values[predicted(saved, path)]
        if data.dimensions == 2:
            Image.fromarray(mask).save(out / f"{stem}.png")
        else:
            first, *others = map(Image.fromarray, mask)
            first.save(out / f"{stem}.tif", save_all=True, append_images=others, compression="tiff_deflate")
    print(f"{out}: {len(files)} masks by {saved.method}, seed {saved.seed}")


if __name__ == "__main__":
    cli.main(app)
