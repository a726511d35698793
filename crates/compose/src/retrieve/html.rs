//! The text of a web page, with headings as Markdown has them; scripts and styles are left out.

/// What stands between tags.
pub(super) fn as_markdown(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        let (text, after) = rest.split_at(open);
        words(text, &mut out);
        if let Some(comment) = after.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, rest)| rest);
            continue;
        }
        let begins =
            after.chars().nth(1).is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
        if !begins {
            out.push('<');
            rest = after.get(1..).unwrap_or_default();
            continue;
        }
        let Some((tag, after)) = after.split_once('>') else { break };
        let tag = tag.trim_start_matches('<').to_lowercase();
        let name: String = tag.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '/').collect();
        rest = after;
        match name.trim_end_matches('/') {
            "script" | "style" | "head" | "template" => rest = beyond(rest, &name),
            heading
                if heading.len() == 2
                    && heading.starts_with('h')
                    && heading.ends_with(|c| ('1'..='6').contains(&c)) =>
            {
                let level = heading.bytes().last().map_or(1, |b| usize::from(b - b'0'));
                out.push_str("\n\n");
                out.push_str(&"#".repeat(level));
                out.push(' ');
            }
            "br" => out.push('\n'),
            "p" | "/p" | "div" | "/div" | "li" | "ul" | "/ul" | "ol" | "/ol" | "tr" | "table" | "section"
            | "/section" | "article" | "/h1" | "/h2" | "/h3" | "/h4" | "/h5" | "/h6" | "blockquote"
            | "pre" => out.push_str("\n\n"),
            "td" | "th" => out.push(' '),
            _ => {}
        }
    }
    words(rest, &mut out);
    out
}

/// What follows the end of an element whose content is no text.
fn beyond<'h>(html: &'h str, name: &str) -> &'h str {
    let end = format!("</{name}");
    // ASCII letters alone change, so that places stay the same.
    let at = html.to_ascii_lowercase().find(&end);
    let rest = at.and_then(|at| html.get(at..)).unwrap_or_default();
    rest.split_once('>').map_or("", |(_, rest)| rest)
}

/// Text with single spaces and its entities read.
fn words(text: &str, out: &mut String) {
    let mut space = text.starts_with(char::is_whitespace);
    for word in text.split_whitespace() {
        if space && !out.is_empty() && !out.ends_with(char::is_whitespace) {
            out.push(' ');
        }
        entities(word, out);
        space = true;
    }
    if text.ends_with(char::is_whitespace) && !out.is_empty() && !out.ends_with(char::is_whitespace) {
        out.push(' ');
    }
}

fn entities(word: &str, out: &mut String) {
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let named = after.split_once(';').filter(|(name, _)| name.len() <= 8);
        let read = named.and_then(|(name, after)| Some((entity(name)?, after)));
        match read {
            Some((c, after)) => {
                out.push(c);
                rest = after;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        "ndash" => Some('–'),
        "mdash" => Some('—'),
        "hellip" => Some('…'),
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code).filter(|c| !c.is_control())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::as_markdown;

    #[test]
    fn text_headings_and_entities_stay() {
        let html = "<!doctype html><head><title>t</title></head><!-- <p>no --><h1 id=\"a\">Refunds &amp; more</h1>\
                    <SCRIPT>if (a < b) {}</script><p>We <b>pay</b> in 5 &lt; 6&nbsp;days.<br>Soon&#33; a & b &zzz; 1 < 2</p>\
                    <ul><li>one<li>two</ul>";
        let want = "# Refunds & more\n\nWe pay in 5 < 6 days.\nSoon! a & b &zzz; 1 < 2\n\none\n\ntwo";
        let got: Vec<String> =
            as_markdown(html).split("\n\n").map(|p| p.trim().to_string()).filter(|p| !p.is_empty()).collect();
        assert_eq!(got.join("\n\n"), want);
    }

    #[test]
    fn broken_pages_end() {
        for html in ["<", "<p", "<script>", "<!--", "&", "&#x110000;", "<p>a</p", "é<é>"] {
            as_markdown(html);
        }
    }
}
