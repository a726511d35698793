//! Composition: state graphs over runnables. Names no engine, no database and no protocol; the roof hands in what it
//! needs as runnables and through the traits of `core`.

pub mod graph;
