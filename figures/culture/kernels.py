"""Learned input of the class regions: change of excitatory weight onto each, over the array."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.culture import array_map
from figures.runs.run import AssociationRun
from figures.style import canvas


def figure(run: AssociationRun) -> Figure | None:
    """One map of the array per class: change of excitatory weight onto its region; None if that is not plastic."""
    if not run.culture.culture.excitatory.plastic:
        return None
    columns = min(len(run.classes), 2 if len(run.classes) <= 4 else 3)
    rows = -(-len(run.classes) // columns)
    array = run.culture.culture.array
    width = 6.2 / columns
    fig, axes = canvas(rows, columns, rows * (min(width, 3.1) * array.rows / array.columns + 0.25) + 0.5)
    kernels = {label: kernel(run, label) for label in run.classes}
    widest = max(np.abs(image).max() for image in kernels.values()) or 1.0
    for ax in axes.flat[len(kernels) :]:
        ax.set_axis_off()
    for ax, (label, image) in zip(axes.flat, kernels.items(), strict=False):
        shown = array_map.draw(ax, image, f"onto region {label}", "RdBu_r", limits=(-widest, widest))
        _mark(ax, run, label)
    fig.colorbar(shown, ax=axes, label="change of weight (mV)", shrink=0.8)
    cultures = f"mean of {len(run.seeds)} cultures" if len(run.seeds) > 1 else "one culture"
    fig.suptitle(
        f"Excitatory weight from each electrode's surroundings onto a neuron of a class region, after - before\n"
        f"dashed: the image; solid: the region; {cultures}",
        fontsize=8,
    )
    return fig


def kernel(run: AssociationRun, label: int) -> np.ndarray:
    """Change of the weight onto a neuron of a class region, in mV, mean over seeds; shape (rows, columns)."""
    change = run.stack("weights/excitatory/after") - run.stack("weights/excitatory/before")
    region = run.label_region(label)
    onto = np.nanmean(change[:, :, region.ravel()], axis=2)  # electrodes without a neuron nearby are NaN
    return onto.mean(axis=0).reshape(region.shape) * 1e3


def _mark(ax: Axes, run: AssociationRun, label: int) -> None:
    """Outline the electrodes of the image and of the region."""
    (height, width), at = run.protocol.data.size, run.culture.association.image
    region = run.label_region(label)
    image = np.zeros_like(region)
    image[at.row : at.row + height, at.column : at.column + width] = True
    array_map.outline(ax, image, color="black", lw=0.8, linestyle="--")
    array_map.outline(ax, region, color="black", lw=1.5)
    array_map.name(ax, region, str(label))
