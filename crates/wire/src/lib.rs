//! The protocols that Lyceum speaks, as plain serde types: what comes over the wire and what goes back.
//!
//! Nothing here does input or output, checks a value beyond its JSON type, or knows a type of the house. Absent and
//! `null` are the same for every optional key; keys that a type does not know are kept where a server has to name
//! them, and dropped elsewhere.

pub mod lorax;
pub mod openai;
