"""Features of a pre-trained network as a transformer of scikit-learn, for its pipelines and searches."""

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from hebbian_dl.features.extract import Extractor
from hebbian_dl.features.pixels import from_array


class HebbianFeatures(TransformerMixin, BaseEstimator):
    """Turns images into the features of a network that a run of `hebbian_dl.run` has pre-trained.

    The network has learned already: `fit` loads it, and learns nothing from the images it is given.

    Parameters
    ----------
    run_dir
        Directory of the finished run.
    method, seed
        Which of its networks; None for the only pre-trained method, and for the first seed.
    layer
        Name of the module whose output is wanted, flattened; None for the last.
    allow_code
        Whether code that the run's protocol names may run (`network.module`).

    Attributes
    ----------
    extractor_ : hebbian_dl.features.extract.Extractor
        The network.
    n_features_in_ : int
        Values in an image.
    n_features_out_ : int
        Features of an image.
    """

    def __init__(
        self,
        run_dir: str | Path = ".",
        method: str | None = None,
        seed: int | None = None,
        layer: str | None = None,
        allow_code: bool = False,
    ) -> None:
        self.run_dir, self.method, self.seed, self.layer, self.allow_code = run_dir, method, seed, layer, allow_code

    def fit(self, X: Any, y: Any = None) -> "HebbianFeatures":
        """Load the network, and check that it takes these images (as `transform` takes them).

        Raises
        ------
        ProtocolFault
            If the run has no such network.
        ValueError
            If the network does not take images of this shape.
        """
        self.extractor_ = Extractor.of_run(self.run_dir, self.method, self.seed, allow_code=self.allow_code)
        shape = self.extractor_.protocol.data.shape
        first = from_array(X[:1], shape)
        self.n_features_in_ = int(np.prod(shape))
        self.n_features_out_ = self.extractor_(first, self.layer).shape[1]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Features of images, float32, shape (n, n_features_out_).

        Parameters
        ----------
        X
            Integers from 0 to 255 or floating-point numbers from 0 to 1, shape (n, rows, columns), (n, rows, columns,
            channels), (n, channels, rows, columns), or flattened.

        Raises
        ------
        ValueError
            If they have another shape, change in size, or hold other numbers.
        """
        check_is_fitted(self)
        return self.extractor_(from_array(X, self.extractor_.protocol.data.shape), self.layer)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the features, for `set_output`."""
        check_is_fitted(self)
        return np.array([f"hebbian{index}" for index in range(self.n_features_out_)], dtype=object)
