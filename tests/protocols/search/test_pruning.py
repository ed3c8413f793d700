"""Pruning: the thresholds against Optuna's own pruner, the watch against its definition."""

import warnings

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.search.pruning import Hopeless, Watch, thresholds
from protocols.spec.search import Pruning

curves_of = st.lists(st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4), min_size=4, max_size=8)


@given(curves_of, st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4), st.sampled_from([1, -1]))
def test_it_stops_where_optunas_percentile_pruner_stops(curves: list[list[float]], own: list[float], sign: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pruner = optuna.pruners.PercentilePruner(50, n_startup_trials=1, n_warmup_steps=1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize" if sign > 0 else "minimize", pruner=pruner)
    for curve in curves:
        trial = study.ask()
        for step, value in enumerate(curve):
            trial.report(value, step)
        study.tell(trial, curve[-1])
    trial, stops = study.ask(), len(own)
    for step, value in enumerate(own):
        trial.report(value, step)
        if trial.should_prune():
            stops = step
            break
    watch = Watch("m", thresholds(curves, Pruning(warmup=0.25, startup=1), sign), sign)
    done = len(own)
    for step, value in enumerate(own):
        try:
            watch("m", value)
        except Hopeless:
            done = step
            break
    assert done == stops


def test_few_trials_and_other_metrics_stop_nothing() -> None:
    assert thresholds([[1.0, 2.0]] * 7, Pruning(startup=8), 1) == []
    assert thresholds([[1.0, 2.0]] * 9, None, 1) == []
    watch = Watch("m", [2.0], 1)
    watch("other", 0.0)
    assert watch.curve == []
    with pytest.raises(Hopeless):
        watch("m", 1.0)


def test_the_warmup_lets_everything_pass() -> None:
    asked = thresholds([[1.0] * 8] * 3, Pruning(startup=1, warmup=0.5), 1)
    np.testing.assert_array_equal(asked, [-np.inf] * 4 + [1.0] * 4)
