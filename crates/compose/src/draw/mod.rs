//! Graphs drawn: Mermaid text, lines on a terminal, SVG, and the laid-out form that a web page draws from.

mod layers;
mod layout;
mod mermaid;
mod svg;
mod terminal;

pub use layout::{Bent, Layout, Put, Sizes};

use serde::{Deserialize, Serialize};

/// What is to be drawn: nodes and the edges between them. `START` and `END` are nodes too.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Drawing {
    /// The graph's name.
    pub name: String,
    /// Its nodes.
    pub nodes: Vec<Spot>,
    /// Its edges.
    pub edges: Vec<Line>,
}

/// A node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Spot {
    /// Its name.
    pub id: String,
    /// `start`, `end`, or what it does: `model`, `ask`, …
    pub kind: String,
    /// What it does that with, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// An edge.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The node that it leaves.
    pub from: String,
    /// The node that it leads to.
    pub to: String,
    /// Whether it is taken only when its condition holds.
    pub conditional: bool,
    /// The condition's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

impl Drawing {
    /// As Mermaid draws it.
    pub fn mermaid(&self) -> String {
        mermaid::text(self)
    }

    /// As lines of text.
    pub fn terminal(&self) -> String {
        terminal::text(self)
    }

    /// As a picture.
    pub fn svg(&self) -> String {
        svg::text(&self.layout(&Sizes::default()))
    }

    /// Where everything stands.
    pub fn layout(&self, sizes: &Sizes) -> Layout {
        layout::layout(self, sizes)
    }

    fn place(&self, id: &str) -> Option<usize> {
        self.nodes.iter().position(|n| n.id == id)
    }
}

impl Spot {
    /// What stands in its box.
    fn words(&self) -> String {
        match self.kind.as_str() {
            "start" | "end" | "" => self.id.clone(),
            kind => format!("{} ({kind})", self.id),
        }
    }
}
