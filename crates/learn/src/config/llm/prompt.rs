//! The `prompt` section, and what its template must and must not hold.

use super::super::section::Section;
use crate::llm::Template;
use lyceum_data::yaml::Node;

/// What is put before an answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PromptConfig {
    /// The template; absent without a task takes the input column as it is.
    pub template: Option<Template>,
    /// The task.
    pub task: Option<String>,
    /// Line and column of the template; zeros where there is none.
    pub at: (usize, usize),
}

/// Reads the section. `answer` is the column of the answer.
pub(super) fn read(s: &mut Section<'_>, answer: Option<&str>) -> PromptConfig {
    let node = s.peek("template");
    let (text, task) = (s.text("template"), s.text("task"));
    let retrieves = s.section("retrieval", |s| {
        let kind = s.take("type");
        if let Some(node) = kind {
            s.issues().unsupported(node, &s.path("type"), "retrieval in prompts is not supported yet");
        }
        s.finish(&["llm.retrieval"], &[]);
        kind.is_some()
    });
    if retrieves && text.is_none() && task.is_none() {
        s.issues().missing(s.node(), &s.path("task"), "without a template a prompt needs a `task`");
    }
    s.finish(&["llm.prompt"], &[]);
    let template = node.zip(text).and_then(|(node, text)| template(s, node, &text, task.is_some(), answer));
    let at = node.map_or((0, 0), |n| (n.line, n.column));
    match (&template, &task) {
        (None, Some(_)) => PromptConfig { template: Some(Template::zero_shot()), task, at },
        _ => PromptConfig { template, task, at },
    }
}

fn template(
    s: &mut Section<'_>,
    node: &Node,
    text: &str,
    has_task: bool,
    answer: Option<&str>,
) -> Option<Template> {
    let wrong = |message: String| s.issues().wrong(node, &s.path("template"), message);
    let parsed = match Template::parse(text) {
        Ok(parsed) => parsed,
        Err(e) => {
            wrong(e);
            return None;
        }
    };
    if has_task && !parsed.has_task() {
        wrong("a template must hold {__task__} when a task is set".into());
    }
    if !has_task && parsed.has_task() {
        wrong("the template holds {__task__}, but no `task` is set".into());
    }
    if parsed.is_constant() && !(has_task && parsed.has_task()) {
        wrong("a template must hold at least one {column} or {__sample__}".into());
    }
    if parsed.has_context() {
        wrong("{__context__} needs `prompt.retrieval`".into());
    }
    if let Some(answer) = answer.filter(|a| parsed.columns().any(|c| c == *a)) {
        wrong(format!("the template holds the answer: {{{answer}}}"));
    }
    Some(parsed)
}
