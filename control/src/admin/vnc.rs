//! `control admin vnc`: lets one native viewer in to a desktop, once, by a password that is good for one try.
//!
//! It goes the very way that an edge goes, with a certificate and a capability of control's, and is a pipe: RFB, with
//! the check of the password, is spoken by the desktop's own sidecar.

use std::{io::Write, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Request};
use protocol::{
    capability::{self, Actor, Scope},
    paths,
    vm::server_name,
};
use rand::RngExt;
use rustls_pki_types::ServerName;
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error as WebSocketError, Message, client::IntoClientRequest},
};
use tokio_util::sync::CancellationToken;

use super::Authority;
use crate::{
    config::VncArgs,
    db,
    grants::{self, Place},
    trust::tls,
};

/// For a gate on the same machine or in the same network.
const CONNECT: Duration = Duration::from_secs(10);
/// The certificate is shown once, when the connection is made.
const CERTIFICATE: Duration = Duration::from_secs(5 * 60);
/// Without the characters that people take for one another.
const ALPHABET: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const CHUNK: usize = 64 << 10;

type Screen = WebSocketStream<TlsStream<TcpStream>>;

pub async fn run(
    authority: &Authority,
    args: &VncArgs,
    out: &mut (impl Write + Send),
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    ensure!(args.listen.ip().is_loopback(), "--listen takes an address of this machine alone: VNC is not encrypted");
    // A desktop that is not there is told before anybody waits for it.
    resolve(authority, args).await?;
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("listen on {}", args.listen))?;
    let address = listener.local_addr().context("learn the address")?;
    let password = password();
    let (operator, desktop) = (&authority.operator, &args.desktop);
    tracing::info!(%operator, %desktop, view_only = args.view_only, %address, "an operator opens a desktop to a viewer");
    writeln!(out, "address:  {address}\npassword: {}", password.expose_secret()).context("tell the password")?;
    out.flush().context("tell the password")?;

    let accepted = tokio::select! {
        accepted = timeout(Duration::from_secs(args.within), listener.accept()) => accepted,
        () = cancel.cancelled() => return Ok(()),
    };
    let Ok(accepted) = accepted else {
        tracing::info!(%operator, %desktop, "no viewer came");
        bail!("no viewer came within {} s", args.within);
    };
    let (viewer, peer) = accepted.context("accept the viewer")?;
    // Whoever comes second finds nobody.
    drop(listener);
    tracing::info!(%operator, %desktop, %peer, "a viewer came");
    let _ = viewer.set_nodelay(true);
    let screen = open(authority, args, &password).await?;
    tokio::select! {
        () = pipe(viewer, screen) => {}
        () = cancel.cancelled() => {}
    }
    tracing::info!(%operator, %desktop, "the viewer's connection ended");
    Ok(())
}

/// Where the desktop is now, and a capability for it. The viewer looks on behalf of the desktop's owner.
async fn resolve(authority: &Authority, args: &VncArgs) -> anyhow::Result<(Place, String)> {
    let desktop = db::desktops::by_id(&authority.db, &args.desktop).await.context("look for the desktop")?;
    let desktop = desktop.with_context(|| format!("there is no desktop {}", args.desktop))?;
    let place = grants::place(&authority.db, &desktop).await.context("look for the desktop's machine")?;
    let place = place
        .with_context(|| format!("the desktop is {}: start it, or wait until it is ready", desktop.state.as_str()))?;
    let scopes: &[Scope] = if args.view_only { &[Scope::View] } else { &[Scope::View, Scope::Control] };
    let now = authority.clock.now();
    let (user, generation) = (&desktop.user_id, desktop.generation);
    let (capability, _) = authority.signer.capability(user, &desktop.id, generation, Actor::Person, scopes, now)?;
    Ok((place, capability))
}

