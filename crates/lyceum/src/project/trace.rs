//! What a project keeps of its runs (`trace:` in its file), and where.

use super::file::FILE;
use crate::ui::Ui;
use lyceum_core::{Error, Result};
use lyceum_data::yaml::{self, Node, Section, Yaml};
use lyceum_store::db::{TraceContent, TraceReader, TraceSettings, Traces};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The database of a project's runs.
pub(crate) fn database(project: &Path) -> PathBuf {
    project.join(".lyceum/lyceum.db")
}

/// The settings in a project's file, without a look at the rest of it; the usual ones where there is no file.
pub(crate) fn of_folder(project: &Path) -> Result<TraceSettings> {
    let file = project.join(FILE);
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(TraceSettings::default()),
        Err(e) => return Err(Error::io(&file, "read the project file", e)),
    };
    yaml::parse(&text).and_then(|root| settings(root.get("trace"))).map_err(|e| e.in_file(&file))
}

/// Where runs are recorded, and who reads them there. A place that cannot be had is told and does without: what is not
/// recorded is done all the same.
pub(crate) fn open(
    database: &Path,
    settings: TraceSettings,
    ui: &Ui,
) -> Option<(Arc<Traces>, Arc<TraceReader>)> {
    let opened = Traces::open(database, settings).and_then(|t| Ok((t, TraceReader::open(database)?)));
    let told = opened.inspect_err(|e| ui.note(&format!("runs are not recorded: {e}")));
    told.ok().map(|(traces, reader)| (Arc::new(traces), Arc::new(reader)))
}

/// The section's settings.
pub(super) fn settings(node: Option<&Node>) -> Result<TraceSettings> {
    let usual = TraceSettings::default();
    let Some(node) = node else { return Ok(usual) };
    let s = Section::new(node, "trace", &["content", "keep_days", "max_content_bytes"])?;
    let content = match s.get("content") {
        None => usual.content,
        // YAML's own word for false.
        Some(Node { value: Yaml::Bool(false), .. }) => TraceContent::Off,
        Some(node) => TraceContent::parse(&s.need_text("content")?)
            .map_err(|e| e.on_line_column(node.line, node.column).at_key(s.key("content")))?,
    };
    let bytes = s.count_from("max_content_bytes", 0)?.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    Ok(TraceSettings {
        content,
        keep_days: s.count_from("keep_days", 0)?.unwrap_or(usual.keep_days),
        max_content_bytes: bytes.unwrap_or(usual.max_content_bytes),
        ..usual
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<TraceSettings> {
        settings(yaml::parse(text).unwrap().get("trace"))
    }

    #[test]
    fn settings_are_read_and_faults_have_their_places() {
        assert_eq!(read("name: x\n").unwrap(), TraceSettings::default());
        let got = read("trace: {content: off, keep_days: 0, max_content_bytes: 100}\n").unwrap();
        assert_eq!((got.content, got.keep_days, got.max_content_bytes), (TraceContent::Off, 0, 100));
        assert_eq!(read("trace: {content: redacted}\n").unwrap().content, TraceContent::Redacted);
        let fails = |text: &str| read(text).unwrap_err().to_string();
        let wrong = "line 2:12: trace.content: \"fulll\" is no mode of trace content, expected full, redacted or off\n  hint: did you mean `full`?";
        assert_eq!(fails("trace:\n  content: fulll\n"), wrong);
        assert!(fails("trace: {keep: 3}\n").contains("trace.keep: unknown key"));
        assert!(fails("trace: {keep_days: -1}\n").contains("expected a whole number from 0, found -1"));
        assert!(fails("trace: 3\n").contains("expected a mapping"));
    }
}
