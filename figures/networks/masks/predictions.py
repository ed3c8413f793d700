"""Predictions beside masks: image, mask, prediction and errors of the best, the median and the worst test image."""

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from figures.runs.run import SegmentationRun
from figures.style import CLASS_COLORS, GREY, WIDTH, bare, canvas

CASES = ("best", "median", "worst")
COLUMNS = ("image", "mask", "prediction", "errors")
MISSED, ADDED = (0.80, 0.25, 0.10), (0.10, 0.35, 0.75)  # red and blue


def figure(run: SegmentationRun, regime: str | None = None) -> Figure:
    """The first seed: without pre-training, or the first method, and the method with the best validation.

    `regime`: name of the fraction of the masks; None for the smallest.
    """
    regime = regime or next(iter(run.regimes.values()))
    methods = _methods(run, regime)
    fig, axes = canvas(
        len(CASES), len(COLUMNS) * len(methods), 0.8 + len(CASES) * 1.05 * WIDTH / len(COLUMNS) / len(methods)
    )
    for place, method in enumerate(methods):
        own = axes[:, place * len(COLUMNS) : (place + 1) * len(COLUMNS)]
        _draw(own, run, method, regime)
        n = run.value("dice", method, regime)["masks"]
        title = f"{method}, {n} {'mask' if n == 1 else 'masks'} ({regime}), seed {run.seeds[0]}"
        said = own[0, 0].annotate(title, (0, 1), (0, 16), "axes fraction", textcoords="offset points", fontsize=8)
        said.set_in_layout(False)  # it is wider than its panel
    things = "images" if run.protocol.data.dimensions == 2 else "volumes"
    fig.suptitle(" ", fontsize=8)  # room for the methods' names
    fig.supxlabel(
        f"test {things} by Dice coefficient (%, left); errors: pale right, red missed, blue added, grey another class",
        fontsize=7, color=GREY,
    )  # fmt: skip
    return fig


def _methods(run: SegmentationRun, regime: str) -> list[str]:
    """The first method, and the one of the others with the best Dice on validation images."""
    first, *others = run.methods
    if not others:
        return [first]
    return [first, max(others, key=lambda name: run.metrics[f"validation_dice/{name}/{regime}"]["mean"])]


def _draw(axes: np.ndarray, run: SegmentationRun, method: str, regime: str) -> None:
    index = list(run.protocol.segmentation.regimes).index(next(f for f, name in run.regimes.items() if name == regime))

    def kept(key: str) -> np.ndarray:
        return np.asarray(run.array(run.seeds[0], f"{method}/{key}")[index])

    slices = (
        [f"\nslice {number + 1}" for number in kept("shown/slice")] if run.protocol.data.dimensions == 3 else [""] * 3
    )
    dice = kept("dice")[kept("shown/index")]
    for row, (case, image, mask, predicted) in enumerate(
        zip(CASES, kept("shown/image"), kept("shown/mask"), kept("shown/predicted"), strict=True)
    ):
        shown = (image, _coloured(mask), _coloured(predicted), errors(mask, predicted))
        for ax, pixels, title in zip(axes[row], shown, COLUMNS, strict=True):
            ax.imshow(pixels if pixels.shape[2] == 3 else pixels[:, :, 0], cmap="gray", interpolation="nearest")
            bare(ax)
            ax.patch.set(edgecolor=GREY, linewidth=0.8)  # a frame, since a mask may be as white as the page
            if row == 0:
                ax.set_title(title, fontsize=7, pad=2)
        text = f"{case}\n{100 * dice[row]:.0f}{slices[row]}"
        axes[row, 0].set_ylabel(text, fontsize=7, rotation=0, ha="right", va="center", labelpad=2)


def errors(mask: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Errors of a prediction as an image (rows, columns, 3): missed, added, another class; what is right is pale."""
    image = np.ones((*mask.shape, 3))
    image[(mask > 0) & (predicted == mask)] = 0.88
    image[(mask > 0) & (predicted > 0) & (predicted != mask)] = 0.4
    image[(mask > 0) & (predicted == 0)] = MISSED
    image[(mask == 0) & (predicted > 0)] = ADDED
    return image


def _coloured(classes: np.ndarray) -> np.ndarray:
    """Classes as an image (rows, columns, 3): black background, a colour each; a single class is white."""
    several = classes.max(initial=0) > 1
    palette = np.array([(0.0, 0.0, 0.0), *(map(to_rgb, CLASS_COLORS) if several else [(1.0, 1.0, 1.0)])])
    return palette[classes.astype(int) % len(palette)]
