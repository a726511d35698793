//! How much memory this process has used at its peak.

/// Largest resident size so far in MiB, where the operating system tells (Linux); 0 elsewhere.
pub fn peak_rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib: u64 = line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0);
    kib / 1024
}
