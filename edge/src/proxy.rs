//! pingora's phases, in the order in which a request goes through them. What is decided in them stands elsewhere.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{StatusCode, header};
use pingora::{
    Error, ErrorType,
    http::{RequestHeader, ResponseHeader},
    modules::http::HttpModules,
    proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session},
    upstreams::peer::HttpPeer,
};
use protocol::error::{Code, Problem};

use crate::{
    access_log,
    door::{Door, Entered},
    empty_frame, error_page,
    forward::Target,
    headers::{self, Origin},
    hygiene, limits,
    listener::{Connection, Socket},
};

/// A client that takes nothing for so long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// One of the two doors, as pingora calls it.
pub(crate) struct Proxy {
    door: Door,
    client_read_timeout: Duration,
}

/// What is known of a request so far.
pub(crate) struct Ctx {
    pub(crate) request_id: String,
    pub(crate) started: Instant,
    pub(crate) door: &'static str,
    pub(crate) connection: Option<Arc<Connection>>,
    pub(crate) target: Target,
    /// Whose answer the client gets.
    pub(crate) origin: Origin,
    pub(crate) body_limit: u64,
    body_seen: u64,
    /// Is it, since a 101, a WebSocket?
    pub(crate) upgraded: bool,
    /// Why it was refused on the way, when more is known than pingora's error says.
    pub(crate) refusal: Option<Problem>,
    connected_again: bool,
}

impl Proxy {
    pub(crate) fn new(door: Door, client_read_timeout: Duration) -> Self {
        Self { door, client_read_timeout }
    }
}

