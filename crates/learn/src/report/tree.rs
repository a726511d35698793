//! A tree, its root at the left, its leaves at the right in one column each under the other.

use super::axes::{cut, escape, short};
use crate::explain::report::{DrawnTree, Node};
use std::fmt::Write;

/// Width of a level, height of a leaf.
const LEVEL: f64 = 184.0;
const LEAF: f64 = 36.0;
/// Size of a node's box.
const BOX: (f64, f64) = (154.0, 32.0);
const TOP: f64 = 8.0;

/// The picture, in its own size (a wide one is scrolled).
pub(super) fn tree(t: &DrawnTree) -> String {
    let mean = mean(&t.root);
    let mut draw = Draw { out: String::new(), ends: 0, mean, strongest: strongest(&t.root, mean) };
    draw.node(&t.root, 0);
    let width = LEVEL * t.root.levels() as f64 + BOX.0 + 12.0;
    let height = TOP + LEAF * draw.ends as f64 + 6.0;
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" style=\"width:{width}px;height:{height}px\" role=\"img\" \
         aria-label=\"tree {}\">{}</svg>",
        t.index, draw.out
    )
}

/// The mean of the leaves' values over their rows.
fn mean(node: &Node) -> f64 {
    fn sums(node: &Node) -> (f64, f64) {
        match node {
            Node::Split { children, .. } => {
                children.iter().map(sums).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1))
            }
            Node::Leaf { value, count } => (value * *count as f64, *count as f64),
            Node::More { .. } => (0.0, 0.0),
        }
    }
    let (sum, rows) = sums(node);
    sum / rows.max(1.0)
}

/// The largest distance of a leaf's value from the mean.
fn strongest(node: &Node, mean: f64) -> f64 {
    match node {
        Node::Split { children, .. } => children.iter().map(|c| strongest(c, mean)).fold(0.0, f64::max),
        Node::Leaf { value, .. } => (value - mean).abs(),
        Node::More { .. } => 0.0,
    }
}

/// Most letters of a rule.
const RULE: usize = 22;

/// A rule that fits into a box: a long name is cut, its threshold stays.
fn fit(rule: &str) -> String {
    let Some((name, bound)) = rule.rsplit_once(" ≤ ") else { return cut(rule, RULE) };
    let room = RULE.saturating_sub(bound.chars().count() + 3).max(4);
    format!("{} ≤ {bound}", cut(name, room))
}

struct Draw {
    out: String,
    /// Nodes without children drawn so far.
    ends: usize,
    /// Mean of the leaves, and the distance from it that gets the strongest colour.
    mean: f64,
    strongest: f64,
}

impl Draw {
    /// Draws a node and what is below it; the answer is the height of its middle.
    fn node(&mut self, node: &Node, depth: usize) -> f64 {
        let x = LEVEL * depth as f64 + 1.0;
        match node {
            Node::Split { rule, missing_left, gain, count, children } => {
                let ends = children.each_ref().map(|c| self.node(c, depth + 1));
                let y = ends.iter().sum::<f64>() / 2.0;
                let missing = missing_left.map(usize::from);
                for (i, end) in ends.iter().enumerate() {
                    // Left is the first child, where the rule holds.
                    let (from, to) = (x + BOX.0, x + LEVEL);
                    let middle = (from + to) / 2.0;
                    let class = if i == 0 { "yes" } else { "no" };
                    let dots = if missing == Some(1 - i) { " gone" } else { "" };
                    let _ = write!(
                        self.out,
                        "<path class=\"edge {class}{dots}\" d=\"M{from:.1} {y:.1}C{middle:.1} {y:.1} {middle:.1} \
                         {end:.1} {to:.1} {end:.1}\"/>"
                    );
                }
                self.split(x, y, rule, &format!("gain {} · {count} rows", short(*gain)));
                y
            }
            Node::More { count } => {
                let y = self.next();
                self.split(x, y, "…", &format!("{count} rows"));
                y
            }
            Node::Leaf { value, count } => {
                let y = self.next();
                self.leaf(x, y, *value, *count);
                y
            }
        }
    }

