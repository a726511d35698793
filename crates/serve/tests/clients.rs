//! The unmodified Python clients (`openai`, `lorax-client`) hold a scripted conversation with the server.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod support;

use support::{script, start_script};

#[tokio::test]
async fn the_python_clients_are_content() {
    let server = start_script(script("Hello, world. It goes on and on.")).await;
    let arguments = [server.url.as_str(), "base", "--adapter", "loud", "--embedder", "base"];
    support::python("conversation.py", &arguments).await;
}
