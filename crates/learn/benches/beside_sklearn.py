#!/usr/bin/env python3
"""Our boosted trees beside scikit-learn's HistGradientBoosting on one table: test AUC, mean of five random splits.

Needs numpy, pandas, scikit-learn.  usage: beside_sklearn.py LYCEUM TABLE.csv CONFIG.yaml TARGET [SPLITS]
Both sides see the same rows and the same encoded matrix: numbers with their gaps, ordinal categories declared as such,
truth values as 0 and 1, counts of the 300 commonest words of a text.
"""
import json, re, subprocess, sys, tempfile, time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

lyceum, table, config, target = sys.argv[1:5]
splits = int(sys.argv[5]) if len(sys.argv) > 5 else 5
data = pd.read_csv(table, dtype=str)
text = Path(config).read_text()
inputs = re.findall(r"name: *\"?([\w ]+)\"?, *type: *(number|binary|category|text)", text.split("output_features")[0])
TRUE = {"yes", "true", "1", "y", "t", "1.0"}


def encode(train):
    columns, categorical = [], []
    for name, kind in inputs:
        cell = data[name]
        if kind == "number":
            columns.append(pd.to_numeric(cell).to_numpy())
        elif kind == "binary":
            columns.append(cell.map(lambda v: np.nan if pd.isna(v) else float(v.lower() in TRUE)).to_numpy(float))
        elif kind == "category":
            codes = {v: i for i, v in enumerate(cell[train].dropna().unique())}
            categorical.append(len(columns))
            columns.append(cell.map(codes).to_numpy(float))
        else:
            words = cell.fillna("").map(lambda t: re.findall(r"\w+|[^\w\s]", t))
            counts = Counter(w for row in words[train] for w in row)
            for word, _ in sorted(counts.items(), key=lambda c: (-c[1], c[0]))[:300]:
                columns.append(words.map(lambda row: row.count(word)).to_numpy(float))
    return np.column_stack(columns), categorical


y = data[target].map(lambda v: int(v.lower() in TRUE)).to_numpy()
body = text.split("preprocessing:\n")[0]
body = "\n".join(l for l in body.splitlines() if not re.match(r"(model_type|combiner|trainer)\b", l))
ours, theirs = [], []
for seed in range(splits):
    part = np.random.default_rng(seed).choice(3, size=len(data), p=[0.7, 0.1, 0.2])
    train, test = part == 0, part == 2
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        data.assign(split=part).to_csv(folder / "d.csv", index=False)
        (folder / "c.yaml").write_text(
            body + "\nmodel_type: gbm\npreprocessing: {split: {type: fixed, column: split}}\n"
        )
        start = time.time()
        run = subprocess.run(
            [lyceum, "train", "--quiet", "--json", "--config", folder / "c.yaml", "--dataset", folder / "d.csv",
             "--output_directory", folder / "out"], capture_output=True, text=True, check=True)
        seconds = time.time() - start
    ours.append(json.loads(run.stdout.splitlines()[-1])["metrics"][target]["roc_auc"])
    matrix, categorical = encode(train)
    start = time.time()
    model = HistGradientBoostingClassifier(categorical_features=categorical or None, random_state=seed)
    model.fit(matrix[train], y[train])
    theirs.append(roc_auc_score(y[test], model.predict_proba(matrix[test])[:, 1]))
    print(f"split {seed}: ours {ours[-1]:.4f} ({seconds:.2f} s, whole run)  sklearn {theirs[-1]:.4f} ({time.time() - start:.2f} s, fit)")
print(f"mean: ours {np.mean(ours):.4f}  sklearn {np.mean(theirs):.4f}  difference {np.mean(ours) - np.mean(theirs):+.4f}")
