//! API keys: only their SHA-256 is kept, the key itself is shown once.

use super::Db;
use crate::clock;
use lyceum_core::{Error, Result};
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Ask models.
    Infer,
    /// See what was recorded and change what is served, too.
    Admin,
}

impl Scope {
    /// The scope of a word.
    pub fn parse(word: &str) -> Result<Self> {
        match word {
            "infer" => Ok(Self::Infer),
            "admin" => Ok(Self::Admin),
            other => Err(Error::invalid(format!("\"{other}\" is not a scope, expected infer or admin"))
                .did_you_mean(other, ["infer", "admin"])),
        }
    }

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::Admin => "admin",
        }
    }
}

/// What is kept of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiKey {
    /// Short public name, `key_…`.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it allows; admin includes infer.
    pub scopes: Vec<Scope>,
    /// In seconds since 1970.
    pub created_at: i64,
    /// When it was revoked, in seconds since 1970.
    pub revoked_at: Option<i64>,
}

impl ApiKey {
    /// Whether it allows this.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }
}

/// A key just made; the only time that it can be seen.
#[derive(Debug, Clone, Serialize)]
pub struct NewKey {
    /// The key, to be sent as `Authorization: Bearer`.
    pub key: String,
    /// What is kept of it.
    #[serde(flatten)]
    pub record: ApiKey,
}

const COLUMNS: &str = "id, name, scopes, created_at, revoked_at, hash";

impl Db {
    /// Makes a key of 32 random bytes.
    pub fn create_key(&self, name: &str, scopes: &[Scope]) -> Result<NewKey> {
        if name.is_empty() || name.len() > 100 || name.chars().any(char::is_control) {
            return Err(Error::invalid("a key's name has 1 to 100 characters"));
        }
        let key = format!("lyc_{}", random_hex(32)?);
        let record = ApiKey {
            id: format!("key_{}", random_hex(6)?),
            name: name.into(),
            scopes: if scopes.is_empty() { vec![Scope::Infer] } else { scopes.to_vec() },
            created_at: clock::now(),
            revoked_at: None,
        };
        let words: Vec<&str> = record.scopes.iter().map(|s| s.as_str()).collect();
        self.lock()
            .execute(
                "INSERT INTO api_keys (id, name, hash, scopes, created_at) VALUES (?, ?, ?, ?, ?)",
                params![record.id, record.name, hash(&key).as_slice(), words.join(","), record.created_at],
            )
            .map_err(|e| self.fail(e))?;
        Ok(NewKey { key, record })
    }

    /// All keys, the oldest first, revoked ones too.
    pub fn list_keys(&self) -> Result<Vec<ApiKey>> {
        let db = self.lock();
        let mut query = db
            .prepare_cached(&format!("SELECT {COLUMNS} FROM api_keys ORDER BY created_at, rowid"))
            .map_err(|e| self.fail(e))?;
        let rows = query.query_map([], read).map_err(|e| self.fail(e))?;
        rows.map(|r| r.map(|(key, _)| key).map_err(|e| self.fail(e))).collect()
    }

    /// Revokes a key by its id or its owner's name for it; it stops working at once.
    pub fn revoke_key(&self, id_or_name: &str) -> Result<ApiKey> {
        let known = self.list_keys()?;
        let live = || known.iter().filter(|k| k.revoked_at.is_none());
        let mut hits = live().filter(|k| k.id == id_or_name || k.name == id_or_name);
        let (Some(hit), None) = (hits.next(), hits.next()) else {
            let several = live().filter(|k| k.name == id_or_name).count() > 1;
            let list: Vec<String> = live().map(|k| format!("{} ({})", k.id, k.name)).collect();
            let have = if list.is_empty() { "there are none".into() } else { list.join(", ") };
            return Err(if several {
                Error::invalid(format!("several keys are named \"{id_or_name}\"; give an id: {have}"))
            } else {
                Error::not_found(format!("no live key \"{id_or_name}\"; live keys: {have}"))
            });
        };
        let now = clock::now();
        self.lock()
            .execute("UPDATE api_keys SET revoked_at = ? WHERE id = ?", params![now, hit.id])
            .map_err(|e| self.fail(e))?;
        Ok(ApiKey { revoked_at: Some(now), ..hit.clone() })
    }

