"""Boot file of a ModelArts job: learn to read digits from CSV files, and tell how well it went."""

from __future__ import annotations

import argparse
import json
import pickle
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main() -> None:
    """Train on the rows of ``--data_url``, and write model and metrics to ``--train_url``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data_url", type=Path, required=True)
    parser.add_argument("--train_url", type=Path, required=True)
    parser.add_argument("--share", type=float, default=1.0, help="of the rows to learn from")
    options = parser.parse_args()
    rows = np.vstack([np.loadtxt(path, delimiter=",") for path in sorted(options.data_url.glob("*.csv"))])
    learn, check = train_test_split(rows, test_size=0.2, random_state=0, stratify=rows[:, -1])
    learn = learn[: int(len(learn) * options.share)]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(learn[:, :-1], learn[:, -1])
    accuracy = float(model.score(check[:, :-1], check[:, -1]))
    print(f"Learnt from {len(learn)} digits; read {accuracy:.1%} of {len(check)} others rightly.")
    options.train_url.mkdir(parents=True, exist_ok=True)
    (options.train_url / "model.pkl").write_bytes(pickle.dumps(model))
    metric = {"key": "accuracy", "title": "Accuracy", "type": "float", "data": {"value": accuracy}}
    (options.train_url / "metrics.json").write_text(json.dumps([metric]))


if __name__ == "__main__":
    main()
