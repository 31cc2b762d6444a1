//! `make bench`: how long a user waits, and what a desktop costs, as medians over repeated runs.

fn main() {}
