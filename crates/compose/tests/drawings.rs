//! Graphs drawn: as Mermaid, on a terminal, as a picture.

use lyceum_compose::draw::{Drawing, Line, Sizes, Spot};
use lyceum_compose::file::{GraphFile, NoParts};

fn drawing() -> Drawing {
    let text = r#"
state: {a: text, ok: boolean}
nodes:
  look: {set: {a: "'x'"}}
  read: {set: {ok: true}}
  write: {set: {a: a}}
  ask: {ask: "<b>Send \"{{ a }}\"?</b>", description: 'asks "you" & waits'}
edges:
  - START -> look & read -> write
  - {from: write, when: [{if: ok and a < "b", to: ask}, {else: END}]}
  - ask -> write
"#;
    GraphFile::parse(text, "letters", &NoParts).unwrap().drawing().clone()
}

#[test]
fn on_a_terminal() {
    let want = "
           ╭───────╮
           │ START │
           ╰───────╯
                │
       ┌────────┴───────┐
       │                │
       ▼                ▼
┌────────────┐   ┌────────────┐
│ look (set) │   │ read (set) │
└────────────┘   └────────────┘
       │                │
       └────────┬───────┘
                │
                ▼
        ┌─────────────┐
        │ write (set) │
        └─────────────┘
                ▲
           ┌────┴───────┐
           │            │
           ▼            ▼
     ┌───────────┐   ╭─────╮
     │ ask (ask) │   │ END │
     └───────────┘   ╰─────╯

write -> ask: ok and a < \"b\"
write -> END: else
";
    let shown = drawing().terminal();
    assert_eq!(shown.trim_end(), want.trim_start_matches('\n').trim_end(), "\n{shown}");
}

#[test]
fn as_mermaid_with_its_signs_escaped() {
    let want = r##"flowchart TD
    n0(["START"])
    n1["look (set)"]
    n2["read (set)"]
    n3["write (set)"]
    n4{{"ask<br/>ask: asks #34;you#34; #38; waits"}}
    n5(["END"])
    n0 --> n1
    n0 --> n2
    n1 --> n3
    n2 --> n3
    n3 -.->|"ok and a #60; #34;b#34;"| n4
    n3 -.->|"else"| n5
    n4 --> n3
"##;
    assert_eq!(drawing().mermaid(), want);
}

#[test]
fn as_a_picture_without_markup_of_its_words() {
    let picture = drawing().svg();
    assert!(picture.starts_with("<svg xmlns=") && picture.trim_end().ends_with("</svg>"));
    assert!(
        picture.contains("ok and a &lt; &quot;b&quot;")
            && picture.contains("asks &quot;you&quot; &amp; waits")
    );
    assert_eq!((picture.matches("<rect").count(), picture.matches("marker-end").count()), (6, 7));
    assert_eq!(picture.matches("stroke-dasharray").count(), 2, "the two conditional edges");
}

#[test]
fn boxes_stand_apart_and_edges_end_at_them() {
    let mut d = Drawing { name: "wide".into(), ..Drawing::default() };
    let spot = |id: String| Spot { id, kind: "set".into(), label: None };
    d.nodes.extend((0..12).map(|i| spot(format!("node_{i}"))));
    let line =
        |a: usize, b: usize| Line { from: format!("node_{a}"), to: format!("node_{b}"), ..Line::default() };
    d.edges.extend(
        [
            (0, 1),
            (0, 2),
            (0, 3),
            (1, 4),
            (2, 4),
            (3, 9),
            (4, 5),
            (4, 6),
            (5, 7),
            (7, 4),
            (6, 8),
            (0, 8),
            (8, 9),
            (9, 9),
            (9, 10),
            (9, 11),
        ]
        .map(|(a, b)| line(a, b)),
    );
    let layout = d.layout(&Sizes::default());
    for (i, a) in layout.nodes.iter().enumerate() {
        assert!(a.x >= 0.0 && a.x + a.width <= layout.width && a.y + a.height <= layout.height);
        for b in layout.nodes.iter().skip(i + 1).filter(|b| b.layer == a.layer) {
            assert!(a.x + a.width < b.x || b.x + b.width < a.x, "{} and {}", a.node.id, b.node.id);
        }
    }
    for edge in &layout.edges {
        let Some((x, y)) = edge.points.last() else {
            assert_eq!(edge.edge.from, edge.edge.to);
            continue;
        };
        let to = layout.nodes.iter().find(|n| n.node.id == edge.edge.to).unwrap();
        assert!(*x > to.x && *x < to.x + to.width && (*y == to.y || *y == to.y + to.height), "{edge:?}");
    }
    let again: lyceum_compose::draw::Layout =
        serde_json::from_value(serde_json::to_value(&layout).unwrap()).unwrap();
    assert_eq!(again.nodes.len(), 12);
    assert!(d.terminal().contains("node_9 -> node_9"));
    assert_eq!(Drawing::default().terminal().trim(), "");
}
