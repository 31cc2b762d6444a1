//! MCP: any client that speaks it drives this desktop, on the agent's side.
//!
//! rmcp answers each request for itself; what outlives a request is kept in [`seats`]. The server never speaks first, so
//! there is no stream without a request, and a request whose connection is closed is cancelled.

pub mod seats;
pub mod server;

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::Request,
    response::Response,
};
use http_body_util::Full;
use rmcp::transport::{
    StreamableHttpServerConfig, StreamableHttpService, streamable_http_server::session::never::NeverSessionManager,
};
use tokio_util::sync::CancellationToken;

use self::{
    seats::{Bounds, Seats},
    server::Server,
};
use super::{agent::catalogue, desk::Desk, lease::Lease};
use crate::link::Call;

/// So that nothing on the way takes a long command for a dead connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const SWEEP: Duration = Duration::from_secs(15);
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

type Service = StreamableHttpService<Server, NeverSessionManager>;

pub struct Mcp {
    pub seats: Arc<Seats>,
    /// Answers with a stream that shows life until the result is there.
    patient: Service,
    /// Answers with the result alone: clients take a picture so, and not as an event, which has a bound of 1 MiB.
    plain: Service,
    desk: Desk,
}

impl Mcp {
    pub fn new(desk: Desk, lease: Lease, bounds: Bounds, stop: CancellationToken) -> Arc<Self> {
        let seats = Arc::new(Seats::new(bounds));
        let server = Server { desk: desk.clone(), lease, seats: seats.clone() };
        // The edge has checked host and origin, and calls this gate by the VM's name.
        let config = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .with_legacy_session_mode(false)
            .with_sse_keep_alive(Some(KEEP_ALIVE))
            .with_sse_retry(None)
            .with_cancellation_token(stop);
        let service = |config| {
            let server = server.clone();
            StreamableHttpService::new(move || Ok(server.clone()), Arc::default(), config)
        };
        let (patient, plain) = (service(config.clone()), service(config.with_json_response(true)));
        Arc::new(Self { seats, patient, plain, desk })
    }

    /// Answers a message; its sender stands in the request's extensions.
    pub async fn answer(&self, request: Request<Full<Bytes>>, tool: Option<&str>) -> Response {
        let service = if tool.is_some_and(catalogue::shows_a_picture) { &self.plain } else { &self.patient };
        service.handle(request).await.map(Body::new)
    }

    /// Ends what nobody uses, and what ended sessions left running.
    pub async fn tidy(self: Arc<Self>, stop: CancellationToken) {
        let tidying = async {
            loop {
                let _ = tokio::time::timeout(SWEEP, self.seats.shell_left()).await;
                self.seats.sweep();
                for shell in self.seats.left_shells() {
                    let call = Call::BashRestart { session: Some(shell.clone()) };
                    if let Err(error) = self.desk.call(&call, ANSWERS_WITHIN).await {
                        tracing::warn!(%error, "end the shell of an MCP session");
                    }
                    self.seats.shell_is_free(shell);
                }
            }
        };
        tokio::select! { () = stop.cancelled() => {}, () = tidying => {} }
    }
}
