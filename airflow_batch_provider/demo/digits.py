"""Real handwriting to score: scikit-learn's bundled digits, and a small model that reads them."""

from __future__ import annotations

import pickle
from pathlib import Path


def write(folder: Path) -> int:
    """Train on most of the digits and write the others as images.

    Args:
        folder: Receives ``model/digits.pkl``, ``images/0042-is-7.png``, and all digits in
            ``rows/digits.csv``: 64 shades from 0 to 16 and the digit in each row.

    Returns:
        How many images were written; the model has seen none of them.
    """
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pixels, digits = load_digits(return_X_y=True)
    train, held_out, known, truth = train_test_split(
        pixels, digits, test_size=0.2, random_state=0, stratify=digits
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(train, known)
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "digits.pkl").write_bytes(pickle.dumps(model))
    (folder / "images").mkdir()
    for number, (image, digit) in enumerate(zip(held_out, truth, strict=True)):
        shades = (image.reshape(8, 8) * 16).clip(0, 255).astype(np.uint8)
        Image.fromarray(shades).save(folder / "images" / f"{number:04}-is-{digit}.png")
    (folder / "rows").mkdir()
    np.savetxt(folder / "rows" / "digits.csv", np.column_stack([pixels, digits]), fmt="%d", delimiter=",")
    return len(held_out)
