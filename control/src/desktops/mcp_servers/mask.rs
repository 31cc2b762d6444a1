//! What an owner sees of the values of a server's variables or headers, and what a mask stands for when it comes back.

use std::{collections::BTreeMap, mem::discriminant};

use protocol::{
    error::{Code, Problem},
    mcp::{MASK, McpServerConfig, McpTransport},
    secret::{self, PLACEHOLDER, PLACEHOLDER_END},
};

/// The server with every value masked but those that are one placeholder and nothing else.
pub(super) fn masked(mut config: McpServerConfig) -> McpServerConfig {
    for value in values_mut(&mut config.transport).values_mut().filter(|value| !is_placeholder(value)) {
        MASK.clone_into(value);
    }
    config
}

/// Does any value stand for one that is stored?
pub(super) fn has_masks(config: &McpServerConfig) -> bool {
    values(&config.transport).values().any(|value| value == MASK)
}

/// Puts the stored values in the place of the masks. Variables and headers of one name are not the same.
pub(super) fn restore(config: &mut McpServerConfig, stored: Option<&McpServerConfig>) -> Result<(), Problem> {
    let alike = stored.filter(|stored| discriminant(&stored.transport) == discriminant(&config.transport));
    let known = alike.map(|stored| values(&stored.transport));
    for (name, value) in values_mut(&mut config.transport).iter_mut().filter(|(_, value)| *value == MASK) {
        let stored = known.and_then(|known| known.get(name)).ok_or_else(|| {
            let name: String = name.chars().take(100).collect();
            Problem::new(
                Code::InvalidValue,
                format!("{MASK} stands for a value that is stored, and for {name:?} there is none: give its value."),
            )
        })?;
        value.clone_from(stored);
    }
    Ok(())
}

fn is_placeholder(value: &str) -> bool {
    let name = value.strip_prefix(PLACEHOLDER).and_then(|rest| rest.strip_suffix(PLACEHOLDER_END));
    name.is_some_and(secret::is_name)
}

fn values(transport: &McpTransport) -> &BTreeMap<String, String> {
    match transport {
        McpTransport::Stdio { env, .. } => env,
        McpTransport::Http { headers, .. } => headers,
    }
}

fn values_mut(transport: &mut McpTransport) -> &mut BTreeMap<String, String> {
    match transport {
        McpTransport::Stdio { env, .. } => env,
        McpTransport::Http { headers, .. } => headers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(env: &[(&str, &str)]) -> McpServerConfig {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let transport = McpTransport::Stdio { command: "a".into(), args: Vec::new(), env };
        McpServerConfig { name: "a".into(), transport, autostart: true }
    }

    fn shown(value: &str) -> String {
        values(&masked(process(&[("A", value)])).transport)["A"].clone()
    }

    #[test]
    fn one_placeholder_alone_is_shown_and_all_else_is_masked() {
        assert_eq!(shown("{{secret:BANK_2}}"), "{{secret:BANK_2}}");
        for value in [
            "hunter2",
            "",
            "Bearer {{secret:BANK}}",
            "{{secret:BANK}}hunter2",
            " {{secret:BANK}}",
            "{{secret:A}}hunter2{{secret:B}}",
            "{{secret:hunter2}}",
            "{{secret:}}",
            "{{secret:BANK",
        ] {
            assert_eq!(shown(value), MASK, "{value:?}");
        }
    }

    #[test]
    fn a_mask_stands_for_what_is_stored_under_its_name() {
        let stored = process(&[("A", "one"), ("B", "two"), ("C", "three")]);
        let mut config = process(&[("A", MASK), ("B", "changed")]);

        restore(&mut config, Some(&stored)).unwrap();

        assert!(config == process(&[("A", "one"), ("B", "changed")]));
    }

    #[test]
    fn a_mask_for_which_nothing_is_stored_is_refused() {
        let stored = process(&[("A", "one")]);
        let mut remote = McpServerConfig {
            transport: McpTransport::Http { url: "http://a/".into(), headers: [("A".into(), MASK.into())].into() },
            ..process(&[])
        };

        for refused in [
            restore(&mut process(&[("B", MASK)]), Some(&stored)),
            restore(&mut process(&[("a", MASK)]), Some(&stored)),
            restore(&mut process(&[("A", MASK)]), None),
            restore(&mut remote, Some(&stored)),
        ] {
            assert_eq!(refused.unwrap_err().code, Code::InvalidValue);
        }
    }
}
