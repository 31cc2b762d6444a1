//! What an owner sees of the values of a server's variables or headers, and what a mask stands for when it comes back.

use std::{collections::BTreeMap, mem::discriminant};

use protocol::{
    error::{Code, Problem},
    mcp::{MASK, McpServerConfig, McpTransport},
    secret::{self, PLACEHOLDER, PLACEHOLDER_END},
};
use url::{Origin, Url};

/// With every value masked but those that are one placeholder and nothing else.
pub(super) fn masked(mut transport: McpTransport) -> McpTransport {
    for value in values_mut(&mut transport).values_mut().filter(|value| !is_placeholder(value)) {
        MASK.clone_into(value);
    }
    transport
}

/// Does any value stand for one that is stored?
pub(super) fn has_masks(config: &McpServerConfig) -> bool {
    values(&config.transport).values().any(|value| value == MASK)
}

/// Puts the stored values in the place of the masks, if they go where they went. Variables and headers of one name are
/// not the same.
///
/// A header goes to the origin that it was given for, and no other: else whoever may write a configuration, but not
/// read its values, could have them sent to a host of their own. Another path or query of that origin is answered by
/// the same host.
///
/// A variable goes to the command that it was given for, while its arguments may change. This is no border, for what a
/// program is given can be read by all that runs on its desktop, whatever the arguments. It keeps an owner, who puts
/// another program in the place of one, from giving away by oversight a token that stands masked in a field below;
/// arguments are changed much more often than they name another program, and nobody has the token at hand each time.
pub(super) fn restore(config: &mut McpServerConfig, stored: Option<&McpServerConfig>) -> Result<(), Problem> {
    let alike = stored.filter(|stored| discriminant(&stored.transport) == discriminant(&config.transport));
    if let Some(stored) = alike.filter(|_| has_masks(config)) {
        check_receiver(&stored.transport, &config.transport)?;
    }
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

fn check_receiver(before: &McpTransport, now: &McpTransport) -> Result<(), Problem> {
    let refusal = match (before, now) {
        (McpTransport::Http { url: before, .. }, McpTransport::Http { url: now, .. })
            if origin(before).is_none() || origin(before) != origin(now) =>
        {
            "were stored for a URL of another scheme, host or port, and are sent to no other"
        }
        (McpTransport::Stdio { command: before, .. }, McpTransport::Stdio { command: now, .. }) if before != now => {
            "were stored for another command, and are given to no other"
        }
        _ => return Ok(()),
    };
    Err(Problem::new(Code::InvalidValue, format!("The values behind {MASK} {refusal}: write each of them anew.")))
}

fn origin(url: &str) -> Option<Origin> {
    Some(Url::parse(url).ok()?.origin())
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

    fn remote(url: &str, value: &str) -> McpServerConfig {
        let transport = McpTransport::Http { url: url.into(), headers: [("A".into(), value.into())].into() };
        McpServerConfig { name: "a".into(), transport, autostart: true }
    }

    fn command(command: &str, args: &[&str], value: &str) -> McpServerConfig {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let transport = McpTransport::Stdio { command: command.into(), args, env: [("A".into(), value.into())].into() };
        McpServerConfig { name: "a".into(), transport, autostart: true }
    }

    /// What becomes of a value that comes back masked.
    fn restored(stored: &McpServerConfig, mut wish: McpServerConfig) -> Result<String, Problem> {
        restore(&mut wish, Some(stored))?;
        Ok(values(&wish.transport)["A"].clone())
    }

    fn shown(value: &str) -> String {
        values(&masked(process(&[("A", value)]).transport))["A"].clone()
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
        for refused in [
            restore(&mut process(&[("B", MASK)]), Some(&stored)),
            restore(&mut process(&[("a", MASK)]), Some(&stored)),
            restore(&mut process(&[("A", MASK)]), None),
            restore(&mut remote("https://a/", MASK), Some(&stored)),
        ] {
            assert_eq!(refused.unwrap_err().code, Code::InvalidValue);
        }
    }

    #[test]
    fn a_masked_header_goes_to_its_own_origin_alone() {
        let stored = remote("https://a.example/mcp", "hunter2");

        for same in ["https://a.example/mcp", "https://a.example:443/v2?x=1", "HTTPS://A.example"] {
            assert_eq!(restored(&stored, remote(same, MASK)).as_deref(), Ok("hunter2"), "{same}");
        }
        for other in [
            "http://a.example/mcp",
            "https://a.example:8443/mcp",
            "https://b.example/mcp",
            "https://a.example.b.example/mcp",
            "https://sub.a.example/mcp",
            "https://b.example/https://a.example/mcp",
            "https://a.example@b.example/mcp",
            "file:///mcp",
            "a.example/mcp",
        ] {
            let refused = restored(&stored, remote(other, MASK)).expect_err(other);
            assert_eq!(refused.code, Code::InvalidValue);
            assert!(refused.detail.contains("scheme, host or port"), "{refused}");
            assert_eq!(
                restored(&stored, remote(other, "new")).as_deref(),
                Ok("new"),
                "what is given anew may go anywhere"
            );
        }
        let odd = remote("a.example/mcp", "hunter2");
        assert!(restored(&odd, remote("a.example/mcp", MASK)).is_err(), "what has no origin has no other of the same");
    }

    #[test]
    fn a_masked_variable_goes_to_its_own_command_whose_arguments_may_change() {
        let stored = command("mcp", &["--root", "/a"], "hunter2");

        assert_eq!(restored(&stored, command("mcp", &["--root", "/b"], MASK)).as_deref(), Ok("hunter2"));
        for other in ["/tmp/mcp", "mcp2", ""] {
            let refused = restored(&stored, command(other, &["--root", "/a"], MASK)).expect_err(other);
            assert_eq!(refused.code, Code::InvalidValue);
            assert!(refused.detail.contains("another command"), "{refused}");
            assert_eq!(restored(&stored, command(other, &[], "new")).as_deref(), Ok("new"));
        }
    }
}
