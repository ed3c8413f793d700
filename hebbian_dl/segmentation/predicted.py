"""The mask that a segmenter predicts for an image file, at the size of the image."""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from hebbian_dl.segmentation.saved import Saved
from hebbian_dl.segmentation.segmenter import decided, probabilities
from protocols.images.masks import pairs


def predicted(saved: Saved, path: Path) -> np.ndarray:
    """Class of each pixel of an image file, shape (rows, columns), or of a volume, (slices, rows, columns).

    The image is resized to the network's input; the probabilities of the classes are resized back, linearly, before
    the decision.

    Raises
    ------
    ProtocolFault
        If the file cannot be read.
    """
    data = saved.protocol.data
    pages = pairs.pages(path, data)
    size = pairs.size_of(pages, data)
    inputs = saved.prepare(torch.from_numpy(pairs.pixels(pages, path, data))[None])
    shares = probabilities(saved.model, inputs, saved.protocol.segmentation.patch)
    if size != data.size:
        mode = "bilinear" if data.dimensions == 2 else "trilinear"
        shares = functional.interpolate(shares, size=size, mode=mode, align_corners=False)
    return decided(shares, saved.threshold)[0].numpy().astype(np.intp)
