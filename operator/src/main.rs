//! operator

fn main() {}
