"""The QR deblurrer as MLflow serves it: a model from this code and a weights file, no pickle.

MLflow runs this file when it loads a version; `tracking` logs it.
"""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np


class QrDeblurrer(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """(batch, height, width, 3) float32 in [0, 1] -> restored, same shape, grey; any batch, height and width."""

    def load_context(self, context: Any) -> None:
        """Load the weights that stand beside this code."""
        from qrestore.learning.model import load_deblurrer

        self.restore = load_deblurrer(Path(context.artifacts["weights"]))

    # Without annotations: MLflow takes them for a schema of its own, and ours is the logged signature.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Restore a batch.

        Raises
        ------
        ValueError
            Another shape, values outside [0, 1], or fewer pixels than modules.
        """
        del context, params
        from qrestore.arrays import check_image

        batch = np.asarray(model_input, np.float32)
        if batch.ndim != 4 or batch.shape[3] != 3:
            raise ValueError(f"shape {batch.shape}; expected (batch, height, width, 3)")
        for number, image in enumerate(batch):
            check_image(image, f"image {number}")
        return np.stack([np.repeat(self.restore(image)[:, :, None], 3, 2) for image in batch])


mlflow.models.set_model(QrDeblurrer())
