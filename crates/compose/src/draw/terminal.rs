//! Boxes and lines for a terminal.
#![allow(clippy::indexing_slicing, reason = "the grid is as large as the layout says, with room to spare")]

use super::Drawing;
use super::layout::{Layout, Sizes, layout};

/// Rows of a box.
const BOX: usize = 3;
/// Rows between boxes: one line down, one across, one down, one tip.
const BETWEEN: usize = 4;

const NORTH: u8 = 1;
const EAST: u8 = 2;
const SOUTH: u8 = 4;
const WEST: u8 = 8;

pub(super) fn text(drawing: &Drawing) -> String {
    let sizes = Sizes { letter: 1.0, padding: 4.0, height: BOX as f64, beside: 3.0, below: BETWEEN as f64 };
    let mut out = lines(&layout(drawing, &sizes));
    for edge in &drawing.edges {
        match &edge.label {
            Some(label) => out.push_str(&format!("{} -> {}: {label}\n", edge.from, edge.to)),
            None if edge.from == edge.to => out.push_str(&format!("{} -> {}\n", edge.from, edge.to)),
            None => {}
        }
    }
    out
}

/// A page of characters; lines that meet join.
struct Page {
    cells: Vec<Vec<(char, u8)>>,
}

impl Page {
    fn new(width: usize, height: usize) -> Self {
        Self { cells: vec![vec![(' ', 0); width]; height] }
    }

    fn write(&mut self, x: usize, y: usize, c: char) {
        self.cells[y][x] = (c, 0);
    }

    fn line(&mut self, (x, y): (usize, usize), (x2, y2): (usize, usize)) {
        for y in y.min(y2)..y.max(y2) {
            self.cells[y][x].1 |= SOUTH;
            self.cells[y + 1][x].1 |= NORTH;
        }
        for x in x.min(x2)..x.max(x2) {
            self.cells[y2][x].1 |= EAST;
            self.cells[y2][x + 1].1 |= WEST;
        }
    }

    fn text(&self) -> String {
        let shown = |&(c, mask): &(char, u8)| if c == ' ' { joint(mask) } else { c };
        let lines = self.cells.iter().map(|row| row.iter().map(shown).collect::<String>());
        lines.map(|l| l.trim_end().to_string() + "\n").collect()
    }
}

fn joint(mask: u8) -> char {
    const JOINTS: [char; 16] =
        [' ', '│', '─', '└', '│', '│', '┌', '├', '─', '┘', '─', '┴', '┐', '┤', '┬', '┼'];
    JOINTS[usize::from(mask & 15)]
}

fn lines(layout: &Layout) -> String {
    let whole = |x: f64| x.round() as usize;
    let mut page = Page::new(whole(layout.width) + 2, whole(layout.height) + 1);
    let mut tips = Vec::new();
    for edge in &layout.edges {
        for pair in edge.points.windows(2) {
            let ((x, y), (x2, y2)) = (pair[0], pair[1]);
            let (x, y, x2, y2) = (whole(x), whole(y), whole(x2), whole(y2));
            // Down, across in the middle, and down again.
            let (top, bottom) = (y.min(y2), y.max(y2));
            let (upper, lower) = if y <= y2 { (x, x2) } else { (x2, x) };
            let middle = if upper == lower { bottom } else { top + 1 };
            page.line((upper, top), (upper, middle));
            page.line((upper, middle), (lower, middle));
            page.line((lower, middle), (lower, bottom));
        }
        if let [.., (_, y0), (x, y)] = edge.points[..] {
            let upward = y < y0;
            tips.push((whole(x), if upward { whole(y) } else { whole(y).saturating_sub(1) }, upward));
        }
    }
    for node in &layout.nodes {
        let (x, y, w) = (whole(node.x), whole(node.y), whole(node.width));
        let round = matches!(node.node.kind.as_str(), "start" | "end");
        let corners = if round { ['╭', '╮', '╰', '╯'] } else { ['┌', '┐', '└', '┘'] };
        for at in x + 1..x + w - 1 {
            page.write(at, y, '─');
            page.write(at, y + 2, '─');
            page.write(at, y + 1, '\u{a0}');
        }
        for (at, row, c) in [
            (x, y, corners[0]),
            (x + w - 1, y, corners[1]),
            (x, y + 2, corners[2]),
            (x + w - 1, y + 2, corners[3]),
        ] {
            page.write(at, row, c);
        }
        page.write(x, y + 1, '│');
        page.write(x + w - 1, y + 1, '│');
        for (i, c) in node.words.chars().enumerate() {
            page.write(x + 2 + i, y + 1, c);
        }
    }
    for (x, y, upward) in tips {
        page.write(x, y, if upward { '▲' } else { '▼' });
    }
    page.text().replace('\u{a0}', " ")
}
