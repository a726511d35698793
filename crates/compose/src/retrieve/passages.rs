//! Documents cut into passages: at headings first, then at paragraphs, then at sentences, and at words in the end.

use super::documents::{Document, Form};

/// How documents are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Characters of a passage at most.
    pub size: usize,
    /// Characters at most that a passage repeats of the one before it.
    pub overlap: usize,
}

impl Default for Cut {
    fn default() -> Self {
        Self { size: 1000, overlap: 150 }
    }
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The document's path from the folder.
    pub source: String,
    /// The headings that it stands under, outermost first, joined by ` > `.
    pub heading: String,
    /// Its text.
    pub text: String,
}

/// Cuts a document.
pub(super) fn cut(document: &Document, cut: &Cut) -> Vec<Passage> {
    let sections = match document.form {
        Form::Markdown => sections(&document.text),
        Form::Html => sections(&super::html::as_markdown(&document.text)),
        Form::Text => vec![(String::new(), document.text.clone())],
    };
    let of = |(heading, text): (String, String)| {
        let texts = packed(&text, cut);
        texts.into_iter().map(move |text| (heading.clone(), text))
    };
    let passage = |(heading, text)| Passage { source: document.source.clone(), heading, text };
    sections.into_iter().flat_map(of).map(passage).collect()
}

