//! Text to nodes. Anchors and `<<` are resolved; depth and size are limited.

use super::scalar::plain;
use super::{Entry, Node, Yaml};
use granit_parser::{Event, Marker, Parser, ScalarStyle, Span};
use lyceum_core::{Error, ErrorKind, Result};
use std::collections::HashMap;

/// Nodes of a file at most, those of resolved anchors included.
const MAX_NODES: usize = 200_000;
/// Levels at most.
const MAX_DEPTH: usize = 64;
/// Bytes of a file at most.
const MAX_BYTES: usize = 4 << 20;

/// Parses one document.
///
/// # Errors
/// Broken YAML with its line and column, an empty file, a second document, too many nodes or levels.
pub fn parse(text: &str) -> Result<Node> {
    if text.len() > MAX_BYTES {
        return Err(Error::new(ErrorKind::TooLarge, format!("over {MAX_BYTES} bytes of YAML")));
    }
    let mut build = Build { anchors: HashMap::new(), nodes: 0 };
    let mut parser = Parser::new_from_str(text);
    let mut root = None;
    while let Some((event, span)) = next(&mut parser)? {
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentStart(..) | Event::DocumentEnd => {}
            _ if root.is_some() => return Err(at(span.start, "only one YAML document is expected")),
            other => root = Some(build.node(other, span, &mut parser, 0)?),
        }
    }
    root.ok_or_else(|| Error::invalid("the file is empty"))
}

fn at(mark: Marker, message: impl Into<String>) -> Error {
    Error::invalid(message).on_line_column(mark.line(), mark.col() + 1)
}

type Source<'a> = Parser<'a, granit_parser::StrInput<'a>>;

fn next<'a>(parser: &mut Source<'a>) -> Result<Option<(Event<'a>, Span)>> {
    match parser.next() {
        None => Ok(None),
        Some(Ok(pair)) => Ok(Some(pair)),
        Some(Err(e)) => Err(at(*e.marker(), format!("not valid YAML: {}", e.info()))),
    }
}

struct Build {
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl Build {
    fn node<'a>(
        &mut self,
        event: Event<'a>,
        span: Span,
        parser: &mut Source<'a>,
        depth: usize,
    ) -> Result<Node> {
        if depth > MAX_DEPTH {
            return Err(at(span.start, format!("more than {MAX_DEPTH} levels")));
        }
        let (value, anchor) = match event {
            Event::Scalar(text, ScalarStyle::Plain, anchor, _) => (plain(&text), anchor),
            Event::Scalar(text, _, anchor, _) => (Yaml::Str(text.into_owned()), anchor),
            Event::SequenceStart(_, anchor, _) => (self.list(parser, depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.map(parser, depth)?, anchor),
            Event::Alias(id) => {
                let node = self.anchors.get(&id).cloned();
                let node =
                    node.ok_or_else(|| at(span.start, "an alias to an anchor that is not complete"))?;
                self.count(weight(&node), span)?;
                return Ok(node);
            }
            _ => return Err(at(span.start, "unexpected YAML")),
        };
        self.count(1, span)?;
        let node = Node { line: span.start.line(), column: span.start.col() + 1, value };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<()> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err(at(span.start, format!("more than {MAX_NODES} values")));
        }
        Ok(())
    }

    fn list<'a>(&mut self, parser: &mut Source<'a>, depth: usize) -> Result<Yaml> {
        let mut items = Vec::new();
        while let Some((event, span)) = next(parser)? {
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            items.push(self.node(event, span, parser, depth + 1)?);
        }
        Ok(Yaml::List(items))
    }

    fn map<'a>(&mut self, parser: &mut Source<'a>, depth: usize) -> Result<Yaml> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged: Vec<Entry> = Vec::new();
        while let Some((event, span)) = next(parser)? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let Event::Scalar(key, ..) = event else {
                return Err(at(span.start, "a key must be text"));
            };
            let key = key.into_owned();
            let Some((event, value_span)) = next(parser)? else {
                return Err(at(span.start, "a key without a value"));
            };
            let node = self.node(event, value_span, parser, depth + 1)?;
            if key == "<<" {
                merged.extend(node.entries().iter().cloned());
                continue;
            }
            entries.retain(|e| e.key != key);
            entries.push(Entry { key, line: span.start.line(), column: span.start.col() + 1, node });
        }
        for entry in merged {
            if entries.iter().all(|e| e.key != entry.key) {
                entries.push(entry);
            }
        }
        Ok(Yaml::Map(entries))
    }
}

fn weight(node: &Node) -> usize {
    1 + match &node.value {
        Yaml::List(items) => items.iter().map(weight).sum(),
        Yaml::Map(entries) => entries.iter().map(|e| weight(&e.node)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_places_and_the_last_key() {
        let n = parse("a: 1\nb: {c: [x, 'yes', yes], d: 2}\na: 3\n").unwrap();
        assert_eq!(n.to_json().to_string(), r#"{"b":{"c":["x","yes",true],"d":2},"a":3}"#);
        let c = n.get("b").unwrap().entries()[1].clone();
        assert_eq!((c.key.as_str(), c.line, c.column), ("d", 2, 25));
    }

    #[test]
    fn anchors_merge() {
        let n = parse("base: &b {x: 1, y: 2}\nuse: {<<: *b, y: 3}\nlist: [*b]\n").unwrap();
        assert_eq!(n.get("use").unwrap().to_json().to_string(), r#"{"y":3,"x":1}"#);
    }

    #[test]
    fn faults_have_places() {
        let e = parse("a: [1, 2\nb: 3\n").unwrap_err();
        assert_eq!(e.at().line, Some(2), "{e}");
        assert_eq!(parse("").unwrap_err().to_string(), "the file is empty");
        assert!(parse("a: 1\n---\nb: 2\n").unwrap_err().to_string().contains("only one YAML document"));
        let deep = "[".repeat(100) + &"]".repeat(100);
        assert!(parse(&deep).is_err());
        let bomb = "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
        assert!(parse(bomb).unwrap_err().to_string().contains("more than 200000 values"));
    }
}
