//! Where a path leads: pure, and the only place that knows.

use protocol::{
    DesktopId,
    key::ProviderName,
    model::ModelApi,
    paths::{API, LLM, MCP_SERVER_SEGMENTS, MCP_SERVERS, SIDECAR_SEGMENTS, VM},
};

/// On the public listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Public {
    /// A desktop's sidecar answers.
    Desktop {
        desktop: DesktopId,
        /// One of [`SIDECAR_SEGMENTS`], or [`MCP_SERVERS`].
        segment: &'static str,
    },
    /// control answers.
    Api,
    Alive,
    Ready,
    /// The web app: a file, or its one page.
    App,
    Nothing,
}

/// On the VM listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Vm {
    /// The only one that needs no certificate.
    Enrol,
    /// control answers.
    Control,
    /// A model provider answers, if it speaks that language.
    Model {
        provider: ProviderName,
        api: ModelApi,
    },
    Nothing,
}

/// First segments that never reach the web app's page: a mistyped API address gets a problem, not HTML, and what
/// is internal is not there at all.
const NOT_THE_APP: &[&str] = &["api", "internal", "vm", "llm", "metrics"];

/// `path` has passed [`hygiene::check_path`](crate::hygiene::check_path), and carries no query.
pub(crate) fn public(path: &str) -> Public {
    if let Some(rest) = below(path, API) {
        return api(rest);
    }
    match path {
        "/healthz" => Public::Alive,
        "/readyz" => Public::Ready,
        _ => {
            let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
            // An escaped letter must not make another name of a reserved one.
            let first = crate::hygiene::decode(first.as_bytes()).unwrap_or_default().to_ascii_lowercase();
            if NOT_THE_APP.iter().any(|name| name.as_bytes() == first) { Public::Nothing } else { Public::App }
        }
    }
}

fn api(rest: &str) -> Public {
    let Some(below_desktops) = below(rest, "/desktops") else { return Public::Api };
    let mut segments = below_desktops.trim_start_matches('/').split('/');
    let Some(id) = segments.next() else { return Public::Api };
    let Some(segment) = sidecars(segments) else { return Public::Api };
    match id.parse() {
        Ok(desktop) => Public::Desktop { desktop, segment },
        Err(_) => Public::Nothing,
    }
}

/// What a sidecar answers of what stands behind a desktop's id; the rest is control's.
fn sidecars<'a>(mut segments: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    let first = segments.next()?;
    if first != MCP_SERVERS {
        return SIDECAR_SEGMENTS.iter().copied().find(|known| *known == first);
    }
    let (_name, wanted) = (segments.next()?, segments.next()?);
    (MCP_SERVER_SEGMENTS.contains(&wanted) && segments.next().is_none()).then_some(MCP_SERVERS)
}

/// As [`public`], for the VM listener.
pub(crate) fn vm(path: &str) -> Vm {
    if let Some(rest) = below(path, LLM) {
        return model(rest).unwrap_or(Vm::Nothing);
    }
    match below(path, VM) {
        Some("/enrol") => Vm::Enrol,
        Some(_) => Vm::Control,
        None => Vm::Nothing,
    }
}

fn model(rest: &str) -> Option<Vm> {
    let (provider, path) = rest.strip_prefix('/')?.split_at_checked(rest[1..].find('/')?)?;
    let api = ModelApi::ALL.iter().find(|api| api.path() == path)?;
    Some(Vm::Model { provider: provider.parse().ok()?, api: *api })
}

/// What follows `prefix` in `path`, from its slash on; `None` unless the path lies strictly below it.
fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix).filter(|rest| rest.starts_with('/'))
}

