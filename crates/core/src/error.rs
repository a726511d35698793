//! The one error type that crosses crate borders: what was wrong, where, what was expected, and how to go on.
//!
//! Each crate may keep an enum of its own; at its border it becomes an [`Error`]. The kind alone decides the
//! process's exit code, the HTTP status and whether a retry makes sense.

use std::fmt;
use std::path::{Path, PathBuf};

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The caller's input is wrong: a config key, a parameter, a row of data.
    Invalid,
    /// What was named does not exist.
    NotFound,
    /// It clashes with something that exists or is in use.
    Conflict,
    /// No valid credentials.
    Unauthorized,
    /// Valid credentials without the right.
    Forbidden,
    /// Over a stated limit of size.
    TooLarge,
    /// Well-formed, but something that Lyceum does not do.
    Unsupported,
    /// A file does not hold what its format promises.
    Corrupt,
    /// A service, network or device cannot be reached now.
    Unavailable,
    /// A queue is full or a rate limit is reached.
    Overloaded,
    /// A deadline passed.
    Timeout,
    /// Somebody asked to stop.
    Cancelled,
    /// A budget, the disk or the memory is used up.
    Exhausted,
    /// The operating system refused.
    Io,
    /// A defect of Lyceum itself.
    Internal,
}

impl ErrorKind {
    /// Stable lower-case code, for logs and JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::TooLarge => "too_large",
            Self::Unsupported => "unsupported",
            Self::Corrupt => "corrupt",
            Self::Unavailable => "unavailable",
            Self::Overloaded => "overloaded",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Exhausted => "exhausted",
            Self::Io => "io",
            Self::Internal => "internal",
        }
    }

    /// Exit code of the program: 2 the user's input, 130 interrupted, 1 anything else. (3 is a failed gate.)
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Invalid
            | Self::NotFound
            | Self::Conflict
            | Self::TooLarge
            | Self::Unsupported
            | Self::Corrupt => 2,
            Self::Cancelled => 130,
            _ => 1,
        }
    }

    /// HTTP status that a server answers with.
    pub fn http_status(self) -> u16 {
        match self {
            Self::Invalid | Self::Unsupported | Self::Corrupt => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::Overloaded => 429,
            Self::Cancelled => 499,
            Self::Unavailable => 503,
            Self::Timeout => 504,
            Self::Exhausted | Self::Io | Self::Internal => 500,
        }
    }
}

/// Where the fault lies: a file, a line and column (from 1), a key or column name. Any part may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct At {
    /// The file or folder.
    pub file: Option<PathBuf>,
    /// Line, from 1.
    pub line: Option<usize>,
    /// Column, from 1.
    pub column: Option<usize>,
    /// Dotted path of a config key, or the name of a table's column.
    pub key: Option<String>,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sep = "";
        if let Some(file) = &self.file {
            write!(f, "{}", file.display())?;
            sep = ":";
        }
        if let Some(line) = self.line {
            if sep.is_empty() {
                write!(f, "line {line}")?;
            } else {
                write!(f, ":{line}")?;
            }
            sep = ":";
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        if let Some(key) = &self.key {
            let gap = if sep.is_empty() { "" } else { ": " };
            write!(f, "{gap}{key}")?;
        }
        Ok(())
    }
}

