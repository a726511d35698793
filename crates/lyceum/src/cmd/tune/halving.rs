//! What successive halving gives more of: rows, or a parameter such as the number of trees.

use super::Chosen;
use clap::Args;
use lyceum_core::{Error, Params, Result, Value};
use lyceum_estimators::registry::Entry;
use lyceum_estimators::selection::{Halving, Space};

/// The resource that stands for rows.
const ROWS: &str = "n_samples";

#[derive(Args)]
pub(super) struct HalvingFlags {
    /// With --method halving: what the better candidates get more of, `n_samples` (rows, the default) or a parameter of
    /// whole numbers such as `num_iterations`
    #[arg(long, value_name = "RESOURCE")]
    resource: Option<String>,
    /// With --method halving: one of so many candidates goes on each time (3)
    #[arg(long)]
    factor: Option<f64>,
    /// With --method halving: the least that a candidate gets
    #[arg(long, value_name = "N")]
    min_resources: Option<u64>,
    /// With --method halving: what the last candidates get; all rows where those are the resource
    #[arg(long, value_name = "N")]
    max_resources: Option<u64>,
}

/// A resource and its sizes.
pub(super) struct HalvingOf {
    pub(super) resource: String,
    pub(super) sizes: Halving,
}

impl HalvingOf {
    pub(super) fn of_rows(&self) -> bool {
        self.resource == ROWS
    }
}

impl HalvingFlags {
    /// Whether this parameter is the resource.
    pub(super) fn is_of(&self, name: &str) -> bool {
        self.resource.as_deref() == Some(name)
    }

    /// The resource and its sizes for this method; nothing for the others.
    pub(super) fn of(
        &self,
        method: &Chosen,
        entry: &Entry,
        space: &Space,
        fixed: &Params,
        rows: usize,
    ) -> Result<Option<HalvingOf>> {
        if !matches!(method, Chosen::Halving) {
            let given = [
                ("--resource", self.resource.is_some()),
                ("--factor", self.factor.is_some()),
                ("--min-resources", self.min_resources.is_some()),
                ("--max-resources", self.max_resources.is_some()),
            ];
            return match given.iter().find(|g| g.1) {
                Some((flag, _)) => Err(Error::invalid("goes with --method halving only").at_key(*flag)),
                None => Ok(None),
            };
        }
        let resource = self.resource.clone().unwrap_or_else(|| ROWS.into());
        let most = match (self.max_resources, resource == ROWS) {
            (Some(n), true) if n > rows as u64 => {
                return Err(
                    Error::invalid(format!("there are {rows} rows, got {n}")).at_key("--max-resources")
                );
            }
            (Some(n), _) => n,
            (None, true) => rows as u64,
            (None, false) => {
                return Err(
                    Error::invalid(format!("the most of {resource} is not said")).at_key("--max-resources")
                );
            }
        };
        if resource != ROWS {
            if fixed.contains_key(resource.as_str()) || space.0.iter().any(|d| d.name == resource) {
                return Err(Error::invalid(format!("`{resource}` is fixed or to be chosen already"))
                    .at_key("--resource"));
            }
            let mut params = fixed.clone();
            params.insert(resource.as_str().into(), Value::Int(most as i64));
            entry.make(&params)?;
        }
        // Fewer than 20 rows tell little; of anything else one is a beginning.
        let least = self.min_resources.unwrap_or(if resource == ROWS { 20.min(most) } else { 1 });
        let sizes = Halving { factor: self.factor.unwrap_or(3.0), min_resources: least, max_resources: most };
        sizes.check()?;
        Ok(Some(HalvingOf { resource, sizes }))
    }
}
