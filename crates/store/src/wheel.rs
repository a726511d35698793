//! A model out of a wheel or another zip, through zips within it too. Nothing leaves the target folder, no link is
//! made, and sizes are limited before and while bytes are written.

use crate::pick::{Choice, pick};
use crate::pull::Staged;
use lyceum_core::{Context, Error, ErrorKind, Progress, Result};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// How much an archive may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) entries: usize,
    pub(crate) bytes: u64,
    pub(crate) depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 100_000, bytes: 256 << 30, depth: 3 }
    }
}

/// Takes the model (or what `inside` names) out of a zip into `to`. `spell` shows how to name one of several.
pub(crate) fn extract(
    archive: &Path,
    inside: Option<&str>,
    to: &Path,
    limits: Limits,
    spell: &dyn Fn(&str) -> String,
    progress: &dyn Progress,
    cx: &Context,
) -> Result<Vec<Staged>> {
    let mut zip = open(archive, limits)?;
    let names = names(&mut zip, archive)?;
    if let Some(nested) = nested_for(&names, inside) {
        if limits.depth == 0 {
            return Err(Error::new(ErrorKind::TooLarge, "zips are nested too deep").in_file(archive));
        }
        let inner = to.join(format!("nested-{}.zip", limits.depth));
        write(&mut zip, &nested, &inner, limits, progress, cx)?;
        let rest = inside.and_then(|p| p.strip_prefix(&nested)).map(|p| p.trim_start_matches('/'));
        let rest = rest.filter(|p| !p.is_empty());
        let respell = |p: &str| spell(&format!("{nested}/{p}"));
        let deeper = Limits { depth: limits.depth - 1, ..limits };
        return extract(&inner, rest, to, deeper, &respell, progress, cx);
    }
    let (prefix, files) = match pick(&names, inside, spell).map_err(|e| e.in_file(archive))? {
        Choice::File(name) => {
            (name.rsplit_once('/').map_or(String::new(), |(f, _)| format!("{f}/")), vec![name])
        }
        Choice::Folder { prefix, files } => (prefix, files),
    };
    let mut left = limits.bytes;
    let mut staged = Vec::new();
    for name in files {
        let relative = name.strip_prefix(&prefix).unwrap_or(&name).to_string();
        let path = to.join("out").join(&relative);
        let taken = write(&mut zip, &name, &path, Limits { bytes: left, ..limits }, progress, cx)?;
        left -= taken;
        staged.push(Staged::taken(relative, path));
    }
    Ok(staged)
}

fn open(path: &Path, limits: Limits) -> Result<ZipArchive<File>> {
    let file = File::open(path).map_err(|e| Error::io(path, "open", e))?;
    let zip = ZipArchive::new(file).map_err(|e| broken(path, &e))?;
    if zip.len() > limits.entries {
        let (has, most) = (zip.len(), limits.entries);
        return Err(
            Error::new(ErrorKind::TooLarge, format!("{has} files, at most {most} are taken")).in_file(path)
        );
    }
    Ok(zip)
}

/// Names of all plain files. A name that would leave the folder condemns the whole archive.
fn names(zip: &mut ZipArchive<File>, path: &Path) -> Result<Vec<String>> {
    let mut names = Vec::with_capacity(zip.len());
    for i in 0..zip.len() {
        let entry = zip.by_index_raw(i).map_err(|e| broken(path, &e))?;
        let name = entry.name().map_err(|e| broken(path, &e))?.into_owned();
        let leaves = name.contains(['\\', '\0', ':'])
            || name.starts_with('/')
            || name.trim_end_matches('/').split('/').any(|p| matches!(p, "" | "." | ".."));
        if leaves || entry.is_symlink() {
            return Err(Error::corrupt(format!("the archive holds an unsafe entry \"{name}\"")).in_file(path));
        }
        if entry.is_file() {
            names.push(name);
        }
    }
    Ok(names)
}

/// The zip within the zip that `inside` leads into; or the only one, when nothing is named and there is no model.
fn nested_for(names: &[String], inside: Option<&str>) -> Option<String> {
    let zips = || names.iter().filter(|n| n.ends_with(".zip"));
    match inside {
        Some(path) => zips().find(|z| path == z.as_str() || path.starts_with(&format!("{z}/"))).cloned(),
        None if pick(names, None, str::to_string).is_err_and(|e| e.kind() == ErrorKind::NotFound) => {
            let mut all = zips();
            all.next().filter(|_| all.next().is_none()).cloned()
        }
        None => None,
    }
}