/// The path as it may stand in a log: no id, no name that somebody chose.
pub(crate) fn template(path: &str) -> String {
    const KEPT: usize = 8;
    let mut template = String::new();
    for segment in path.split('/').skip(1).take(KEPT) {
        template.push('/');
        let after_files = template.contains("/files/");
        template.push_str(match segment {
            _ if after_files => "{path}",
            _ if template.ends_with("/mcp-servers/") => "{name}",
            "v1" => "v1",
            word if word.len() <= 20 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') => word,
            _ => "{id}",
        });
        if after_files {
            break;
        }
    }
    if template.is_empty() { "/".into() } else { template }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::paths::llm_path;

    use super::*;

    #[test]
    fn a_sidecars_part_of_a_desktop_goes_to_the_sidecar() {
        let desktop = DesktopId::generate();

        for segment in SIDECAR_SEGMENTS {
            let expected = Public::Desktop { desktop: desktop.clone(), segment };
            assert_eq!(public(&format!("/api/v1/desktops/{desktop}/{segment}")), expected);
            assert_eq!(public(&format!("/api/v1/desktops/{desktop}/{segment}/a/b%20c")), expected);
        }
    }

    #[test]
    fn an_mcp_server_is_kept_by_control_and_run_by_the_sidecar() {
        let desktop = DesktopId::generate();
        let server = format!("/api/v1/desktops/{desktop}/mcp-servers/github");
        let sidecar = Public::Desktop { desktop, segment: MCP_SERVERS };

        assert_eq!(public(&server), Public::Api);
        for wanted in ["status", "start", "stop", "restart", "tools", "try", "logs"] {
            assert_eq!(public(&format!("{server}/{wanted}")), sidecar, "{wanted}");
        }
    }

    #[test]
    fn everything_else_of_the_api_goes_to_control() {
        let desktop = DesktopId::generate();

        for path in [
            "/api/v1/me".to_owned(),
            "/api/v1/desktops".to_owned(),
            format!("/api/v1/desktops/{desktop}"),
            format!("/api/v1/desktops/{desktop}/start"),
            format!("/api/v1/desktops/{desktop}/shares"),
            "/api/v1/desktops/events".to_owned(),
            format!("/api/v1/desktops/{desktop}/mcp-servers"),
            format!("/api/v1/desktops/{desktop}/mcp-servers/github"),
            format!("/api/v1/desktops/{desktop}/mcp-servers/start"),
            format!("/api/v1/desktops/{desktop}/mcp-servers/github/starts"),
            format!("/api/v1/desktops/{desktop}/mcp-servers/github/start/now"),
            format!("/api/v1/desktops/{desktop}/mcp-server/github/start"),
            "/api/v1/desktops/mcp-servers/github/start".to_owned(),
            format!("/api/v1/desktops/{desktop}/vncx"),
        ] {
            assert_eq!(public(&path), Public::Api, "{path}");
        }
    }

    #[test]
    fn what_is_internal_is_not_on_the_public_listener() {
        for path in
            ["/internal/v1/resolve", "/vm/v1/enrol", "/llm/anthropic/v1/messages", "/metrics", "/api", "/api/v2/me"]
        {
            assert_eq!(public(path), Public::Nothing, "{path}");
        }
        for path in ["/INTERNAL/v1/resolve", "/%69nternal/v1/resolve", "/vm", "/api/v1"] {
            assert_eq!(public(path), Public::Nothing, "{path}");
        }
    }

    #[test]
    fn a_sidecars_part_of_what_is_no_desktop_is_nothing() {
        assert_eq!(public("/api/v1/desktops/dsk-1/vnc"), Public::Nothing);
        assert_eq!(public("/api/v1/desktops/dsk-1/mcp-servers/github/start"), Public::Nothing);
    }

    #[test]
    fn the_vm_listener_has_three_things_and_no_more() {
        assert_eq!(vm("/vm/v1/enrol"), Vm::Enrol);
        assert_eq!(vm("/vm/v1/work"), Vm::Control);
        assert_eq!(vm("/vm/v1/enrol/x"), Vm::Control);
        for (provider, path, api) in [
            ("anthropic", "/v1/messages", ModelApi::AnthropicMessages),
            ("openai", "/v1/responses", ModelApi::OpenaiResponses),
            ("house-2", "/v1/chat/completions", ModelApi::OpenaiChat),
        ] {
            let provider: ProviderName = provider.parse().unwrap();
            assert_eq!(llm_path(&provider, api), format!("/llm/{provider}{path}"));
            assert_eq!(vm(&llm_path(&provider, api)), Vm::Model { provider, api });
        }
        for path in [
            "/llm/anthropic/v1/messages/",
            "/llm/anthropic/v1/complete",
            "/api/v1/me",
            "/internal/v1/resolve",
            "/vm/v1",
        ] {
            assert_eq!(vm(path), Vm::Nothing, "{path}");
        }
    }

    #[test]
    fn a_template_names_no_id_no_file_and_no_server() {
        let desktop = DesktopId::generate();

        assert_eq!(template(&format!("/api/v1/desktops/{desktop}/vnc")), "/api/v1/desktops/{id}/vnc");
        assert_eq!(
            template(&format!("/api/v1/desktops/{desktop}/files/diary/monday")),
            "/api/v1/desktops/{id}/files/{path}"
        );
        assert_eq!(
            template(&format!("/api/v1/desktops/{desktop}/mcp-servers/github/start")),
            "/api/v1/desktops/{id}/mcp-servers/{name}/start"
        );
        assert_eq!(
            template(&format!("/api/v1/desktops/{desktop}/mcp-servers/mcp-servers")),
            "/api/v1/desktops/{id}/mcp-servers/{name}"
        );
        assert_eq!(template("/"), "/");
    }

    proptest! {
        #[test]
        fn nothing_but_a_desktops_id_reaches_a_sidecar(path in "/(api/v1/)?(desktops/)?[a-z0-9/%.-]{0,60}") {
            if let Public::Desktop { desktop, segment } = public(&path) {
                let prefix = format!("/api/v1/desktops/{desktop}/{segment}");
                prop_assert!(path == prefix || path.starts_with(&(prefix + "/")));
            }
        }

        #[test]
        fn nothing_internal_is_forwarded_to_control(path in "/[a-z0-9/%.-]{0,40}") {
            if public(&path) == Public::Api {
                prop_assert!(path.starts_with("/api/v1/"));
            }
            if vm(&path) == Vm::Control {
                prop_assert!(path.starts_with("/vm/v1/"));
            }
        }
    }
}
