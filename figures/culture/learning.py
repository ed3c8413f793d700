"""Learning curve on test images, beside chance, ceilings and published results."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.culture.curves import accuracy_axis, chance, draw_curve, spelled
from figures.labels import Level, draw_levels
from figures.runs.run import AssociationRun
from figures.style import AFTER, BEFORE, GREY, PUBLISHED, canvas
from protocols.loading.published import Target

HEIGHT = 3.5  # inches


def figure(run: AssociationRun) -> Figure:
    """One panel: a thin line per seed, bold their mean; shaded its 95 % interval and the averaged evaluations."""
    fig, axes = canvas(1, 1, HEIGHT)
    ax = axes[0, 0]
    accuracy_axis(ax, [run])
    _averaged(ax, run)
    draw_curve(ax, run, AFTER, f"{run.learners}, 95 % interval" if len(run.seeds) > 1 else run.learners)
    ax.set_xlim(right=run.metrics["accuracy/curve"]["presentations"][-1])
    draw_levels(ax, _levels(run), 0.8 * HEIGHT)
    ax.set_xlabel("training presentations")
    ax.set_ylabel("accuracy on test images")
    ax.set_title(f"{run.protocol.title} (network)" if run.kind == "network" else run.protocol.title, loc="left")
    ax.legend(reverse=True, loc="upper left", bbox_to_anchor=(0, -0.15), ncols=2)
    if best := _published(run):
        sources = dict.fromkeys(f"{t.subject}{'' if t.n is None else f' (n={t.n})'}: {t.source}" for t in best)
        fig.supxlabel("\n".join(sources), fontsize=6, color=GREY, x=0.01, ha="left")
    return fig


def _averaged(ax: Axes, run: AssociationRun) -> None:
    """Shade the evaluations whose mean is the reported accuracy."""
    presentations, result = run.metrics["accuracy/curve"]["presentations"], run.metrics["accuracy/test"]
    first = len(presentations) - result["evaluations"]
    start = (presentations[max(0, first - 1)] + presentations[first]) / 2  # half-way from the last one not averaged
    name = f"mean of the last {result['evaluations']} evaluations: {spelled(result)}"
    ax.axvspan(start, presentations[-1], color=BEFORE, alpha=0.15, lw=0, label=name)


def _levels(run: AssociationRun) -> list[Level]:
    pixels, neurons = (run.metrics[f"ceiling/{name}"]["mean"] for name in ("pixels", "activity"))
    read = "its hidden layers" if run.kind == "network" else "all neurons"
    return [
        Level(chance(run), f"chance {chance(run):.3g}", GREY, (0, (1, 2))),
        Level(pixels, f"logistic readout of pixels {pixels:.3f}", GREY, "-."),
        Level(neurons, f"logistic readout of {read} {neurons:.3f}", "black", ":"),
        *(Level(t.value, f"{t.subject}, best snapshot {t.value:.3g}", PUBLISHED, "--") for t in _published(run)),
    ]


def _published(run: AssociationRun) -> list[Target]:
    return [t for t in run.targets if t.quantity == "accuracy/best_snapshot" and t.bin_ms is None]