impl Ctx {
    /// The name of the target in logs and metrics.
    pub(crate) fn to(&self) -> &'static str {
        self.target.name()
    }

    pub(crate) fn user(&self) -> Option<&str> {
        self.target.user()
    }

    pub(crate) fn is_file(&self) -> bool {
        self.origin == Origin::App
    }

    pub(crate) fn upstream_failed(&self, timeout: bool) -> Problem {
        self.target.failed(timeout)
    }
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx {
            request_id: format!("{:032x}", rand::random::<u128>()),
            started: Instant::now(),
            door: self.door.name(),
            connection: None,
            target: Target::Nobody,
            origin: if self.door.browsers().is_some() { Origin::Api } else { Origin::Program },
            body_limit: limits::BODY,
            body_seen: 0,
            upgraded: false,
            refusal: None,
            connected_again: false,
        }
    }

    /// No compression on the fly: it would hold back event streams.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> pingora::Result<bool> {
        ctx.connection = connection_of(session);
        if let Some(connection) = &ctx.connection {
            connection.head_came();
        }
        session.set_read_timeout(Some(self.client_read_timeout));
        session.set_write_timeout(Some(WRITE_TIMEOUT));
        let clean = limits::check_headers(session.req_header()).and_then(|()| hygiene::check(session.req_header()));
        let entered = match clean {
            Ok(()) => self.door.enter(session, ctx).await,
            Err(problem) => Err(problem),
        };
        let entered = entered.and_then(|entered| {
            limits::check_body(session.req_header(), ctx.body_limit)?;
            Ok(entered)
        });
        match entered {
            Ok(Entered::Forward) => {
                if session.is_upgrade_req() {
                    // After the 101 the same time-out would go on, and cut a desktop that nobody touches for a minute.
                    session.set_read_timeout(None);
                }
                Ok(false)
            }
            Ok(Entered::Answer(mut response, body)) => {
                headers::secure(&mut response, ctx.origin, self.door.browsers(), &ctx.request_id)?;
                let empty = body.is_empty() || session.req_header().method == http::Method::HEAD;
                session.write_response_header(response, empty).await?;
                if !empty {
                    session.write_response_body(Some(body), true).await?;
                }
                Ok(true)
            }
            Err(problem) => {
                error_page::send(session, problem, &ctx.request_id, self.door.browsers()).await?;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Ctx) -> pingora::Result<Box<HttpPeer>> {
        let upgrade = session.is_upgrade_req();
        let found = match ctx.connected_again {
            true => self.door.look_again(&mut ctx.target).await,
            false => Ok(()),
        };
        match found {
            Ok(()) => {}
            Err(problem) => {
                ctx.refusal = Some(problem);
                return Err(Error::new_up(ErrorType::ConnectError));
            }
        }
        self.door.peer(&ctx.target, upgrade).await.map(Box::new).map_err(|error| {
            tracing::warn!(request_id = %ctx.request_id, error = format!("{error:#}"), "find the upstream");
            Error::new_up(ErrorType::ConnectError)
        })
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut Ctx,
        mut error: Box<Error>,
    ) -> Box<Error> {
        // The desktop may have a new VM since control was asked: once, ask again.
        let kept = self.door.forget(&ctx.target);
        let again = kept && !ctx.connected_again;
        ctx.connected_again |= again;
        error.set_retry(again);
        error
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> pingora::Result<()> {
        let client = session.client_addr().and_then(|address| address.as_inet()).map(SocketAddr::ip);
        ctx.target.rewrite(request, client, &ctx.request_id)
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Ctx,
    ) -> pingora::Result<()> {
        empty_frame::drop_empty_end(body, end_of_stream);
        if !session.was_upgraded() {
            ctx.body_seen += body.as_ref().map_or(0, |bytes| bytes.len() as u64);
            if ctx.body_seen > ctx.body_limit {
                return Err(Error::new_down(ErrorType::HTTPStatus(413)));
            }
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> pingora::Result<()> {
        ctx.target.answered(response);
        Ok(())
    }

    fn upstream_response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end_of_stream: bool,
        ctx: &mut Ctx,
    ) -> pingora::Result<Option<Duration>> {
        if let (Target::Model(model), Some(bytes)) = (&mut ctx.target, body.as_ref()) {
            model.meter.read(bytes);
        }
        Ok(None)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> pingora::Result<()> {
        headers::secure(response, ctx.origin, self.door.browsers(), &ctx.request_id)?;
        let upgraded = response.status == StatusCode::SWITCHING_PROTOCOLS;
        let streams =
            response.headers.get(header::CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"text/event-stream"));
        if let Some(connection) = ctx.connection.as_ref().filter(|_| upgraded || streams) {
            connection.mark_long_lived();
            self.door.opened(&ctx.target, connection);
        }
        if upgraded && !ctx.upgraded {
            ctx.upgraded = true;
            access_log::opened(session, ctx);
        }
        Ok(())
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Ctx) -> FailToProxy {
        let answered = session.response_written().is_some_and(|r| !r.status.is_informational() || ctx.upgraded);
        let problem = error_page::problem_of(error, ctx).filter(|_| !answered);
        let error_code = problem.as_ref().map_or(0, |problem| problem.status);
        if let Some(problem) = problem {
            // The connection ends after this answer. A client that is not told would send its next request into it.
            session.set_keepalive(None);
            let _ = error_page::send(session, problem, &ctx.request_id, self.door.browsers()).await;
        }
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        if let Some(connection) = &ctx.connection {
            connection.answer_went();
        }
        ctx.target.record();
        access_log::ended(session, error, ctx);
    }

    /// pingora's own summary shows the query string.
    fn request_summary(&self, _session: &Session, ctx: &Ctx) -> String {
        format!("request {}", ctx.request_id)
    }

    /// [`access_log`] says it, once.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Ctx, _error: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(&self, _: &Session, _: &Ctx, _: &Error, _: ProxyWarnLogContext) -> bool {
        true
    }
}

/// The connection behind an HTTP/1 request; an HTTP/2 stream does not show its own.
fn connection_of(session: &Session) -> Option<Arc<Connection>> {
    let stream = session.as_http1()?.stream();
    let socket = (**stream).as_any().downcast_ref::<Socket>()?;
    Some(socket.connection().clone())
}

/// What is said when there is nothing at an address.
pub(crate) fn nothing_here() -> Problem {
    Problem::new(Code::NotFound, "There is nothing at this address. GET /api/v1/docs lists what there is.")
}
