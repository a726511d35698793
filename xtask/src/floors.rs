//! The floors: a crate may depend on crates of lower floors only, never sideways, never up. Tests included.

use crate::sources::root;
use serde_json::Value;
use std::process::Command;

/// Crates from the rock to the roof.
const FLOORS: [&[&str]; 7] = [
    &["core", "wire"],
    &["tensor", "data", "store"],
    &["estimators", "models", "symbolic"],
    &["train", "engine", "remote"],
    &["learn", "compose", "evaluate"],
    &["serve"],
    &["lyceum"],
];

fn floor(package: &str) -> Option<usize> {
    let name = package.strip_prefix("lyceum-").unwrap_or(package);
    FLOORS.iter().position(|f| f.contains(&name))
}

/// What breaks the rule, a line each.
pub(crate) fn faults() -> Result<Vec<String>, String> {
    let out = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .map_err(|e| format!("cargo metadata: {e}"))?;
    let json: Value = serde_json::from_slice(&out.stdout).map_err(|e| format!("cargo metadata: {e}"))?;
    let text = |v: &Value| v.as_str().unwrap_or_default().to_string();
    let mut faults = Vec::new();
    for package in json.get("packages").and_then(Value::as_array).into_iter().flatten() {
        let name = text(package.get("name").unwrap_or(&Value::Null));
        if name == "xtask" {
            continue;
        }
        let Some(own) = floor(&name) else {
            faults.push(format!("crate `{name}` has no floor: add it to xtask/src/floors.rs"));
            continue;
        };
        for dependency in package.get("dependencies").and_then(Value::as_array).into_iter().flatten() {
            let on = text(dependency.get("name").unwrap_or(&Value::Null));
            if on.starts_with("lyceum") && floor(&on).is_none_or(|f| f >= own) {
                faults.push(format!("`{name}` (floor {own}) depends on `{on}`, which is not below it"));
            }
        }
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_point_down_only() {
        assert_eq!(faults().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn knows_the_floors() {
        assert_eq!(floor("lyceum-core"), Some(0));
        assert_eq!(floor("lyceum"), Some(6));
        assert_eq!(floor("serde"), None);
    }
}
