"""The mask that a segmenter predicts for an image file, at the size of the image."""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from hebbian_dl.segmentation.saved import Saved
from hebbian_dl.segmentation.segmenter import decided, probabilities
from protocols.images.masks import pairs


def predicted(saved: Saved, path: Path) -> np.ndarray:
    """Class of each pixel of an image file, shape (rows, columns).

    The image is resized to the network's input; the probabilities of the classes are resized back, bilinearly, before
    the decision.

    Raises
    ------
    ProtocolFault
        If the file cannot be read.
    """
    data = saved.protocol.data
    with pairs.opened(path) as image:
        pixels, (columns, rows) = pairs.pixels(image, path, data), image.size
    inputs = saved.prepare(torch.from_numpy(pixels)[None])
    shares = probabilities(saved.model, inputs, saved.protocol.segmentation.patch)
    if (rows, columns) != data.size:
        shares = functional.interpolate(shares, size=(rows, columns), mode="bilinear", align_corners=False)
    return decided(shares, saved.threshold)[0].numpy().astype(np.intp)
