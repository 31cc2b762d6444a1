//! What an MCP server may be: checked once, where it comes in. No refusal repeats a value, which may be a token.

use std::collections::BTreeMap;

use protocol::{
    error::{Code, Problem},
    mcp::{McpServerConfig, McpTransport},
    secret::PLACEHOLDER,
};
use url::Url;

const MAX_NAME: usize = 32;
const MAX_ARGS: usize = 64;
/// Variables, or headers.
const MAX_VALUES: usize = 100;
const MAX_NAME_OF_A_VALUE: usize = 128;
/// Of a command, an argument, an address, a value.
const MAX_BYTES: usize = 4 << 10;
/// Of a server, as JSON: what a VM reads at once is bounded by this and the number of servers.
const MAX_SERVER: usize = 64 << 10;

/// What a client of MCP says by itself, or HTTP does.
const RESERVED_HEADERS: &[&str] = &[
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Refuses what no sidecar could start.
pub(super) fn check(config: &McpServerConfig) -> Result<(), Problem> {
    if !is_name(&config.name) {
        return invalid(format!(
            "A server's name is 1 to {MAX_NAME} of a-z, 0-9 and -, with a letter or digit at both ends."
        ));
    }
    match &config.transport {
        McpTransport::Stdio { command, args, env } => {
            check_command(command, args)?;
            check_values(
                env,
                "environment variables",
                is_variable,
                "of A-Z, a-z, 0-9 and _, and begins with no digit",
            )?;
            let is_good = |value: &String| value.len() <= MAX_BYTES && !value.contains('\0');
            check_each(env, is_good, "at most 4 KiB and no NUL character")?;
        }
        McpTransport::Http { url, headers } => {
            let url = check_url(url)?;
            check_values(headers, "headers", is_header, "of letters, digits and hyphens")?;
            check_header_names(headers)?;
            check_each(headers, |value| is_header_value(value), "at most 4 KiB, printable ASCII in one line")?;
            check_secrecy(&url, headers)?;
        }
    }
    let bytes = serde_json::to_vec(config).map_or(usize::MAX, |json| json.len());
    if bytes > MAX_SERVER {
        return invalid("A server takes at most 64 KiB, all of its values together.");
    }
    Ok(())
}

/// Is it a name that a server may have?
pub(super) fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn check_command(command: &str, args: &[String]) -> Result<(), Problem> {
    if command.trim().is_empty() || command.len() > MAX_BYTES || command.contains(char::is_control) {
        return invalid("A command is the name or path of one program, at most 4 KiB; give its arguments as args.");
    }
    if args.len() > MAX_ARGS {
        return invalid(format!(
            "A command takes at most {MAX_ARGS} arguments here: put more into a script or a file."
        ));
    }
    if args.iter().any(|arg| arg.len() > MAX_BYTES || arg.contains('\0')) {
        return invalid("An argument has at most 4 KiB and no NUL character.");
    }
    Ok(())
}

fn check_url(text: &str) -> Result<Url, Problem> {
    // What is parsed would leave out some of these in silence.
    let is_plain = text.len() <= MAX_BYTES && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    let url = Url::parse(text).ok().filter(|_| is_plain);
    let Some(url) = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) else {
        return invalid("An address is a whole http:// or https:// URL of at most 4 KiB, without spaces.");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return invalid("An address names no user and no password: send them as a header, such as authorization.");
    }
    if url.fragment().is_some() {
        return invalid("An address has no part behind #: it would never be sent.");
    }
    Ok(url)
}

fn check_values(
    values: &BTreeMap<String, String>,
    what: &str,
    is_name: impl Fn(&str) -> bool,
    rule: &str,
) -> Result<(), Problem> {
    if values.len() > MAX_VALUES {
        return invalid(format!("A server has at most {MAX_VALUES} {what}."));
    }
    if !values.keys().all(|name| (1..=MAX_NAME_OF_A_VALUE).contains(&name.len()) && is_name(name)) {
        return invalid(format!("The name of each of the {what} is 1 to {MAX_NAME_OF_A_VALUE} {rule}."));
    }
    Ok(())
}

