//! Who may enter through which listener, and to whom they are sent.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Method, header};
use pingora::{http::ResponseHeader, proxy::Session, upstreams::peer::HttpPeer};
use protocol::{
    DesktopId, VmId,
    edge::{Credential, Resolved},
    error::{Code, Problem},
    key::ProviderName,
    model::ModelApi,
};
use url::Url;

use crate::{
    certs::Certs,
    config::Config,
    files::WebApp,
    forward::{self, Target, ToDesktop},
    headers::Origin,
    limits,
    listener::{Connection, Granted},
    llm::{self, Provider},
    proxy::{Ctx, nothing_here},
    revoke::Watch,
    route,
    verify::{self, Browsers},
};

/// One listener's rules.
pub(crate) enum Door {
    Public(Box<PublicDoor>),
    Vm(Box<VmDoor>),
}

pub(crate) struct PublicDoor {
    certs: Certs,
    browsers: Browsers,
    watch: Watch,
    web: WebApp,
}

pub(crate) struct VmDoor {
    certs: Certs,
    provider: Provider,
}

/// What is to be done with a request that may enter.
pub(crate) enum Entered {
    /// To [`Ctx::target`].
    Forward,
    Answer(Box<ResponseHeader>, Bytes),
}

impl Door {
    /// For browsers and programs. Without a configured public address it is the one that is listened on.
    pub(crate) fn public(config: &Config, listening: SocketAddr, watch: Watch) -> anyhow::Result<Self> {
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let here = Url::parse(&format!("{scheme}://localhost:{}", listening.port()))?;
        Ok(Self::Public(Box::new(PublicDoor {
            certs: watch.certs.clone(),
            browsers: Browsers::at(config.public_url.as_ref().unwrap_or(&here)),
            watch,
            web: WebApp::new(config.web.clone()),
        })))
    }

    /// For the VMs' sidecars.
    pub(crate) fn vm(certs: Certs) -> Self {
        Self::Vm(Box::new(VmDoor { certs, provider: Provider::new() }))
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Door::Public(_) => "public",
            Door::Vm(_) => "vm",
        }
    }

    pub(crate) fn browsers(&self) -> Option<&Browsers> {
        match self {
            Door::Public(door) => Some(&door.browsers),
            Door::Vm(_) => None,
        }
    }

    pub(crate) async fn enter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<Entered, Problem> {
        match self {
            Door::Public(door) => door.enter(session, ctx).await,
            Door::Vm(door) => door.enter(session, ctx).await,
        }
    }

    pub(crate) async fn peer(&self, target: &Target, upgrade: bool) -> anyhow::Result<HttpPeer> {
        match (self, target) {
            (Door::Vm(door), Target::Model(model)) => door.provider.peer(model).await,
            (_, Target::Desktop(to)) => forward::desktop_peer(&self.certs().now(), to, upgrade).await,
            _ => forward::control_peer(&self.certs().now()).await,
        }
    }

    fn certs(&self) -> &Certs {
        match self {
            Door::Public(door) => &door.certs,
            Door::Vm(door) => &door.certs,
        }
    }

    /// Drops what is remembered of a desktop that could not be reached. Was it from an earlier request?
    pub(crate) fn forget(&self, target: &Target) -> bool {
        match (self, target) {
            (Door::Public(door), Target::Desktop(to)) => {
                door.watch.resolver.forget(&to.desktop, &to.credential);
                to.kept
            }
            _ => false,
        }
    }

    /// Something that lasts begins: from now on it can be cut by whoever takes back what let it in.
    pub(crate) fn opened(&self, target: &Target, connection: &Connection) {
        let (Door::Public(door), Target::Desktop(to)) = (self, target) else { return };
        let grant = to.answer.grant(&to.desktop);
        connection.grant(Granted { grant: grant.clone(), ends_at: to.answer.ends_at });
        if door.watch.resolver.epoch() != to.epoch {
            door.watch.make_sure(grant);
        }
    }

    /// Asks anew where a desktop is.
    pub(crate) async fn look_again(&self, target: &mut Target) -> Result<(), Problem> {
        if let (Door::Public(door), Target::Desktop(to)) = (self, target) {
            to.epoch = door.watch.resolver.epoch();
            (to.answer, to.kept) = door.resolve(&to.desktop, &to.credential).await?;
        }
        Ok(())
    }
}