    fn next(&mut self) -> f64 {
        self.ends += 1;
        TOP + LEAF * (self.ends as f64 - 0.5)
    }

    fn split(&mut self, x: f64, y: f64, rule: &str, below: &str) {
        self.boxed(x, y, "<rect class=\"node\"", rule, [&fit(rule), below]);
    }

    fn leaf(&mut self, x: f64, y: f64, value: f64, count: usize) {
        let off = value - self.mean;
        let share = if self.strongest > 0.0 { off.abs() / self.strongest } else { 0.0 };
        let side = if off < 0.0 { "falls" } else { "rises" };
        let rect = format!("<rect class=\"leaf {side}\" fill-opacity=\"{:.2}\"", 0.12 + 0.38 * share);
        let text = if value > 0.0 { format!("+{}", short(value)) } else { short(value) };
        self.boxed(x, y, &rect, &format!("{value}"), [&text, &format!("{count} rows")]);
    }

    fn boxed(&mut self, x: f64, y: f64, rect: &str, whole: &str, [first, second]: [&str; 2]) {
        let (left, top) = (x + 8.0, y - BOX.1 / 2.0);
        let _ = write!(
            self.out,
            "<g><title>{}</title>{rect} x=\"{x:.1}\" y=\"{top:.1}\" width=\"{}\" height=\"{}\" rx=\"5\"/><text \
             class=\"label strong\" x=\"{left:.1}\" y=\"{:.1}\">{}</text><text class=\"tick\" x=\"{left:.1}\" \
             y=\"{:.1}\">{}</text></g>",
            escape(whole),
            BOX.0,
            BOX.1,
            y - 2.5,
            escape(first),
            y + 11.0,
            escape(second)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(leaves: usize) -> Node {
        let leaf = Node::Leaf { value: -0.25 * leaves as f64, count: 3 };
        if leaves == 1 {
            return leaf;
        }
        let rule = format!("a<b ≤ {leaves}");
        let children = Box::new([chain(leaves - 1), leaf]);
        Node::Split { rule, missing_left: Some(true), gain: 1.5, count: 3 * leaves, children }
    }

    fn drawn(leaves: usize) -> DrawnTree {
        DrawnTree { index: 0, of: 1, class: None, root: chain(leaves) }
    }

    #[test]
    fn all_leaves_of_a_tree_of_31_are_drawn() {
        let svg = tree(&drawn(31));
        assert_eq!(svg.matches("class=\"leaf ").count(), 31);
        assert_eq!(svg.matches("class=\"node\"").count(), 30);
        assert!(svg.contains("a&lt;b ≤ 31") && !svg.contains("a<b"));
        assert!(svg.contains("gain 1.5 · 93 rows") && svg.contains(">-0.25<"));
        assert!(svg.contains("leaf rises") && svg.contains("leaf falls"));
    }

    #[test]
    fn a_long_name_leaves_room_for_its_threshold() {
        assert_eq!(fit("weight ≤ 5.3"), "weight ≤ 5.3");
        assert_eq!(fit("age of the depot in years ≤ 12.5"), "age of the dep… ≤ 12.5");
        assert_eq!(fit("day in monday, tuesday, friday"), "day in monday, tuesda…");
    }

    #[test]
    fn what_is_left_out_is_a_box_with_dots() {
        let mut t = drawn(3);
        if let Node::Split { children, .. } = &mut t.root {
            children[1] = Node::More { count: 7 };
        }
        let svg = tree(&t);
        assert!(svg.contains(">…<") && svg.contains(">7 rows<"));
        assert_eq!(svg.matches("class=\"leaf ").count(), 2);
        assert_eq!(tree(&drawn(1)).matches("class=\"leaf ").count(), 1);
    }
}
