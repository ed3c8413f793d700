"""Calibration of a posterior: where the true parameters of held-out recordings lie among its samples."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from scipy.stats import binom

from figures.runs.run import PosteriorRun
from figures.style import AFTER, BEFORE, WIDTH

BINS = 10
COLUMNS = 4


def figure(run: PosteriorRun) -> Figure:
    """A histogram of ranks for each parameter; in grey, where 95 % of the bars of a uniform one would end."""
    ranks, parameters = run.arrays["ranks"], run.metrics["parameters"]
    rows = -(-len(parameters) // COLUMNS)
    drawn, axes = plt.subplots(rows, COLUMNS, figsize=(WIDTH, 1.75 * rows), squeeze=False, sharex=True, sharey=True)
    low, high = binom.ppf((0.025, 0.975), len(ranks), 1 / BINS)
    edges = np.linspace(0, 1, BINS + 1)
    for ax, row, rank in zip(axes.flat, parameters, ranks.T, strict=False):
        ax.axhspan(low, high, color=BEFORE, alpha=0.25, lw=0)
        ax.hist(rank, edges, color=AFTER, alpha=0.85, edgecolor="white", linewidth=0.4)
        covered = " and ".join(f"{row[key]:.0%}" for key in ("coverage_50%", "coverage_90%"))
        ax.set_title(f"{row['label']}\n50 % and 90 % intervals\nhold {covered}", fontsize=7)
    for ax in axes.flat[len(parameters) :]:
        ax.set_axis_off()
    for ax in axes[-1]:
        ax.set_xlabel("rank of the true value")
    for ax in axes[:, 0]:
        ax.set_ylabel("recordings")
    drawn.suptitle(f"{len(ranks)} simulated recordings that the posterior did not learn from", fontsize=9)
    return drawn
