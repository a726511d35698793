//! `lyceum hyperopt`: the configuration that is best among those that a search describes.

use super::run_flags::{RunFlags, show};
use crate::ui::Ui;
use clap::Args;
use lyceum_core::Result;
use lyceum_learn::Searched;
use std::fmt::Write;

/// Search the settings of a configuration, train the best
///
/// The configuration's section `hyperopt` says which keys may have which values, how the next trial is
/// chosen and what decides, as Ludwig has it:
///
///     hyperopt:
///       output_feature: price
///       metric: root_mean_squared_error
///       parameters:
///         trainer.learning_rate: {space: loguniform, lower: 0.01, upper: 0.3}
///         trainer.num_leaves: {space: choice, categories: [7, 15, 31, 63]}
///       search_alg: {type: hyperopt}
///       executor: {num_samples: 30}
///
/// search_alg: variant_generator (at random, grids walked through) or hyperopt (tree-structured Parzen
/// estimators). executor.scheduler: {type: async_hyperband, max_t: 300} halves: all candidates get few
/// trees or epochs, the best of them more. A search that was stopped goes on when the command is given
/// again.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Hyperopt {
    #[command(flatten)]
    flags: RunFlags,
}

impl Hyperopt {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        self.flags.done(ui, "hyperopt", lyceum_learn::hyperopt, |s: &Searched| &s.best.warnings, shown)
    }
}

fn shown(s: &Searched) -> String {
    let mut out = format!("{} trials, the best by {}:\n", s.trials, s.metric);
    for one in &s.leaderboard {
        let chosen = one.parameters.as_object().into_iter().flatten();
        let chosen: Vec<String> = chosen.map(|(k, v)| format!("{k}={v}")).collect();
        let resource = one.resource.map(|r| format!("[{r}] ")).unwrap_or_default();
        let score = one.metric_score.unwrap_or(f64::NAN);
        let _ = writeln!(out, "{score:>12.5} {resource}{}", chosen.join(" "));
    }
    if s.failed > 0 {
        let _ = writeln!(out, "{} failed: hyperopt_statistics.json says why", s.failed);
    }
    let _ = writeln!(out, "leaderboard  {}", s.leaderboard_page.display());
    out + &show(&s.best)
}
