//! Keeping to control's list of servers: what is new starts, what has changed starts again, what is gone ends.

use std::sync::Arc;

use protocol::mcp::{McpServerConfig, McpServers, McpState};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Known, Life, Logs, MAX_SERVERS, Masks, ORDERS, Order, Servers, Standing, Verb};
use crate::gate::{
    edge::EdgeError,
    patience::{Backoff, Told},
};

impl Servers {
    /// control's list may have changed.
    pub fn look(&self) {
        self.0.look.notify_one();
    }

    /// Reads the list now and whenever it may have changed. While control is away what runs goes on.
    pub async fn follow(self, over: CancellationToken, stop: CancellationToken) {
        let following = async {
            let (mut backoff, mut told) = (Backoff::of_edge(), Told::default());
            loop {
                match self.read().await {
                    Ok(()) => {
                        told.succeeded("read the list of MCP servers");
                        backoff = Backoff::of_edge();
                        self.0.look.notified().await;
                    }
                    Err(error) => {
                        told.failed("read the list of MCP servers", &error);
                        tokio::time::sleep(backoff.wait()).await;
                    }
                }
            }
        };
        tokio::select! { () = stop.cancelled() => {}, () = over.cancelled() => self.apply(Vec::new()), () = following => {} }
    }

    pub(super) async fn read(&self) -> Result<(), EdgeError> {
        let _one_at_a_time = self.0.reading.lock().await;
        let listed: McpServers = self.0.world.journal.edge.get("/vm/v1/mcp-servers").await?;
        self.apply(listed.servers);
        Ok(())
    }

    fn apply(&self, mut listed: Vec<McpServerConfig>) {
        if listed.len() > MAX_SERVERS {
            tracing::warn!(servers = listed.len(), "more MCP servers than a desktop may have: the rest is left out");
            listed.truncate(MAX_SERVERS);
        }
        let mut known = self.known();
        known.retain(|name, server| {
            let stays = listed.iter().any(|config| config.name == *name);
            if !stays {
                server.gone.cancel();
            }
            stays
        });
        for config in listed {
            match known.get(&config.name) {
                Some(server) => server.change(config),
                None => drop(known.insert(config.name.clone(), self.begin(config))),
            }
        }
    }

    fn begin(&self, config: McpServerConfig) -> Known {
        let (name, autostart) = (config.name.clone(), config.autostart);
        let (config, configured) = watch::channel(config);
        let (standing, stands) = watch::channel(Standing::of(McpState::Stopped, None));
        let (orders, ordered) = mpsc::channel(ORDERS);
        let masks = Arc::new(Masks::over(self.masks().clone()));
        let (logs, gone) = (Logs::new(masks.clone()), self.0.stop.child_token());
        let life = Life {
            world: self.0.world.clone(),
            name,
            config: configured,
            standing,
            orders: ordered,
            masks: masks.clone(),
            logs: logs.clone(),
            gone: gone.clone(),
        };
        self.0.tasks.spawn(life.live());
        let known = Known { config, orders, standing: stands, masks, logs, gone };
        if autostart {
            known.want(Verb::Start);
        }
        known
    }
}

impl Known {
    fn change(&self, config: McpServerConfig) {
        let changed = self.config.send_if_modified(|known| {
            let changed = *known != config;
            *known = config;
            changed
        });
        if !changed {
            return;
        }
        match self.standing.borrow().state {
            McpState::Starting | McpState::Running => self.want(Verb::Restart),
            // Somebody has mended it.
            McpState::Failed if self.config.borrow().autostart => self.want(Verb::Start),
            McpState::Failed | McpState::Stopped | McpState::Stopping => {}
        }
    }

    fn want(&self, verb: Verb) {
        if self.orders.try_send(Order { verb, done: None }).is_err() {
            tracing::warn!("an MCP server has more orders than it can take");
        }
    }
}