    /// Whether any key is live.
    pub fn has_keys(&self) -> Result<bool> {
        let db = self.lock();
        db.query_row("SELECT EXISTS (SELECT 1 FROM api_keys WHERE revoked_at IS NULL)", [], |r| r.get(0))
            .map_err(|e| self.fail(e))
    }

    /// A live key by its id.
    pub fn live_key(&self, id: &str) -> Result<Option<ApiKey>> {
        let db = self.lock();
        let mut query = db
            .prepare_cached(&format!("SELECT {COLUMNS} FROM api_keys WHERE id = ? AND revoked_at IS NULL"))
            .map_err(|e| self.fail(e))?;
        let row = query.query_row([id], read).optional().map_err(|e| self.fail(e))?;
        Ok(row.map(|(key, _)| key))
    }

    /// The live key that somebody presents, if it is one.
    pub fn find_key(&self, presented: &str) -> Result<Option<ApiKey>> {
        let wanted = hash(presented);
        let db = self.lock();
        let mut query = db
            .prepare_cached(&format!("SELECT {COLUMNS} FROM api_keys WHERE hash = ? AND revoked_at IS NULL"))
            .map_err(|e| self.fail(e))?;
        let row = query.query_row([wanted.as_slice()], read).optional().map_err(|e| self.fail(e))?;
        Ok(row.filter(|(_, stored)| same(stored, &wanted)).map(|(key, _)| key))
    }
}

fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// Equality in a time that does not depend on where the first difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |d, (x, y)| d | (x ^ y)) == 0
}

fn read(row: &Row<'_>) -> rusqlite::Result<(ApiKey, Vec<u8>)> {
    let scopes: String = row.get(2)?;
    let key = ApiKey {
        id: row.get(0)?,
        name: row.get(1)?,
        scopes: scopes.split(',').filter_map(|s| Scope::parse(s).ok()).collect(),
        created_at: row.get(3)?,
        revoked_at: row.get(4)?,
    };
    Ok((key, row.get(5)?))
}

fn random_hex(bytes: usize) -> Result<String> {
    let mut random = vec![0u8; bytes];
    getrandom::fill(&mut random).map_err(|e| Error::internal(format!("no randomness: {e}")))?;
    Ok(crate::hash::hex(&random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_lives_until_it_is_revoked_and_is_never_stored() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.db");
        let db = Db::open(&path).unwrap();
        assert!(!db.has_keys().unwrap());
        let new = db.create_key("laptop", &[Scope::Infer]).unwrap();
        assert_eq!(new.key.len(), 68);
        let found = db.find_key(&new.key).unwrap().unwrap();
        assert!(found.allows(Scope::Infer) && !found.allows(Scope::Admin));
        assert!(db.find_key("lyc_0").unwrap().is_none());

        assert_eq!(db.live_key(&found.id).unwrap().unwrap(), found);

        let other = Db::open(&path).unwrap();
        other.revoke_key("laptop").unwrap();
        assert!(db.find_key(&new.key).unwrap().is_none() && !db.has_keys().unwrap());
        assert!(db.live_key(&found.id).unwrap().is_none());
        let e = db.revoke_key("laptop").unwrap_err().to_string();
        assert!(e.contains("there are none"), "{e}");
        drop((db, other));
        let files = std::fs::read_dir(dir.path()).unwrap().flatten();
        for file in files {
            let bytes = std::fs::read(file.path()).unwrap();
            assert!(!bytes.windows(20).any(|w| w == &new.key.as_bytes()[..20]));
        }
    }
}
