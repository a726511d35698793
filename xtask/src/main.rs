//! Inspects and tests the house.
fn main() {}
