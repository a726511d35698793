//! What is usually chosen of an estimator, and within which bounds.

/// The words of a search, as `--space` takes them; none for an estimator with nothing to choose.
pub(super) fn default_space(estimator: &str) -> Option<Vec<&'static str>> {
    let strength = "alpha=0.0001..1000:log";
    let words: &[&str] = match estimator {
        "gradient_boosting" => &[
            "learning_rate=0.01..0.3:log",
            "num_leaves=7..255:log",
            "min_data_in_leaf=1..200:log",
            "feature_fraction=0.4..1.0",
            "bagging_fraction=0.5..1.0",
            "bagging_freq=1",
            "lambda_l1=0.00000001..10:log",
            "lambda_l2=0.00000001..10:log",
            "num_iterations=50..1000:log",
        ],
        "ridge" => &["alpha=0.0001..10000:log"],
        "lasso" => &["alpha=0.0001..10:log"],
        "elastic_net" => &["alpha=0.0001..10:log", "l1_ratio=0.0..1.0"],
        "logistic" => &["C=0.0001..10000:log"],
        "poisson" | "gamma" => &[strength],
        "huber" => &["epsilon=1.01..3:log", "alpha=0.000001..100:log"],
        "quantile" => &["alpha=0.0001..10:log"],
        "lars" => &["n_nonzero_coefs=1..200:log"],
        "lasso_lars" => &["alpha=0.0001..10:log"],
        "linear_discriminant" => &["solver=lsqr", "shrinkage=0.0..1.0"],
        "quadratic_discriminant" => &["reg_param=0.0001..1:log"],
        "tweedie" => &[strength, "power=1.05..1.95"],
        _ => return None,
    };
    Some(words.to_vec())
}

#[cfg(test)]
mod tests {
    use super::default_space;
    use lyceum_estimators::registry::ENTRIES;
    use lyceum_estimators::selection::Space;

    #[test]
    fn spaces_hold_what_their_estimators_take() {
        let mut known = 0;
        for entry in ENTRIES {
            let Some(words) = default_space(entry.name) else { continue };
            let space = Space::parse(words.iter().copied()).expect(entry.name);
            for u in [0.0, 0.5, 1.0] {
                entry.make(&space.params(&vec![u; space.0.len()])).map(drop).expect(entry.name);
            }
            known += 1;
        }
        assert!(known >= 13, "{known}");
    }
}
