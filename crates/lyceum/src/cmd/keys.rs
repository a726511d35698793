//! `lyceum keys`: who may use a server that listens beyond this machine.

use super::home::HomeArgs;
use crate::ui::Ui;
use clap::{Args, Subcommand};
use lyceum_core::Result;
use lyceum_store::clock;
use lyceum_store::db::{ApiKey, Db, NewKey, Scope};
use serde::Serialize;
use std::path::PathBuf;

/// Create, list and revoke API keys
#[derive(Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    verb: Verb,
    /// The database file; by default the one of the user's model folder
    #[arg(long, value_name = "FILE", global = true)]
    store: Option<PathBuf>,
    #[command(flatten)]
    home: HomeArgs,
}

#[derive(Subcommand)]
enum Verb {
    /// Make a key and show it, once
    Create {
        /// What you call it
        name: String,
        /// What it allows: infer (ask models), admin (see what was recorded and change what is served, too)
        #[arg(long = "scope", value_name = "SCOPE", default_value = "infer")]
        scopes: Vec<String>,
    },
    /// List all keys (never the keys themselves)
    List,
    /// Make a key useless, at once
    Revoke {
        /// Its id or name
        key: String,
    },
}

#[derive(Serialize)]
struct Listing {
    keys: Vec<ApiKey>,
}

impl Keys {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        let path = match self.store {
            Some(path) => path,
            None => self.home.open()?.database(),
        };
        let db = Db::open(path)?;
        match self.verb {
            Verb::Create { name, scopes } => {
                let scopes = scopes.iter().map(|s| Scope::parse(s)).collect::<Result<Vec<_>>>()?;
                ui.result(&db.create_key(&name, &scopes)?, created)
            }
            Verb::List => {
                ui.result(&Listing { keys: db.list_keys()? }, |l| l.keys.iter().map(line).collect())
            }
            Verb::Revoke { key } => ui.result(&db.revoke_key(&key)?, line),
        }
    }
}

fn created(new: &NewKey) -> String {
    format!("{}\n  {} ({}); it is shown this once", new.key, new.record.id, new.record.name)
}

fn line(k: &ApiKey) -> String {
    let scopes: Vec<&str> = k.scopes.iter().map(|s| s.as_str()).collect();
    let end = k.revoked_at.map_or(String::new(), |t| format!(", revoked {}", clock::rfc3339(t)));
    format!("{}  {}  {}  made {}{end}\n", k.id, scopes.join("+"), k.name, clock::rfc3339(k.created_at))
}
