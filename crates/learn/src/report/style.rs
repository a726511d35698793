//! How a page looks, light and dark.

/// The style sheet of every report.
pub(super) const STYLE: &str = "
:root{color-scheme:light dark;--bg:#fff;--fg:#1d2433;--soft:#667085;--line:#e3e7ee;--card:#f8f9fb;--model:#2457d6;--base:#d97706;--high:#d1345b}
@media(prefers-color-scheme:dark){:root{--bg:#12151c;--fg:#e6e9f0;--soft:#98a2b3;--line:#2a3040;--card:#191e29;--model:#7aa2ff;--base:#f5b14c;--high:#ff7d9c}}
body{background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif;max-width:980px;margin:0 auto;padding:24px}
h1{font-size:24px;margin:0 0 4px}h2{font-size:18px;margin:32px 0 8px}h3{font-size:14px;margin:0 0 6px;color:var(--soft);font-weight:600}
table{border-collapse:collapse;margin:8px 0;font-variant-numeric:tabular-nums}td,th{padding:4px 14px 4px 0;text-align:left;border-bottom:1px solid var(--line)}
td.n,th.n{text-align:right}.better{font-weight:600}.soft{color:var(--soft)}.warn{background:var(--card);border-left:3px solid var(--base);padding:8px 12px;margin:8px 0}
.grid-of{display:grid;grid-template-columns:repeat(auto-fill,minmax(400px,1fr));gap:16px}.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px}
svg{width:100%;height:auto;font:11px system-ui,sans-serif}svg .grid{stroke:var(--line)}svg .tick{fill:var(--soft)}svg .label{fill:var(--fg)}
svg polyline{fill:none;stroke-width:2}svg .model{stroke:var(--model)}svg .base{stroke:var(--base)}svg .chance,svg .mark{stroke:var(--soft);stroke-width:1;stroke-dasharray:4 4}
svg .model-dot{fill:var(--model);fill-opacity:.75}svg .base-dot{fill:var(--base);fill-opacity:.45}svg .bar,svg .cell{fill:var(--model)}svg .count.on{fill:#fff}svg .count.off{fill:var(--fg)}
@media(prefers-color-scheme:dark){svg .count.on{fill:#12151c}}
.key:before{content:'';display:inline-block;width:14px;height:3px;margin-right:6px;vertical-align:middle;background:var(--model)}.key.base:before{background:var(--base)}.key{margin-right:16px}
.wide{grid-column:1/-1;margin:0 0 16px}.scroll{overflow-x:auto}h3.part{margin:24px 0 4px;font-size:15px;color:var(--fg)}p.soft{margin:0 0 10px}
.shades{margin:0 0 10px}.shades i{display:inline-block;width:90px;height:8px;margin:0 6px;border-radius:4px;background:linear-gradient(90deg,var(--model),var(--high))}.shades b{display:inline-block;width:8px;height:8px;border-radius:4px;margin:0 6px 0 20px;background:var(--soft)}
.thresholds{width:100%}.noted td{font-weight:600}
svg .label.strong{font-weight:600}svg .zero{stroke:var(--soft)}svg .whisker{fill:none;stroke:var(--fg);stroke-width:1.2}
svg .dots{fill:none;stroke-width:4.4;stroke-linecap:round;stroke:var(--soft);stroke-opacity:.85}svg .dots.one{stroke:var(--model);stroke-opacity:.6}svg .dots.few{stroke-width:3;stroke-opacity:.5}
svg polyline.single{stroke:var(--soft);stroke-width:.8;stroke-opacity:.45}
svg .edge{fill:none;stroke:var(--soft);stroke-width:1.3}svg .edge.gone{stroke-dasharray:2 3}svg .node{fill:var(--bg);stroke:var(--line)}svg .leaf{stroke:none}svg .leaf.rises{fill:var(--high)}svg .leaf.falls{fill:var(--model)}
svg .s0{stroke:var(--model)}svg .s6{stroke:var(--high)}svg .s1{stroke:color-mix(in oklab,var(--model),var(--high) 17%)}svg .s2{stroke:color-mix(in oklab,var(--model),var(--high) 33%)}svg .s3{stroke:color-mix(in oklab,var(--model),var(--high) 50%)}svg .s4{stroke:color-mix(in oklab,var(--model),var(--high) 67%)}svg .s5{stroke:color-mix(in oklab,var(--model),var(--high) 83%)}
";
