"""Figures of association runs against their arrays, recomputed one image, one neuron, one presentation at a time."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes

from figures import make, report
from figures.culture import kernels, learning, probes, responses
from figures.labels import spread
from figures.runs.run import AssociationRun, read_run
from tests.figures.synthetic import N_CELLS, N_TEST, make_run, protocol, seed_arrays, write_run

pytestmark = pytest.mark.whole


def association(path: Path) -> AssociationRun:
    run = read_run(path)
    assert isinstance(run, AssociationRun)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> AssociationRun:
    return association(make_run(tmp_path_factory.mktemp("runs") / "abc", classes=(3, 1, 8)))


def accuracies(run: AssociationRun) -> list[list[float]]:
    """Accuracy of each seed at each evaluation, image by image."""
    found = []
    for seed in run.seeds:
        scores, labels = (run.arrays[f"seed_{seed}/{key}"] for key in ("scores/test", "labels/test"))
        found.append([sum(list(s).index(max(s)) == t for s, t in zip(e, labels, strict=True)) / N_TEST for e in scores])
    return found


def lines(ax: Axes, width: float) -> list[np.ndarray]:
    return [np.asarray(line.get_ydata()) for line in ax.lines if line.get_linewidth() == width]


def test_learning_draws_every_culture_and_their_mean(run: AssociationRun) -> None:
    ax = learning.figure(run).axes[0]
    expected = accuracies(run)
    (mean,) = lines(ax, 2)
    np.testing.assert_allclose(mean, np.mean(expected, axis=0))
    np.testing.assert_allclose(lines(ax, 0.6), expected)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [0, 50, 100, 150, 200, 250])
    assert ax.get_ylim()[0] < 1 / 3
    assert ax.get_ylim()[1] == pytest.approx(1, abs=0.02)


def test_learning_names_chance_ceilings_and_published_snapshots(run: AssociationRun) -> None:
    ax = learning.figure(run).axes[0]
    levels = {line.get_ydata()[0]: line.get_linestyle() for line in ax.lines if line.get_linewidth() == 0.9}
    assert sorted(levels) == pytest.approx([1 / 3, 0.8, 0.88, 0.98, 0.995])
    assert levels[0.8] == levels[0.88] == "--"
    named = {text.get_text() for text in ax.texts}
    assert {"chance 0.333", "Somebody 2021, best snapshot 0.88", "their program, best snapshot 0.8"} <= named
    assert "their program (n=1): their program, run today" in ax.figure.get_supxlabel()


def test_learning_shades_the_averaged_evaluations_and_writes_their_mean(run: AssociationRun) -> None:
    ax = learning.figure(run).axes[0]
    (span,) = ax.patches
    assert (span.get_x(), span.get_x() + span.get_width()) == (125, 250)  # evaluations at 150, 200, 250
    mean = np.mean([culture[-3:] for culture in accuracies(run)])
    assert span.get_label().startswith(f"mean of the last 3 evaluations: {mean:.3f} [")


def test_learning_of_one_culture_has_no_interval(tmp_path: Path) -> None:
    ax = learning.figure(association(make_run(tmp_path / "run", seeds=1))).axes[0]
    assert not ax.collections
    assert len(lines(ax, 2)) == 1


def test_names_beside_the_axes_keep_apart_and_in_order() -> None:
    places = spread([0.5, 0.98, 0.99, 0.995], 0.05, 0.4, 1.0)
    assert places == pytest.approx([0.5, 0.895, 0.945, 0.995])
    assert spread([0.41, 0.42, 0.43], 0.05, 0.4, 1.0) == pytest.approx([0.4, 0.45, 0.5])
    assert min(np.diff(spread([0.0] * 30, 0.05, 0.0, 1.0))) == pytest.approx(0.05)  # more names than fit


def test_responses_histograms_hold_every_image_and_the_matrix_counts_them(run: AssociationRun) -> None:
    fig = responses.figure(run)
    counts = np.zeros((3, 3), int)
    own: list[list[float]] = [[], [], []]
    for seed in run.seeds:
        scores, labels = (run.arrays[f"seed_{seed}/{key}"] for key in ("scores/test", "labels/test"))
        for score, label in zip(scores[-1], labels, strict=True):
            counts[label, list(score).index(max(score))] += 1
            own[label].append(score[label])
    for index, ax in enumerate(fig.axes[:3]):
        assert ax.get_title(loc="left") == f"region {run.classes[index]}"
        others, mine = ax.containers
        assert sum(bar.get_height() for bar in others) == pytest.approx(100)
        tallest = max(mine, key=lambda bar: bar.get_height())
        inside = [tallest.get_x() <= value < tallest.get_x() + tallest.get_width() for value in own[index]]
        assert tallest.get_height() == pytest.approx(100 * np.mean(inside))
    written = [text.get_text() for text in fig.axes[3].texts]
    assert written == [f"{100 * n / row.sum():.1f} %\n{n}" for row in counts for n in row]
    assert counts.sum() == N_TEST * 3


@pytest.mark.parametrize("highest", [0.0, 0.3, 1.0, 7.4, 24.9, 900.0])
def test_bins_reach_from_zero_to_the_highest_response(highest: float) -> None:
    edges = responses.bins(highest)
    assert edges[0] < 0
    assert edges[-1] > highest
    assert 2 <= len(edges) <= responses.MOST_BINS + 2


def test_kernels_are_the_mean_change_onto_the_neurons_of_a_region(tmp_path: Path) -> None:
    plan = protocol(seeds=2)
    arrays = {seed: seed_arrays(plan, seed) for seed in plan.seed_list}
    for seed, part in arrays.items():
        part["weights/excitatory/before"] = np.zeros((N_CELLS, N_CELLS))
        change = np.zeros((N_CELLS, N_CELLS))
        change[[12, 13]] = np.array([[1e-3], [-2e-3]]) * (seed + 1)  # from row 1, columns 2 and 3
        change[:, 9] = np.nan  # no neuron near row 0, column 9, a label electrode of class 0
        part["weights/excitatory/after"] = change
    fig = kernels.figure(association(write_run(tmp_path / "run", plan, arrays)))
    assert fig is not None
    expected = np.zeros((6, 10))
    expected[1, 2], expected[1, 3] = 1.5, -3.0  # mV, mean of the factors 1 and 2
    for ax, label in zip(fig.axes, "01", strict=False):
        (image,) = ax.images
        np.testing.assert_allclose(image.get_array(), expected, atol=1e-12)
        assert image.get_clim() == (-3.0, 3.0)
        assert [text.get_text() for text in ax.texts] == [label]


def test_kernels_outline_the_image_and_the_region(run: AssociationRun) -> None:
    fig = kernels.figure(run)
    assert fig is not None
    image, region = (np.concatenate(c.get_segments()) for c in fig.axes[1].collections)
    assert (image.min(axis=0).tolist(), image.max(axis=0).tolist()) == ([-0.5, -0.5], [5.5, 5.5])
    assert (region.min(axis=0).tolist(), region.max(axis=0).tolist()) == ([7.5, -0.5], [8.5, 5.5])  # column 8


def test_probes_set_learned_classes_before_others_and_random(run: AssociationRun) -> None:
    assert probes.groups(run) == [3, 1, 8, 0, 2, 4, 5, 6, 7, 9, -1]
    fig = probes.figure(run)
    assert fig is not None
    for ax, when in zip(fig.axes, ("before", "after"), strict=False):
        for index, points in enumerate(c for c in ax.collections if c.get_offsets().size == 2 * 11):
            for group, label in enumerate([3, 1, 8, 0, 2, 4, 5, 6, 7, 9, -1]):
                seen = [
                    np.mean([s[index] for s, shown in zip(scores, labels, strict=True) if shown == label])
                    for seed in run.seeds
                    for scores, labels in [[run.arrays[f"seed_{seed}/probe/{key}"] for key in (when, "labels")]]
                ]
                assert points.get_offsets()[group][1] == pytest.approx(np.mean(seen))
        assert [text.get_text() for text in ax.texts] == ["learned", "never learned", "no structure"]
    low, high = fig.axes[1].get_ylim()
    assert low < 0.5 < 3.5 < high
    assert fig.axes[0].get_ylim() == (low, high)


def test_without_probes_there_is_no_figure_of_them(tmp_path: Path) -> None:
    plan = protocol(seeds=1)
    arrays = seed_arrays(plan, 0)
    arrays |= {"probe/labels": np.empty(0, int), "probe/before": np.empty((0, 2)), "probe/after": np.empty((0, 2))}
    path = write_run(tmp_path / "run", plan, {0: arrays})
    assert probes.figure(association(path)) is None
    assert {figure.stem for figure in make.make(path)} == {"learning", "responses", "kernels"}


@pytest.mark.parametrize(("n_classes", "seeds"), [(2, 1), (10, 2)])
def test_make_draws_few_and_many_classes(tmp_path: Path, n_classes: int, seeds: int) -> None:
    path = make_run(tmp_path / "run", classes=tuple(range(n_classes)), seeds=seeds)
    assert make.main([str(path)]) == 0
    for name in make.ASSOCIATION:
        assert (path / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        width, _ = plt.imread(path / "figures" / f"{name}.png").shape[1::-1]
        assert width == 1440  # 7.2 inches


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def drop_array(path: Path) -> None:
    with np.load(path) as stored:
        kept = {key: stored[key] for key in stored.files if key != "seed_1/scores/test"}
    np.savez(path, **kept)  # type: ignore[arg-type]


def empty_mapping(path: Path) -> None:
    path.write_text("{}")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("arrays.npz", truncate),
        ("arrays.npz", drop_array),
        ("arrays.npz", Path.unlink),
        ("metrics.json", truncate),
        ("metrics.json", empty_mapping),
        ("provenance.json", truncate),
        ("protocol.yaml", empty_mapping),
        ("protocol.yaml", truncate),
        ("targets/small.csv", Path.unlink),
    ],
)
def test_a_damaged_run_is_one_line(
    tmp_path: Path, name: str, damage: object, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_run(tmp_path / "run")
    damage(path / name)  # type: ignore[operator]
    assert make.main([str(path)]) == 2
    if damage is not drop_array:  # the report uses only the metrics
        assert report.main([str(path), "--out", str(tmp_path / "out")]) == 2
        assert not (tmp_path / "out").exists()
    for line in capsys.readouterr().err.splitlines():
        assert line.startswith(f"error: {path}")
