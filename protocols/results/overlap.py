"""Agreement of a predicted segmentation with its mask: Dice coefficient, Jaccard index, 95 % Hausdorff distance."""

import numpy as np
from scipy.ndimage import binary_erosion, distance_transform_edt


def dice(predicted: np.ndarray, mask: np.ndarray) -> float:
    """2 |P and M| / (|P| + |M|), from 0 to 1, of boolean maps; 1 if both are empty."""
    size = int(predicted.sum()) + int(mask.sum())
    return 2 * int((predicted & mask).sum()) / size if size else 1.0


def jaccard(predicted: np.ndarray, mask: np.ndarray) -> float:
    """|P and M| / |P or M|, from 0 to 1, of boolean maps; 1 if both are empty."""
    union = int((predicted | mask).sum())
    return int((predicted & mask).sum()) / union if union else 1.0


def hausdorff95(predicted: np.ndarray, mask: np.ndarray) -> float:
    """95 % Hausdorff distance of the contours of boolean maps, in pixels, of volumes of the surfaces, in voxels.

    The larger of two 95th percentiles: of the distances of the predicted contour's pixels from the nearest of the
    mask's, and the reverse. A contour are the pixels that erosion by the four (of a voxel six) neighbours
    takes away. 0 if both maps are
    empty; the diagonal of the map, the largest distance there can be, if one of them is.
    """
    if predicted.any() != mask.any():
        return float(np.linalg.norm(mask.shape))
    if not mask.any():
        return 0.0
    one, other = (shape & ~binary_erosion(shape) for shape in (predicted, mask))
    there = distance_transform_edt(~other)[one]
    back = distance_transform_edt(~one)[other]
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


MEASURES = {"dice": dice, "jaccard": jaccard, "hausdorff95": hausdorff95}


def of_images(predicted: np.ndarray, masks: np.ndarray, n_classes: int) -> dict[str, np.ndarray]:
    """Every measure of every image, averaged over the classes but the background.

    Parameters
    ----------
    predicted, masks : int, shape (n, rows, columns) or (n, slices, rows, columns)
        Class of each pixel.
    n_classes
        Number of classes, the background included.

    Returns
    -------
    dict
        By name, shape (n,).
    """
    return {
        name: np.array(
            [
                np.mean([measure(one == label, other == label) for label in range(1, n_classes)])
                for one, other in zip(predicted, masks, strict=True)
            ]
        )
        for name, measure in MEASURES.items()
    }