/// Text under its headings; `#` within fences is no heading.
fn sections(text: &str) -> Vec<(String, String)> {
    let mut open: Vec<(usize, &str)> = Vec::new();
    let mut all = vec![(String::new(), String::new())];
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let level = line.bytes().take_while(|b| *b == b'#').count();
        let words = line.get(level..).filter(|w| !fenced && (1..=6).contains(&level) && w.starts_with(' '));
        match words {
            Some(words) => {
                open.retain(|(l, _)| *l < level);
                open.push((level, words.trim().trim_end_matches('#').trim_end()));
                let heading: Vec<&str> = open.iter().map(|(_, w)| *w).collect();
                all.push((heading.join(" > "), String::new()));
            }
            None => {
                if let Some((_, text)) = all.last_mut() {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
    }
    all
}

/// Pieces of a text packed into passages.
fn packed(text: &str, cut: &Cut) -> Vec<String> {
    let size = cut.size.max(1);
    let pieces = pieces(text, size);
    let mut passages: Vec<String> = Vec::new();
    let mut now: Vec<&(String, &str)> = Vec::new();
    let length = |pieces: &[&(String, &str)]| -> usize {
        pieces.iter().map(|(p, gap)| p.chars().count() + gap.len()).sum()
    };
    for piece in &pieces {
        if !now.is_empty() && length(&now) + piece.0.chars().count() > size {
            passages.push(joined(&now));
            // The next passage begins with the last pieces that are short enough, if they leave room.
            let mut kept = now.len();
            while kept > 0 && length(now.get(kept - 1..).unwrap_or_default()) <= cut.overlap {
                kept -= 1;
            }
            now.drain(..kept);
            if length(&now) + piece.0.chars().count() > size {
                now.clear();
            }
        }
        now.push(piece);
    }
    if !now.is_empty() {
        passages.push(joined(&now));
    }
    passages
}

fn joined(pieces: &[&(String, &str)]) -> String {
    let mut text = String::new();
    for (i, (piece, gap)) in pieces.iter().enumerate() {
        text.push_str(piece);
        if i + 1 < pieces.len() {
            text.push_str(gap);
        }
    }
    text
}

/// Sentences, each with what stands between it and the next: a space, or a blank line at a paragraph's end. One that is
/// too long is cut at words, a word that is too long at letters.
fn pieces(text: &str, size: usize) -> Vec<(String, &'static str)> {
    let mut all = Vec::new();
    for paragraph in text.split("\n\n").map(str::trim).filter(|p| !p.is_empty()) {
        let mut of: Vec<(String, &'static str)> = sentences(paragraph)
            .into_iter()
            .flat_map(|(s, gap)| short(s, size).into_iter().map(move |s| (s, gap)))
            .collect();
        if let Some(last) = of.last_mut() {
            last.1 = "\n\n";
        }
        all.extend(of);
    }
    all
}

/// Sentences of a paragraph with what follows each, a space or a line break; breaks within them stay.
fn sentences(text: &str) -> Vec<(&str, &'static str)> {
    let mut all = Vec::new();
    let mut begin = 0;
    let mut ended = false;
    for (at, c) in text.char_indices() {
        if ended && c.is_whitespace() {
            let sentence = text.get(begin..at).map(str::trim).filter(|s| !s.is_empty());
            all.extend(sentence.map(|s| (s, if c == '\n' { "\n" } else { " " })));
            begin = at;
        }
        ended = matches!(c, '.' | '!' | '?') || (ended && matches!(c, '*' | '"' | ')' | '”' | '\''));
    }
    all.extend(text.get(begin..).map(str::trim).filter(|s| !s.is_empty()).map(|s| (s, " ")));
    all
}

fn short(text: &str, size: usize) -> Vec<String> {
    if text.chars().count() <= size {
        return vec![text.to_string()];
    }
    let mut all = vec![String::new()];
    let mut length = 0;
    for word in text.split_whitespace() {
        let letters: Vec<char> = word.chars().collect();
        for part in letters.chunks(size) {
            let part: String = part.iter().collect();
            let n = part.chars().count();
            match all.last_mut() {
                Some(last) if length + n < size => {
                    if !last.is_empty() {
                        last.push(' ');
                    }
                    last.push_str(&part);
                    length += n + 1;
                }
                _ => {
                    all.push(part);
                    length = n;
                }
            }
        }
    }
    all.retain(|p| !p.is_empty());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(form: Form, text: &str) -> Document {
        Document { source: "a.md".into(), form, text: text.into() }
    }

    #[test]
    fn headings_nest_and_fences_hold() {
        let text = "Top.\n# A\nOne.\n## B ##\nTwo.\n```\n# no\n```\n## C\n# D\nThree.\n#no\n";
        let all = cut(&document(Form::Markdown, text), &Cut::default());
        let got: Vec<(&str, &str)> = all.iter().map(|p| (p.heading.as_str(), p.text.as_str())).collect();
        assert_eq!(
            got,
            [("", "Top."), ("A", "One."), ("A > B", "Two.\n```\n# no\n```"), ("D", "Three.\n#no")]
        );
    }

    #[test]
    fn passages_are_short_overlap_and_lose_nothing() {
        let text: String = (0..200)
            .map(|i| format!("Sentence number {i} is here.{}", if i % 7 == 0 { "\n\n" } else { " " }))
            .collect();
        let how = Cut { size: 200, overlap: 60 };
        let all = cut(&document(Form::Text, &text), &how);
        assert!(all.len() > 20 && all.iter().all(|p| p.text.chars().count() <= 200), "{}", all.len());
        for i in 0..200 {
            assert!(all.iter().any(|p| p.text.contains(&format!("number {i} is"))), "{i}");
        }
        let repeated = all.windows(2).filter(|w| {
            w[0].text.ends_with(w[1].text.split(". ").next().unwrap().trim_end_matches('.'))
                || w[0].text.contains(w[1].text.split(". ").next().unwrap())
        });
        assert!(repeated.count() > 15);
        let none = cut(&document(Form::Text, &text), &Cut { size: 200, overlap: 0 });
        assert_eq!(none.iter().map(|p| p.text.matches("Sentence").count()).sum::<usize>(), 200);
    }

    #[test]
    fn long_words_and_sentences_are_cut() {
        let text = format!("{} tail", "é".repeat(25));
        let all = cut(&document(Form::Text, &text), &Cut { size: 10, overlap: 3 });
        assert!(all.iter().all(|p| p.text.chars().count() <= 10), "{all:?}");
        assert_eq!(all.iter().map(|p| p.text.matches('é').count()).sum::<usize>(), 25);
        assert!(all.last().unwrap().text.ends_with("tail"));
        assert!(cut(&document(Form::Text, " \n\n "), &Cut::default()).is_empty());
    }
}