/// Opens the desktop's screen as an edge does.
async fn open(authority: &Authority, args: &VncArgs, password: &SecretString) -> anyhow::Result<Screen> {
    let (place, capability) = resolve(authority, args).await?;
    let connected = timeout(CONNECT, async {
        let stream = TcpStream::connect((place.host.as_str(), place.port)).await.context("reach its machine")?;
        let _ = stream.set_nodelay(true);
        let identity = authority.ca.issue_edge_for(CERTIFICATE, authority.clock.now())?;
        let connector = TlsConnector::from(Arc::new(tls::client_config(&authority.ca, &identity)?));
        let name = server_name(&place.vm_id);
        let server = ServerName::try_from(name.clone()).context("name its machine")?;
        let stream = connector.connect(server, stream).await.context("shake hands with its sidecar")?;
        let request = request(&name, args, &capability, password)?;
        let (socket, _) = client_async(request, stream).await.map_err(refused)?;
        anyhow::Ok(socket)
    });
    connected.await.context("its sidecar does not answer").flatten().context("open the desktop's screen")
}

fn request(name: &str, args: &VncArgs, capability: &str, password: &SecretString) -> anyhow::Result<Request<()>> {
    let url = format!("wss://{name}{}/desktops/{}/vnc", paths::API, args.desktop);
    let mut request = url.into_client_request().context("write the request")?;
    let secrets = [(capability::HEADER, capability), (capability::PASSWORD_HEADER, password.expose_secret())];
    for (name, secret) in secrets {
        let mut value = HeaderValue::from_str(secret).context("write the request")?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("binary"));
    Ok(request)
}

/// The sidecar's own words are in its answer's body.
fn refused(error: WebSocketError) -> anyhow::Error {
    match error {
        WebSocketError::Http(answer) => {
            let body = String::from_utf8_lossy(answer.body().as_deref().unwrap_or_default()).into_owned();
            anyhow::anyhow!("the sidecar answered {}: {}", answer.status(), body.chars().take(500).collect::<String>())
        }
        error => error.into(),
    }
}

/// Until one side ends. What one side does not take is not read from the other.
async fn pipe(mut viewer: TcpStream, screen: Screen) {
    let (mut from_viewer, mut to_viewer) = viewer.split();
    let (mut to_screen, mut from_screen) = screen.split();
    let up = async {
        let mut chunk = bytes::BytesMut::with_capacity(CHUNK);
        while let Ok(1..) = from_viewer.read_buf(&mut chunk).await {
            if to_screen.send(Message::Binary(chunk.split().freeze())).await.is_err() {
                return;
            }
            chunk.reserve(CHUNK);
        }
        let _ = timeout(Duration::from_secs(2), to_screen.close()).await;
    };
    let down = async {
        while let Some(Ok(message)) = from_screen.next().await {
            match message {
                Message::Binary(bytes) if to_viewer.write_all(&bytes).await.is_err() => return,
                Message::Close(_) => return,
                _ => {}
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
    let _ = viewer.shutdown().await;
}

fn password() -> SecretString {
    let mut random = rand::rng();
    let text: String = (0..8).map(|_| char::from(ALPHABET[random.random_range(..ALPHABET.len())])).collect();
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_differ_and_have_the_eight_characters_that_vnc_looks_at() {
        let (one, other) = (password(), password());

        assert_eq!(one.expose_secret().len(), 8);
        assert_ne!(one.expose_secret(), other.expose_secret());
    }

    #[test]
    fn neither_password_nor_capability_shows_in_debug_output() {
        let args = VncArgs {
            desktop: protocol::DesktopId::generate(),
            listen: "127.0.0.1:0".parse().unwrap(),
            view_only: false,
            within: 60,
        };

        let request = request("vm.example", &args, "capability", &"S3cr3t!!".into()).unwrap();

        let shown = format!("{request:?}");
        assert!(!shown.contains("S3cr3t!!") && !shown.contains("\"capability\""), "{shown}");
    }
}
