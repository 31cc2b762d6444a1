//! What the tools of MCP servers are called where providers demand short plain names. Pure.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

/// All of them begin so.
pub const PREFIX: &str = "mcp__";
/// The longest that every provider takes.
const MAX: usize = 64;

/// A name for each tool of a server, in their order. It does not hang on what other servers there are.
pub fn names(server: &str, tools: &[&str]) -> Vec<String> {
    let plain: Vec<String> = tools.iter().map(|tool| format!("{PREFIX}{}__{}", clean(server), clean(tool))).collect();
    let mut count: HashMap<&str, usize> = HashMap::new();
    for name in &plain {
        *count.entry(name).or_default() += 1;
    }
    let named = |(name, tool): (&String, &&str)| {
        if name.len() <= MAX && count[name.as_str()] == 1 { name.clone() } else { with_suffix(name, tool) }
    };
    plain.iter().zip(tools).map(named).collect()
}

/// The server that a name seems to be of, for a message.
pub fn server_of(name: &str) -> Option<&str> {
    name.strip_prefix(PREFIX)?.split_once("__").map(|(server, _)| server)
}

fn with_suffix(name: &str, tool: &str) -> String {
    let hash: String = Sha256::digest(tool).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let kept: String = name.chars().take(MAX - hash.len() - 1).collect();
    format!("{kept}_{hash}")
}

fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_name_stays_as_it_is_and_other_characters_are_replaced() {
        assert_eq!(names("files", &["read-file", "schön.er"]), ["mcp__files__read-file", "mcp__files__sch_n_er"]);
        assert_eq!(server_of("mcp__files__read"), Some("files"));
    }

    #[test]
    fn names_that_would_be_the_same_are_told_apart_and_keep_their_names_in_another_order() {
        let (one, other) = (names("s", &["a.b", "a/b", "c"]), names("s", &["c", "a/b", "a.b"]));

        assert_eq!(one, [other[2].clone(), other[1].clone(), other[0].clone()]);
        assert_ne!(one[0], one[1]);
        assert!(one[0].starts_with("mcp__s__a_b_"), "{one:?}");
    }

    proptest! {
        #[test]
        fn every_name_is_one_that_providers_take(server in "[a-z0-9-]{1,32}", tools in proptest::collection::vec(".{0,90}", 0..6)) {
            let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
            let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
            for name in names(&server, &tools) {
                prop_assert!(name.len() <= MAX && name.chars().all(plain) && name.starts_with(PREFIX), "{}", name);
                prop_assert_eq!(server_of(&name), Some(server.as_str()));
            }
        }
    }
}
