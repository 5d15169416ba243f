"""Scoring script: which digit does an image show? It follows the contract of batch model deployments."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

model: Any = None


def init() -> None:
    """Load the model, once in each worker process."""
    global model  # noqa: PLW0603  # the contract: init() prepares, run() uses
    (path,) = Path(os.environ["AZUREML_MODEL_DIR"]).rglob("*.pkl")
    model = pickle.loads(path.read_bytes())  # noqa: S301  # our own model


def run(mini_batch: list[str]) -> list[str]:
    """Return one row for each image: its name and the digit."""
    images = [np.asarray(Image.open(path), dtype=float).ravel() / 16 for path in mini_batch]
    digits = model.predict(np.stack(images))
    return [f"{Path(path).name} {digit}" for path, digit in zip(mini_batch, digits, strict=True)]
