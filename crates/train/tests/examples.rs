//! Samples as tokens, with a real tokenizer and chat template: where the answer lies and what ends it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use lyceum_core::{Message, RenderOptions, TextCodec};
use lyceum_models::Text;
use lyceum_train::lm::Example;
use std::path::Path;

fn text() -> Text {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural/llama");
    Text::from_folder(&folder).unwrap()
}

fn counted(e: &Example) -> Vec<u32> {
    e.ids.iter().zip(&e.weights).filter(|(_, w)| **w > 0.0).map(|(id, _)| *id).collect()
}

#[test]
fn a_plain_answer_follows_its_prompt_and_is_ended() {
    let text = text();
    let e = Example::of_text(&text, "Sort this: no sound\nDesk: ", "audio").unwrap();
    let prompt = text.encode("Sort this: no sound\nDesk: ", true).unwrap();
    assert!(e.ids.starts_with(&prompt), "the model is asked with the tokens that it was taught with");
    let answer = counted(&e);
    assert_eq!(e.ids.len(), prompt.len() + answer.len());
    assert_eq!(text.decode(&answer).unwrap(), "audio");
    assert!(text.end_ids().contains(answer.last().unwrap()));
    assert_eq!(e.counted(), answer.len());
    let n = e.ids.len();
    assert!(e.clone().cut(prompt.len()).is_err());
    assert_eq!(e.cut(n - 1).unwrap().counted(), answer.len() - 1);
}

#[test]
fn a_conversation_counts_the_assistant_s_turns() {
    let text = text();
    let messages =
        [Message::user("a"), Message::assistant("yes"), Message::user("b"), Message::assistant("no")];
    let e = Example::of_conversation(&text, &messages, false).unwrap();
    let said = text.decode(&counted(&e)).unwrap();
    assert!(said.contains("yes") && said.contains("no") && !said.contains('a'), "{said}");
    let start = text.encode_chat(&messages[..3], &RenderOptions::default()).unwrap();
    assert!(e.ids.starts_with(&start));
    let all = Example::of_conversation(&text, &messages, true).unwrap();
    assert_eq!(all.counted(), all.ids.len() - 1, "all but the first");
}