fn write(
    zip: &mut ZipArchive<File>,
    name: &str,
    to: &Path,
    limits: Limits,
    progress: &dyn Progress,
    cx: &Context,
) -> Result<u64> {
    let folder = to.parent().map(PathBuf::from).unwrap_or_default();
    std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, "create folder", e))?;
    let mut entry = zip.by_name(name).map_err(|e| broken(Path::new(name), &e))?;
    let size = entry.size();
    let too_large =
        || Error::new(ErrorKind::TooLarge, format!("\"{name}\" is larger than {} bytes", limits.bytes));
    if size > limits.bytes {
        return Err(too_large());
    }
    let mut out = File::create(to).map_err(|e| Error::io(to, "write", e))?;
    let mut buffer = vec![0u8; 1 << 20];
    let mut done = 0u64;
    loop {
        cx.check()?;
        let n = entry
            .read(&mut buffer)
            .map_err(|e| Error::corrupt(format!("\"{name}\" in the archive is damaged: {e}")))?;
        let Some(piece) = buffer.get(..n).filter(|p| !p.is_empty()) else { return Ok(done) };
        done += n as u64;
        if done > limits.bytes {
            return Err(too_large());
        }
        out.write_all(piece).map_err(|e| Error::io(to, "write", e))?;
        progress.at(done);
    }
}

fn broken(path: &Path, e: &zip::result::ZipError) -> Error {
    Error::corrupt(format!("not a readable zip: {e}")).in_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lyceum_core::NoProgress;
    use std::io::{Cursor, Seek};
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut w = ZipWriter::new(Cursor::new(Vec::new()));
        fill(&mut w, files);
        w.finish().unwrap().into_inner()
    }

    fn fill<W: Write + Seek>(w: &mut ZipWriter<W>, files: &[(&str, &[u8])]) {
        for (name, bytes) in files {
            w.start_file(*name, SimpleFileOptions::default()).unwrap();
            w.write_all(bytes).unwrap();
        }
    }

    fn run(zip: &[u8], inside: Option<&str>, limits: Limits) -> Result<Vec<(String, Vec<u8>)>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.whl");
        std::fs::write(&path, zip).unwrap();
        let to = dir.path().join("to");
        let spell = |p: &str| format!("pip:w:{p}");
        let staged = extract(&path, inside, &to, limits, &spell, &NoProgress, &Context::new())?;
        assert!(!dir.path().join("evil").exists());
        Ok(staged.into_iter().map(|s| (s.relative, std::fs::read(s.path).unwrap())).collect())
    }

    #[test]
    fn takes_the_model_and_nothing_else() {
        let wheel =
            zip_of(&[("p/__init__.py", b"x"), ("p/m.gguf", b"GGUF1"), ("p.dist-info/METADATA", b"x")]);
        assert_eq!(run(&wheel, None, Limits::default()).unwrap(), [("m.gguf".into(), b"GGUF1".to_vec())]);
        assert_eq!(run(&wheel, Some("p/m.gguf"), Limits::default()).unwrap().len(), 1);
        let folder = zip_of(&[("p/model/config.json", b"{}"), ("p/model/model.safetensors", b"s")]);
        let got = run(&folder, Some("p/model"), Limits::default()).unwrap();
        assert_eq!(
            got.iter().map(|f| f.0.as_str()).collect::<Vec<_>>(),
            ["config.json", "model.safetensors"]
        );
    }

    #[test]
    fn goes_into_a_zip_within() {
        let inner = zip_of(&[("m.gguf", b"GGUF2")]);
        let wheel = zip_of(&[("p/data.zip", &inner), ("p/x.py", b"")]);
        let want = [("m.gguf".to_string(), b"GGUF2".to_vec())];
        assert_eq!(run(&wheel, None, Limits::default()).unwrap(), want);
        assert_eq!(run(&wheel, Some("p/data.zip/m.gguf"), Limits::default()).unwrap(), want);
        let shallow = Limits { depth: 0, ..Limits::default() };
        assert_eq!(run(&wheel, None, shallow).unwrap_err().kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn refuses_escapes_bombs_and_garbage() {
        let slip = zip_of(&[("../evil", b"x"), ("m.gguf", b"GGUF")]);
        assert_eq!(run(&slip, None, Limits::default()).unwrap_err().kind(), lyceum_core::ErrorKind::Corrupt);
        let bomb = zip_of(&[("m.gguf", &vec![0; 1 << 20])]);
        let small = Limits { bytes: 1 << 10, ..Limits::default() };
        assert_eq!(run(&bomb, None, small).unwrap_err().kind(), ErrorKind::TooLarge);
        let few = Limits { entries: 1, ..Limits::default() };
        assert_eq!(run(&slip, None, few).unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(run(b"not a zip", None, Limits::default()).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