impl PublicDoor {
    async fn enter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<Entered, Problem> {
        let path = session.req_header().uri.path();
        match route::public(path) {
            route::Public::Desktop { desktop, segment } => {
                // Before anything else, and above all before a look at `Upgrade`: pingora passes any upgrade on.
                let request = session.req_header();
                let credential = self.browsers.credential(&request.method, &request.headers)?;
                verify::refuse_embedding(&request.headers)?;
                let epoch = self.watch.resolver.epoch();
                let (answer, kept) = self.resolve(&desktop, &credential).await?;
                ctx.body_limit = if matches!(segment, "files" | "clipboard") { limits::FILE } else { limits::BODY };
                ctx.origin = Origin::Desktop;
                ctx.target = Target::Desktop(Box::new(ToDesktop { desktop, credential, answer, kept, epoch }));
                Ok(Entered::Forward)
            }
            route::Public::Api => {
                let docs = path == "/api/v1/docs" || path.starts_with("/api/v1/docs/");
                ctx.origin = if docs { Origin::Docs } else { Origin::Api };
                ctx.target = Target::Control { vm: None };
                Ok(Entered::Forward)
            }
            route::Public::Alive => json("ok"),
            route::Public::Ready => {
                if self.certs.now().control.is_reachable().await {
                    json("ready")
                } else {
                    Err(Problem::new(Code::Unavailable, "CloudBot's control service does not answer."))
                }
            }
            route::Public::App => self.file(session, ctx).await,
            route::Public::Nothing => Err(nothing_here()),
        }
    }

    /// Where the desktop is, and whether that is known from an earlier request.
    async fn resolve(&self, desktop: &DesktopId, credential: &Credential) -> Result<(Arc<Resolved>, bool), Problem> {
        let certs = self.certs.now();
        let mut kept = true;
        let ask = async {
            kept = false;
            certs.control.resolve(desktop, credential.clone()).await
        };
        if let Credential::Ticket(_) = credential {
            // Good once, so its answer is too.
            return Ok((Arc::new(ask.await?), false));
        }
        let answer = self.watch.resolver.resolve(desktop, credential, ask).await?;
        Ok((answer, kept))
    }

    async fn file(&self, session: &Session, ctx: &mut Ctx) -> Result<Entered, Problem> {
        let request = session.req_header();
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return Err(Problem::new(Code::MethodNotAllowed, "The web app's addresses take GET and HEAD."));
        }
        let known = request.headers.get(header::IF_NONE_MATCH).and_then(|etag| etag.to_str().ok());
        let answer = self.web.answer(request.uri.path(), known).await.ok_or_else(nothing_here)?;
        ctx.origin = Origin::App;
        let response = || -> pingora::Result<ResponseHeader> {
            let mut response = ResponseHeader::build(answer.status, Some(12))?;
            response.insert_header(header::CONTENT_TYPE, answer.content_type)?;
            response.insert_header(header::CACHE_CONTROL, answer.cache_control)?;
            if let Some(etag) = &answer.etag {
                response.insert_header(header::ETAG, etag)?;
            }
            if answer.status != http::StatusCode::NOT_MODIFIED {
                response.insert_header(header::CONTENT_LENGTH, answer.body.len())?;
            }
            Ok(response)
        };
        Ok(Entered::Answer(Box::new(response().map_err(|_| internal())?), answer.body.clone()))
    }
}

impl VmDoor {
    async fn enter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<Entered, Problem> {
        let request = session.req_header();
        let route = route::vm(request.uri.path());
        if route == route::Vm::Enrol {
            ctx.target = Target::Control { vm: None };
            return Ok(Entered::Forward);
        }
        let vm = ctx.connection.as_ref().and_then(|connection| connection.vm.clone()).ok_or_else(no_certificate)?;
        match route {
            route::Vm::Model { .. } if request.method != Method::POST => {
                Err(Problem::new(Code::MethodNotAllowed, "This address takes POST."))
            }
            route::Vm::Model { provider, api } => {
                ctx.body_limit = limits::MODEL;
                ctx.target = Target::Model(Box::new(self.model(&vm, &provider, api).await?));
                Ok(Entered::Forward)
            }
            route::Vm::Control => {
                ctx.body_limit = limits::RECORD;
                ctx.target = Target::Control { vm: Some(vm) };
                Ok(Entered::Forward)
            }
            route::Vm::Enrol | route::Vm::Nothing => Err(nothing_here()),
        }
    }

    async fn model(&self, vm: &VmId, provider: &ProviderName, api: ModelApi) -> Result<llm::Model, Problem> {
        let key = self.certs.now().control.model_key(vm, provider).await?;
        if key.api != api {
            return Err(nothing_here());
        }
        llm::Model::new(key).ok_or_else(internal)
    }
}

fn json(status: &str) -> Result<Entered, Problem> {
    let body = Bytes::from(format!("{{\"status\":\"{status}\"}}\n"));
    let response = || -> pingora::Result<ResponseHeader> {
        let mut response = ResponseHeader::build(200, Some(8))?;
        response.insert_header(header::CONTENT_TYPE, "application/json")?;
        response.insert_header(header::CONTENT_LENGTH, body.len())?;
        Ok(response)
    };
    Ok(Entered::Answer(Box::new(response().map_err(|_| internal())?), body.clone()))
}

fn no_certificate() -> Problem {
    Problem::new(
        Code::NotSignedIn,
        "Show a certificate of a CloudBot VM: enrol first, and connect with what enrolment gave.",
    )
}

fn internal() -> Problem {
    Problem::new(Code::Internal, "Try again; if it happens again, tell the operator the request id.")
}
