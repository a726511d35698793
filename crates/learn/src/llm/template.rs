//! Prompt templates: Python's format fields `{column}`, `{column:.2f}`, and the keywords `{__task__}`, `{__sample__}`
//! and `{__context__}`. Doubled braces stand for themselves.

use lyceum_core::{Error, Result, nearest};

/// Keywords of a template.
const KEYWORDS: [&str; 3] = ["__task__", "__sample__", "__context__"];

/// The template of a task without one: what Ludwig puts around the sample.
const ZERO_SHOT: &str =
    "SAMPLE INPUT: {__sample__}\n\nUSER: Complete the following task: {__task__}\n\nASSISTANT:\n";

/// A template, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Task,
    Sample,
    Context,
    Column { name: String, decimals: Option<usize> },
}

/// What a template is filled with.
pub trait Fill {
    /// The text of a column; missing cells are empty.
    fn column(&self, name: &str) -> Result<String>;
    /// What stands for `{__sample__}`.
    fn sample(&self) -> Result<String>;
}

impl Template {
    /// Takes a template apart; the error says what is wrong with it.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '{' | '}' if rest.peek() == Some(&c) => plain.extend(rest.next()),
                '}' => return Err("a `}` without its `{` (a brace itself is written twice)".into()),
                '{' => {
                    let mut field = String::new();
                    loop {
                        match rest.next() {
                            Some('}') => break,
                            Some('{') | None => {
                                return Err(format!(
                                    "`{{{field}` is not closed (a brace itself is written twice)"
                                ));
                            }
                            Some(c) => field.push(c),
                        }
                    }
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(self::field(&field)?);
                }
                c => plain.push(c),
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts })
    }

    /// The wrapper of a task that has no template.
    pub fn zero_shot() -> Self {
        Self::parse(ZERO_SHOT).unwrap_or(Self { parts: vec![Part::Sample, Part::Task] })
    }

    /// The columns that it names, in order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|p| match p {
            Part::Column { name, .. } => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether it holds `{__task__}`.
    pub fn has_task(&self) -> bool {
        self.parts.contains(&Part::Task)
    }

    /// Whether it holds `{__sample__}`.
    pub fn has_sample(&self) -> bool {
        self.parts.contains(&Part::Sample)
    }

    /// Whether it holds `{__context__}`.
    pub fn has_context(&self) -> bool {
        self.parts.contains(&Part::Context)
    }

    /// Whether nothing of a row comes into it.
    pub fn is_constant(&self) -> bool {
        !self.parts.iter().any(|p| matches!(p, Part::Sample | Part::Context | Part::Column { .. }))
    }

    /// The prompt of a row.
    pub fn render(&self, row: &dyn Fill, task: &str) -> Result<String> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Task => out.push_str(task),
                Part::Sample => out.push_str(&row.sample()?),
                Part::Context => {}
                Part::Column { name, decimals: None } => out.push_str(&row.column(name)?),
                Part::Column { name, decimals: Some(n) } => {
                    let cell = row.column(name)?;
                    let number: f64 = cell.trim().parse().map_err(|_| {
                        Error::invalid(format!("\"{cell}\" is not a number, as `{{{name}:.{n}f}}` wants"))
                    })?;
                    out.push_str(&format!("{number:.n$}"));
                }
            }
        }
        Ok(out)
    }
}

fn field(field: &str) -> std::result::Result<Part, String> {
    let (name, spec) = field.split_once(':').map_or((field, ""), |(n, s)| (n, s));
    match name {
        "" => Err("`{}` names no column (a brace itself is written twice)".into()),
        "__task__" => Ok(Part::Task),
        "__sample__" => Ok(Part::Sample),
        "__context__" => Ok(Part::Context),
        name if name.starts_with("__") && name.ends_with("__") => {
            let meant = nearest(name, KEYWORDS).map(|k| format!("; did you mean `{{{k}}}`?"));
            Err(format!("no keyword `{{{name}}}`{}", meant.unwrap_or_default()))
        }
        name => {
            let decimals = match spec {
                "" => None,
                spec => {
                    let n = spec.strip_prefix('.').and_then(|s| s.strip_suffix('f'));
                    let n = n.and_then(|n| n.parse().ok()).filter(|n: &usize| *n <= 20);
                    let wrong = || format!("`{{{field}}}`: only formats such as `.2f` are known");
                    Some(n.ok_or_else(wrong)?)
                }
            };
            Ok(Part::Column { name: name.to_string(), decimals })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Row;

    impl Fill for Row {
        fn column(&self, name: &str) -> Result<String> {
            Ok(match name {
                "price" => "3.14159".into(),
                other => format!("<{other}>"),
            })
        }
        fn sample(&self) -> Result<String> {
            Ok("no sound".into())
        }
    }

    fn rendered(template: &str) -> String {
        Template::parse(template).unwrap().render(&Row, "sort it").unwrap()
    }

    #[test]
    fn fields_are_filled_and_braces_escaped() {
        assert_eq!(rendered("{{\"x\": {text}}} costs {price:.2f}"), "{\"x\": <text>} costs 3.14");
        assert_eq!(rendered("{__sample__}|{__task__}"), "no sound|sort it");
        let t = Template::parse("{a} and {b c}, {__task__}").unwrap();
        assert_eq!(t.columns().collect::<Vec<_>>(), ["a", "b c"]);
        assert!(t.has_task() && !t.has_sample() && !t.is_constant());
        assert!(Template::parse("{__task__} only").unwrap().is_constant());
    }

    #[test]
    fn the_wrapper_of_a_task_is_ludwig_s() {
        let prompt = Template::zero_shot().render(&Row, "sort it").unwrap();
        let want = "SAMPLE INPUT: no sound\n\nUSER: Complete the following task: sort it\n\nASSISTANT:\n";
        assert_eq!(prompt, want);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |t: &str| Template::parse(t).unwrap_err();
        assert!(wrong("a } b").contains("without its `{`"));
        assert!(wrong("{text").contains("`{text` is not closed"));
        assert!(wrong("{}").contains("names no column"));
        assert!(wrong("{__smaple__}").contains("did you mean `{__sample__}`"));
        assert!(wrong("{price:>10}").contains("`.2f`"));
        let e = Template::parse("{text:.1f}").unwrap().render(&Row, "").unwrap_err().to_string();
        assert!(e.contains("\"<text>\" is not a number"), "{e}");
    }
}
