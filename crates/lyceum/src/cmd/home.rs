//! What the model commands share: where the models are, and how sizes are written.

use clap::Args;
use lyceum_core::Result;
use lyceum_store::Home;

/// Flags of every command that looks for models.
#[derive(Args)]
pub(crate) struct HomeArgs {
    /// Do not use the network
    #[arg(long)]
    offline: bool,
}

impl HomeArgs {
    /// The user's model folder.
    pub(crate) fn open(&self) -> Result<Home> {
        let home = Home::open()?;
        let offline = self.offline || home.is_offline();
        Ok(home.offline(offline))
    }
}

/// A size as people write it, in powers of 1024.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        unit = next;
        if value < 1024.0 || next == "TiB" {
            break;
        }
        value /= 1024.0;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_read_well() {
        assert_eq!([size(0), size(1023), size(98_362_432)], ["0 B", "1023 B", "93.8 MiB"]);
        assert_eq!(size(1 << 60), "1048576.0 TiB");
    }
}
