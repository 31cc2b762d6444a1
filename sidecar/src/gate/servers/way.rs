//! The way to a server: a child of the desk, or HTTP from the desktop's network; with secrets put in on it.

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc};

use protocol::mcp::{McpServerConfig, McpTransport};
use rmcp::{
    RoleClient, ServiceExt,
    service::{ClientInitializeError, RunningService},
    transport::streamable_http_client::{StreamableHttpClientTransport, StreamableHttpClientTransportConfig},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{End, MAX_MESSAGE, World, answers::Answers, child::Child, client::Client, logs::Logs, remote::Remote};
use crate::{
    gate::agent::{masks::Masks, secrets},
    link::child::Variables,
};

pub(super) type Service = RunningService<RoleClient, Client>;
pub(super) type Serving = Pin<Box<dyn Future<Output = Result<Service, ClientInitializeError>> + Send>>;
pub(super) type Ending = Pin<Box<dyn Future<Output = End> + Send>>;

/// What begins to speak MCP, and what tells of the end. Nothing moves on it unless `ending` is polled.
pub(super) struct Way {
    pub(super) serving: Serving,
    pub(super) ending: Ending,
    /// Asks for the end.
    pub(super) stop: CancellationToken,
    /// Does it end by itself?
    pub(super) is_child: bool,
}

/// Opens it; the error is for a person.
pub(super) async fn open(
    world: &World,
    (masks, logs): (&Arc<Masks>, &Logs),
    config: McpServerConfig,
    changed: Arc<Notify>,
) -> Result<Way, String> {
    let client = Client { changed, logs: logs.clone() };
    let stop = CancellationToken::new();
    let ends = stop.clone();
    match config.transport {
        McpTransport::Stdio { command, args, env } => {
            let env = filled(world, masks, env).await?;
            let env = Variables(env.into_iter().map(|(name, value)| (name, value.to_string())).collect());
            let link = world.desk.child(command, args, env).await.map_err(|error| error.to_string())?;
            let (child, messages) = Child::new(link, logs.clone());
            Ok(Way {
                serving: Box::pin(client.serve(messages)),
                ending: Box::pin(child.run(ends)),
                stop,
                is_child: true,
            })
        }
        McpTransport::Http { url, headers } => {
            // control refuses this as well, but what it stored before stands.
            if is_readable(&url) && headers.values().any(|value| secrets::has_placeholder(value)) {
                return Err(
                    "its address begins with http://, where everything on the desktop could read its secret".to_owned()
                );
            }
            let headers = filled(world, masks, headers).await?;
            let remote = Remote::new(world.desk.clone(), masks.clone(), &url, &headers)?;
            let mut config = StreamableHttpClientTransportConfig::with_uri(url);
            config.max_sse_event_size = MAX_MESSAGE;
            let transport = StreamableHttpClientTransport::with_client(remote.clone(), config);
            // A program that does not read is ended by the desk.
            let untaken = CancellationToken::new();
            let transport = Answers::new(transport, untaken.clone());
            let ending = async move {
                let end = tokio::select! {
                    () = remote.too_long() => End::TooLong,
                    () = untaken.cancelled() => End::Untaken,
                    () = ends.cancelled() => End::Left,
                };
                remote.close().await;
                end
            };
            Ok(Way { serving: Box::pin(client.serve(transport)), ending: Box::pin(ending), stop, is_child: false })
        }
    }
}

/// Can what is sent there be read on the desktop?
fn is_readable(url: &str) -> bool {
    !url.trim_start().to_ascii_lowercase().starts_with("https:")
}

/// With the secrets put in. From now on the server shows nothing of this.
async fn filled(
    world: &World,
    masks: &Masks,
    values: BTreeMap<String, String>,
) -> Result<BTreeMap<String, Zeroizing<String>>, String> {
    let mut filled = BTreeMap::new();
    for (name, value) in values {
        if !secrets::has_placeholder(&value) {
            masks.remember_setting(&name, &value);
        }
        let value = secrets::fill(&world.journal, &world.masks, &value).await;
        filled.insert(name, value.map_err(|error| error.to_string())?);
    }
    Ok(filled)
}
