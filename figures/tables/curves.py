"""Learning curves of several runs: the published protocol beside ours."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.culture.curves import accuracy_axis, chance, draw_curve
from figures.runs.run import AssociationRun
from figures.style import AFTER, GREY, PUBLISHED, canvas

SUFFIX = "_published"


@dataclass
class Panel:
    """Runs drawn in one panel: a single run, or ours with the published protocol."""

    ours: AssociationRun | None = None
    published: AssociationRun | None = None

    @property
    def runs(self) -> list[AssociationRun]:
        """The runs of the panel, the published protocol first."""
        return [run for run in (self.published, self.ours) if run is not None]


def panels(runs: Sequence[AssociationRun]) -> list[Panel]:
    """One panel per run; a run named ``<name>_published`` joins the first panel of ``<name>`` without one.

    Runs join runs of the same kind of learner.
    """
    names = {_name(run) for run in runs}
    found, joining = [], []
    for run in runs:
        if run.protocol.name == _stem(run)[0]:
            found.append(Panel(ours=run))
        elif _stem(run) in names:
            joining.append(run)
        else:
            found.append(Panel(published=run))
    for run in joining:
        free = (p for p in found if p.published is None and p.ours is not None and _name(p.ours) == _stem(run))
        panel = next(free, None)
        if panel is None:
            found.append(Panel(published=run))
        else:
            panel.published = run
    return found


def _name(run: AssociationRun) -> tuple[str, str]:
    return run.protocol.name, run.kind


def _stem(run: AssociationRun) -> tuple[str, str]:
    return run.protocol.name.removesuffix(SUFFIX), run.kind


def figure(runs: Sequence[AssociationRun]) -> Figure:
    """One panel per pair or single run, in the order of the runs; all share the y axis."""
    shown = panels(runs)
    columns = min(2, len(shown))
    rows = -(-len(shown) // columns)
    fig, axes = canvas(rows, columns, 2.7 * rows, sharey=True)
    repeated = {name for name, n in Counter(run.label for run in runs).items() if n > 1}
    for ax in axes.flat[len(shown) :]:
        ax.set_axis_off()
    for ax, panel in zip(axes.flat, shown, strict=False):
        _draw(ax, panel, repeated)
        ax.set_xlabel("training presentations")
    for ax in axes[:, 0]:
        ax.set_ylabel("accuracy on test images")
    accuracy_axis(axes[0, 0], runs)
    return fig


def _draw(ax: Axes, panel: Panel, repeated: set[str]) -> None:
    for run in panel.runs:
        ours = run is panel.ours
        which = "published protocol" if not ours else "ours" if panel.published else run.protocol.name
        draw_curve(ax, run, AFTER if ours else PUBLISHED, f"{which}, {run.learners}")
    last = panel.runs[-1]
    name = last.label
    ax.set_title(f"{name} ({last.path.resolve().name})" if name in repeated else name, loc="left")
    ax.axhline(chance(last), color=GREY, lw=0.9, ls=(0, (1, 2)), zorder=1.5)
    ax.set_xlim(0, max(run.metrics["accuracy/curve"]["presentations"][-1] for run in panel.runs))
    ax.legend(loc="upper left", bbox_to_anchor=(-0.03, -0.2))  # below the axes, where it hides no curve