/// Their names have been checked, and can be shown.
fn check_each(values: &BTreeMap<String, String>, is_good: impl Fn(&String) -> bool, rule: &str) -> Result<(), Problem> {
    match values.iter().find(|(_, value)| !is_good(value)) {
        Some((name, _)) => invalid(format!("The value of {name} does not fit: it has {rule}.")),
        None => Ok(()),
    }
}

fn check_header_names(headers: &BTreeMap<String, String>) -> Result<(), Problem> {
    let mut names: Vec<String> = headers.keys().map(|name| name.to_ascii_lowercase()).collect();
    names.sort();
    if let Some(name) = names.iter().find(|name| RESERVED_HEADERS.contains(&name.as_str())) {
        return invalid(format!("The header {name} is said by the client itself: leave it out."));
    }
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => invalid(format!("The header {} is there twice, in other capitals: leave one out.", pair[0])),
        None => Ok(()),
    }
}

/// What goes by `http://` crosses the desktop as it is, and a secret is kept from all that runs there.
fn check_secrecy(url: &Url, headers: &BTreeMap<String, String>) -> Result<(), Problem> {
    let secret = headers.iter().find(|(_, value)| url.scheme() == "http" && value.contains(PLACEHOLDER));
    match secret {
        Some((name, _)) => invalid(format!(
            "The header {name} holds a secret, and what is sent by http:// can be read on the desktop: use an https:// address, or give a value that may be read there."
        )),
        None => Ok(()),
    }
}

fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A token of RFC 9110.
fn is_header(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn is_header_value(value: &str) -> bool {
    value.len() <= MAX_BYTES && value.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}

fn invalid<T>(detail: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::new(Code::InvalidValue, detail))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What is said of a server of this name and transport.
    fn verdict(name: &str, transport: Value) -> Result<(), Problem> {
        check(&serde_json::from_value(json!({ "name": name, "transport": transport })).expect("a server"))
    }

    #[track_caller]
    fn is_refused(transport: Value) {
        let about = transport.to_string().chars().take(100).collect::<String>();
        let refused = verdict("a", transport).expect_err(&about);
        assert_eq!(refused.code, Code::InvalidValue, "{about}");
        assert!(!refused.detail.contains("hunter2"), "{refused}");
    }

    fn process(change: impl FnOnce(&mut Value)) -> Value {
        let mut it = json!({ "type": "stdio", "command": "mcp", "args": [], "env": {} });
        change(&mut it);
        it
    }

    fn remote(url: &str, headers: Value) -> Value {
        json!({ "type": "http", "url": url, "headers": headers })
    }

    fn many(count: usize, value: &str) -> Value {
        (0..count).map(|n| (format!("V{n}"), json!(value))).collect::<serde_json::Map<_, _>>().into()
    }

    #[test]
    fn a_name_is_of_few_letters_so_that_a_tools_name_says_whose_it_is() {
        let longest = "a".repeat(32);
        for name in ["a", "2", "git-hub", "a--b", &longest] {
            assert_eq!(verdict(name, process(|_| ())), Ok(()), "{name}");
        }
        for name in ["", "-", "-a", "a-", "A", "a_b", "a b", "a.b", "ä", "a/b", "a\0", &format!("{longest}a")] {
            assert_eq!(verdict(name, process(|_| ())).map_err(|e| e.code), Err(Code::InvalidValue), "{name:?}");
        }
    }

    #[test]
    fn a_command_is_one_program_with_arguments_within_bounds() {
        let long = "x".repeat(4096);
        for good in [
            process(|it| it["command"] = json!("/opt/my tools/mcp")),
            process(|it| it["args"] = json!(["", "-c", "echo 1\necho 2", long])),
            process(|it| it["args"] = json!(vec!["x"; 64])),
        ] {
            assert_eq!(verdict("a", good), Ok(()));
        }
        for command in ["", "  ", "a\0b", "a\nb", &format!("{long}x")] {
            is_refused(process(|it| it["command"] = json!(command)));
        }
        is_refused(process(|it| it["args"] = json!(vec!["x"; 65])));
        is_refused(process(|it| it["args"] = json!(["hunter2\0"])));
        is_refused(process(|it| it["args"] = json!([format!("{long}x")])));
    }

    #[test]
    fn a_variable_has_a_name_that_every_program_can_read() {
        assert_eq!(verdict("a", process(|it| it["env"] = json!({ "_A2b": "ü\n=", "B": "" }))), Ok(()));
        assert_eq!(verdict("a", process(|it| it["env"] = many(100, "x"))), Ok(()));
        for name in ["", "2A", "A=B", "A B", "A-B", "Ä", "A\0", "hunter2 ", &"A".repeat(129)] {
            is_refused(process(|it| it["env"] = json!({ name: "x" })));
        }
        is_refused(process(|it| it["env"] = many(101, "x")));
        is_refused(process(|it| it["env"] = json!({ "A": "hunter2\0" })));
        is_refused(process(|it| it["env"] = json!({ "A": format!("hunter2{}", "x".repeat(4090)) })));
        is_refused(process(|it| it["env"] = many(17, &"x".repeat(4096))));
    }

    #[test]
    fn an_address_is_of_http_and_names_nobody() {
        for url in ["https://a.example/mcp?x=1", "http://127.0.0.1:8000", "http://[::1]:3000/mcp", "https://ä.example/"]
        {
            assert_eq!(verdict("a", remote(url, json!({}))), Ok(()), "{url}");
        }
        for url in [
            "",
            "a.example/mcp",
            "ftp://a.example/",
            "file:///etc/passwd",
            "unix:/run/a.sock",
            "http://",
            "https://ada@a.example/",
            "https://ada:hunter2@a.example/",
            "https://:hunter2@a.example/",
            "https://a.example/#hunter2",
            "https://a.example/ ",
            "ht\ntp://a.example/",
            "https://a.example/a b",
            "https://a.example/\0",
            &format!("https://a.example/{}", "x".repeat(4096)),
        ] {
            is_refused(remote(url, json!({})));
        }
    }

    #[test]
    fn a_header_is_one_that_a_user_may_set() {
        let url = "https://a.example/";
        let good = json!({ "Authorization": "Bearer {{secret:A}}", "x-api-key": "", "X_2.a": "a b" });
        assert_eq!(verdict("a", remote(url, good)), Ok(()));
        for name in ["", "a b", "a:b", "ä", "a\n", "Host", "content-length", "Mcp-Session-Id", &"a".repeat(129)] {
            is_refused(remote(url, json!({ name: "x" })));
        }
        for value in ["hunter2\r\nx: y", "hunter2\n", "hunter2\0", "hünter2", "a\tb", &"x".repeat(4097)] {
            is_refused(remote(url, json!({ "x-api-key": value })));
        }
        is_refused(remote(url, json!({ "X-Api-Key": "a", "x-api-key": "b" })));
        is_refused(remote(url, many(101, "x")));
    }

    #[test]
    fn a_secret_goes_by_no_address_that_the_desktop_can_listen_to() {
        for value in ["{{secret:A}}", "Bearer {{secret:A}}", "{{secret:A}}{{secret:B}}", "{{secret:"] {
            for plain in ["http://127.0.0.1:8000/", "HTTP://a.example/", "http://[::1]/"] {
                is_refused(remote(plain, json!({ "x-api-key": "hunter2", "authorization": value })));
            }
            assert_eq!(verdict("a", remote("https://127.0.0.1:8000/", json!({ "authorization": value }))), Ok(()));
        }
        let readable = json!({ "authorization": "Bearer a", "x-braces": "{{A}}" });
        assert_eq!(verdict("a", remote("http://127.0.0.1:8000/", readable)), Ok(()));
    }
}
