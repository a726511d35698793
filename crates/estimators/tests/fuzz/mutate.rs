//! Edits of valid files by a seeded generator: bits, bytes, numbers at the edges, parts lost, doubled or swapped.

use lyceum_data::Random;

/// A file with one to eight edits.
pub fn mutated(whole: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = whole.to_vec();
    for _ in 0..=random.below(8) {
        edit(&mut out, random);
    }
    out
}

fn edit(out: &mut Vec<u8>, random: &mut Random) {
    const EDGES: [u64; 8] = [0, 1, 0x7f, 0xff, 0x7fff_ffff, 0xffff_ffff, i64::MAX as u64, u64::MAX];
    const WORDS: [&[u8]; 8] = [b"-1", b"1e999", b"nan", b"99999999999999999999", b",", b"\n", b":", b"="];
    if out.is_empty() {
        out.push(random.below(256) as u8);
        return;
    }
    // Headers and footers hold what sizes there are: half of all edits go there.
    let n = out.len();
    let at = match random.below(4) {
        0 => random.below(n.min(512)),
        1 => n - 1 - random.below(n.min(2048)),
        _ => random.below(n),
    };
    match random.below(8) {
        0 => out[at] ^= 1 << random.below(8),
        1 => out[at] = random.below(256) as u8,
        2 => {
            let edge = EDGES[random.below(EDGES.len())].to_le_bytes();
            let width = [1, 2, 4, 8][random.below(4)].min(n - at);
            out[at..at + width].copy_from_slice(&edge[..width]);
        }
        3 => out.truncate(at),
        4 => {
            let end = (at + 1 + random.below(32)).min(n);
            out.drain(at..end);
        }
        5 => {
            let end = (at + 1 + random.below(64)).min(n);
            let part = out[at..end].to_vec();
            let to = random.below(n);
            out.splice(to..to, part);
        }
        6 => {
            let word = WORDS[random.below(WORDS.len())];
            out.splice(at..at, word.iter().copied());
        }
        _ => {
            let other = random.below(n);
            out.swap(at, other);
        }
    }
}