/// What was wrong, where, and how to go on.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    code: Option<&'static str>,
    at: At,
    message: String,
    hints: Vec<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of a kind with a message (no full stop at its end).
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            code: None,
            at: At::default(),
            message: message.into(),
            hints: Vec::new(),
            source: None,
        }))
    }

    /// The caller's input is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// What was named does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// Well-formed, but not done here.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// A file breaks its format.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// A defect of Lyceum.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Somebody asked to stop.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "interrupted")
    }

    /// An operating-system error about a path. A full disk, a spent quota or a file-size limit becomes
    /// [`ErrorKind::Exhausted`].
    pub fn io(path: impl AsRef<Path>, action: &str, e: std::io::Error) -> Self {
        let kind = match e.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::StorageFull
            | std::io::ErrorKind::QuotaExceeded
            | std::io::ErrorKind::FileTooLarge => ErrorKind::Exhausted,
            _ => ErrorKind::Io,
        };
        Self::new(kind, format!("cannot {action}: {e}")).in_file(path).caused_by(e)
    }

    /// Names a protocol-level code, such as `context_length_exceeded`.
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.0.code = Some(code);
        self
    }

    /// Says which file or folder it is about (kept if one is known already).
    pub fn in_file(mut self, path: impl AsRef<Path>) -> Self {
        self.0.at.file.get_or_insert_with(|| path.as_ref().to_path_buf());
        self
    }

    /// Says which line (from 1).
    pub fn on_line(mut self, line: usize) -> Self {
        self.0.at.line = Some(line);
        self
    }

    /// Says which line and column (both from 1).
    pub fn on_line_column(mut self, line: usize, column: usize) -> Self {
        self.0.at.line = Some(line);
        self.0.at.column = Some(column);
        self
    }

    /// Says which key, parameter or table column.
    pub fn at_key(mut self, key: impl Into<String>) -> Self {
        self.0.at.key = Some(key.into());
        self
    }

    /// Adds a way out, shown after the message.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// Adds `did you mean …?` when one of the valid spellings is near to what was given.
    pub fn did_you_mean<'a>(self, given: &str, valid: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(given, valid) {
            Some(best) => {
                let hint = format!("did you mean `{best}`?");
                self.hint(hint)
            }
            None => self,
        }
    }

    /// Keeps the underlying error.
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(source));
        self
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The protocol-level code, or that of the kind.
    pub fn code(&self) -> &'static str {
        self.0.code.unwrap_or(self.0.kind.code())
    }

    /// Whether a protocol-level code was named.
    pub fn has_code(&self) -> bool {
        self.0.code.is_some()
    }

    /// Where it happened.
    pub fn at(&self) -> &At {
        &self.0.at
    }

    /// What was wrong, without place and hints.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Ways out.
    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }

    /// Whether the same call may succeed a little later.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind(), ErrorKind::Unavailable | ErrorKind::Overloaded | ErrorKind::Timeout)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.at != At::default() {
            write!(f, "{}: ", self.0.at)?;
        }
        write!(f, "{}", self.0.message)?;
        for hint in &self.0.hints {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}

/// The valid spelling closest to what was given, if it is close enough to be a slip of the hand:
/// at most a third of the letters differ (Damerau-Levenshtein, optimal string alignment), case aside.
pub fn nearest<'a>(given: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given: Vec<char> = given.to_lowercase().chars().collect();
    let limit = (given.len() / 3).max(1);
    valid
        .into_iter()
        .map(|v| (distance(&given, &v.to_lowercase().chars().collect::<Vec<_>>()), v))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, v)| v)
}

#[allow(clippy::indexing_slicing, reason = "a table of (a+1) x (b+1) cells, indexed within both lengths")]
fn distance(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut d = vec![0usize; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            d[i * width + j] = if i == 0 || j == 0 {
                i + j
            } else {
                let cost = usize::from(a[i - 1] != b[j - 1]);
                let mut best = (d[(i - 1) * width + j] + 1)
                    .min(d[i * width + j - 1] + 1)
                    .min(d[(i - 1) * width + j - 1] + cost);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(d[(i - 2) * width + j - 2] + 1);
                }
                best
            };
        }
    }
    d[a.len() * width + b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_place_message_and_hint() {
        let e = Error::invalid("\"twelve\" is not a number")
            .in_file("tickets.csv")
            .on_line(17)
            .at_key("column \"seats\"")
            .hint("declare it `type: category`");
        assert_eq!(
            e.to_string(),
            "tickets.csv:17: column \"seats\": \"twelve\" is not a number\n  hint: declare it `type: category`"
        );
    }

    #[test]
    fn finds_the_nearest_spelling() {
        assert_eq!(nearest("learing_rate", ["batch_size", "learning_rate"]), Some("learning_rate"));
        assert_eq!(nearest("epcohs", ["epochs", "seed"]), Some("epochs"));
        assert_eq!(nearest("zzz", ["epochs"]), None);
    }

    #[test]
    fn a_full_disk_is_exhausted() {
        let e = Error::io("x", "write", std::io::Error::from(std::io::ErrorKind::StorageFull));
        assert_eq!(e.kind(), ErrorKind::Exhausted);
    }
}
