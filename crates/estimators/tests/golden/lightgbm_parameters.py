"""Writes lightgbm_parameters.json: trees that LightGBM 4.7 grows on a table made here, for parameters that shape bins and
splits. Run with lightgbm and numpy installed; the folder of this file is where it writes."""
import json
import pathlib
import tempfile

import lightgbm
import numpy as np

rng = np.random.default_rng(7)
n = 600
a = np.round(rng.normal(size=n), 2)
b = np.round(rng.exponential(2.0, size=n), 1)
c = np.round(rng.normal(1.0, 2.0, size=n), 1)
c[rng.random(n) < 0.15] = np.nan
d = np.round(rng.normal(size=n) * 3, 1)
e = rng.choice(6, size=n, p=[0.3, 0.25, 0.2, 0.12, 0.08, 0.05]).astype(float)
x = np.column_stack([a, b, c, d, e])
level = np.array([0.5, -1.0, 0.2, 1.5, 0.0, -0.4])[e.astype(int)]
y = np.round(
    1.5 * np.tanh(a) + 0.4 * b + np.where(np.isnan(c), 0.7, np.abs(c) * 0.3) + np.sin(d) + level
    + a * (b > 2) + 0.4 * rng.normal(size=n), 3)

splits = {"feature": 1, "threshold": 2.0,
          "left": {"feature": 2, "threshold": 0.35, "right": {"feature": 0, "threshold": -0.2}},
          "right": {"feature": 4, "threshold": 1}}
worse = {"feature": 0, "threshold": 0.0,
         "left": {"feature": 0, "threshold": 5.0}, "right": {"feature": 3, "threshold": 1.0}}
bins = [{"feature": 0, "bin_upper_bound": [-1.005, 0.123, 0.123, 0.777]},
        {"feature": 2, "bin_upper_bound": [0.05, 2.25, -1.15]},
        {"feature": 1, "bin_upper_bound": [9.5]}]
few = {"num_leaves": 12, "min_data_in_leaf": 10}
mono = {"num_leaves": 14, "min_data_in_leaf": 8, "monotone_constraints": "1,1,0,-1,0"}
cases = {
    "max_bin_by_feature": ({**few, "max_bin_by_feature": "5,9,7,3,4"}, None, None),
    "forced_bins": ({**few, "max_bin": 12}, None, bins),
    "forced_bins_full": ({**few, "max_bin": 5}, None, bins),
    "forced_bins_by_feature": ({**few, "max_bin_by_feature": "2,40,4,9,9"}, None, bins),
    "forced_splits": (few, splits, None),
    "forced_splits_smooth": ({**few, "lambda_l1": 0.5, "max_delta_step": 0.9, "path_smooth": 3.0}, splits, None),
    "forced_splits_end": (few, worse, None),
    "forced_splits_gain": ({**few, "min_gain_to_split": 40.0}, splits, None),
    "forced_splits_and_bins": (few, splits, bins),
    "cegb_split": ({**few, "cegb_penalty_split": 0.03, "cegb_tradeoff": 2.0}, None, None),
    "cegb_coupled": ({**few, "cegb_penalty_feature_coupled": "30,60,20,25,10"}, None, None),
    "cegb_lazy": ({**few, "cegb_penalty_feature_lazy": "0.2,0.5,0,0.1,0.05"}, None, None),
    "cegb_all": ({**few, "cegb_tradeoff": 0.5, "cegb_penalty_split": 0.02, "cegb_penalty_feature_lazy":
                  "0.2,0.5,0,0.1,0.05", "cegb_penalty_feature_coupled": "0,60,20,25,80"}, None, None),
    "cegb_forced": ({**few, "cegb_penalty_feature_coupled": "30,60,20,25,10"}, splits, None),
    "monotone_basic": ({**mono, "monotone_constraints_method": "basic"}, None, None),
    "monotone_intermediate": ({**mono, "monotone_constraints_method": "intermediate"}, None, None),
    "monotone_advanced": ({**mono, "monotone_constraints_method": "advanced"}, None, None),
    "monotone_advanced_penalty": ({**mono, "num_leaves": 31, "monotone_penalty": 1.5,
                                   "monotone_constraints_method": "advanced"}, None, None),
    "monotone_advanced_deep": ({**mono, "num_leaves": 60, "min_data_in_leaf": 3, "lambda_l2": 0.5,
                                "monotone_constraints_method": "advanced"}, None, None),
    "monotone_intermediate_deep": ({**mono, "num_leaves": 50, "min_data_in_leaf": 3, "lambda_l2": 0.5,
                                    "monotone_constraints_method": "intermediate"}, None, None),
}
# With missing values the peer bounds the left side of some splits by the first step alone, so that features need not be
# monotone: these cases have none.
filled = ["monotone_advanced_penalty", "monotone_advanced_deep"]
kept = ["split_feature", "threshold", "decision_type", "left_child", "right_child", "leaf_count", "leaf_value",
        "split_gain", "cat_threshold"]


def trees(params, forced_splits, forced_bins, filled):
    p = {"objective": "regression", "verbosity": -1, "num_threads": 1, "deterministic": True, "force_col_wise": True,
         "learning_rate": 0.3, "max_cat_to_onehot": 10, **params}
    with tempfile.TemporaryDirectory() as folder:
        for key, what in [("forcedsplits_filename", forced_splits), ("forcedbins_filename", forced_bins)]:
            if what is not None:
                p[key] = f"{folder}/{key}.json"
                pathlib.Path(p[key]).write_text(json.dumps(what))
        data = lightgbm.Dataset(np.where(np.isnan(x), -1.0, x) if filled else x, y, categorical_feature=[4], params=p, free_raw_data=False)
        # The peer judges a forced first split by the last output of the tree before: smoothing makes outputs of it.
        few_rounds = params["num_leaves"] > 31 or "min_gain_to_split" in params
        rounds = 1 if "path_smooth" in params or params["num_leaves"] > 50 else 2 if few_rounds else 3
        text = lightgbm.train(p, data, rounds).model_to_string()
    out = []
    for block in text.split("Tree=")[1:]:
        lines = dict(line.split("=", 1) for line in block.split("\n") if "=" in line)
        out.append({k: [float(v) for v in lines[k].split()] for k in kept if lines.get(k)})
    return out


def plain(v):
    return None if isinstance(v, float) and v != v else v


def lean(v):
    """Whole numbers without a fraction."""
    if isinstance(v, list):
        return [lean(w) for w in v]
    if isinstance(v, dict):
        return {k: lean(w) for k, w in v.items()}
    return int(v) if isinstance(v, float) and v.is_integer() else v


table = {"x": [[plain(v) for v in column] for column in x.T.tolist()], "y": y.tolist()}
golden = {"lightgbm": lightgbm.__version__, **table, "cases": {
    name: {"params": {**{"max_cat_to_onehot": 10, "learning_rate": 0.3}, **params}, "splits": s, "bins": b_,
           "filled": name in filled, "trees": trees(params, s, b_, name in filled)}
    for name, (params, s, b_) in cases.items()}}
here = pathlib.Path(__file__).parent / "lightgbm_parameters.json"
here.write_text(json.dumps(lean(golden), separators=(",", ":")) + "\n")
print(here.stat().st_size, {k: [len(t["leaf_count"]) for t in v["trees"]] for k, v in golden["cases"].items()})
