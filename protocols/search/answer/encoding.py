"""Searched parameters as points of a unit cube, and back, by scikit-learn's transformers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

#: an entry of ``parameters`` in ``answer.json``: path, kind, unit, low, high, scale, choices, start
Parameter = Mapping[str, Any]
MIDDLE = 0.5  # encoded value of an inactive number


@dataclass(frozen=True)
class Coding:
    """Columns of an encoded point.

    A number takes one column, from 0 at its `low` to 1 at its `high`, logarithmic where its scale is; a choice takes
    one column for each option, 1 for the one chosen and 0 for the others. An inactive number is 0.5; an inactive choice
    gives all its options equal shares.
    """

    parameters: Sequence[Parameter]

    @cached_property
    def _transformer(self) -> Any:
        """Fitted to the ends of the ranges, not to trials: the space alone decides the encoding."""
        from sklearn.compose import ColumnTransformer

        transformer = ColumnTransformer([(p["path"], _encoder(p), [k]) for k, p in enumerate(self.parameters)])
        return transformer.fit(np.array([_ends(p) for p in self.parameters], object).T)

    @property
    def columns(self) -> dict[str, slice]:
        """Columns of each parameter, by its path."""
        return {p["path"]: self._transformer.output_indices_[p["path"]] for p in self.parameters}

    def encode(self, points: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Points of active values by path as an array, shape (n_points, n_columns)."""
        table = [[values.get(p["path"], np.nan) for p in self.parameters] for values in points]
        return self._transformer.transform(np.array(table, object))

    def spread(self, places: np.ndarray) -> np.ndarray:
        """Encoded points, all parameters active, from one place in [0, 1) for each parameter.

        Parameters
        ----------
        places
            Shape (n_points, n_parameters); a choice's place selects among its options, which have equal widths.
        """
        parts = []
        for parameter, own in zip(self.parameters, places.T, strict=True):
            options = len(parameter["choices"] or ())
            parts.append(np.eye(options)[(own * options).astype(int)] if options else own[:, None])
        return np.concatenate(parts, axis=1)


def _ends(parameter: Parameter) -> tuple[Any, Any]:
    options = parameter["choices"] or (parameter["low"], parameter["high"])
    return options[0], options[-1]


def _encoder(parameter: Parameter) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

    if parameter["kind"] == "choice":
        one_hot = OneHotEncoder(categories=[parameter["choices"]], handle_unknown="ignore", sparse_output=False)
        return make_pipeline(one_hot, FunctionTransformer(_equal_shares))
    return make_pipeline(_scaler(parameter), SimpleImputer(strategy="constant", fill_value=MIDDLE))


def _equal_shares(one_hot: np.ndarray) -> np.ndarray:
    """Equal shares for all options in the rows where the choice is inactive."""
    return np.where(one_hot.any(axis=1, keepdims=True), one_hot, 1 / one_hot.shape[1])


def _scaler(parameter: Parameter) -> Any:
    """From a number to its place between `low` (0) and `high` (1), fitted to these."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, MinMaxScaler

    functions = (_log, np.exp) if parameter["scale"] == "log" else (None, None)
    scale = FunctionTransformer(*functions, check_inverse=False)
    return make_pipeline(scale, MinMaxScaler()).fit(np.array(_ends(parameter), float)[:, None])


def _log(values: Any) -> np.ndarray:
    return np.log(np.asarray(values, float))


def place(parameter: Parameter, value: float) -> float:
    """Place of a number between its parameter's `low` (0) and `high` (1)."""
    return float(_scaler(parameter).transform([[value]])[0, 0])


def value_at(parameter: Parameter, place: float) -> float:
    """Number at a place between its parameter's `low` (0) and `high` (1)."""
    return float(np.clip(_scaler(parameter).inverse_transform([[place]])[0, 0], *_ends(parameter)))
