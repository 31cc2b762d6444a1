//! Connections from the desktop's own network.

use sidecar::link::{Answer, Call, RefusalKind};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::display::{Display, answer, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_carries_bytes_both_ways_and_the_end_of_each() {
    let display = Display::fixed();
    let desk = display.desk().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut stream = desk.begin(&Call::Connect { host: "localhost".into(), port }).await;
    let (mut other, _) = listener.accept().await.unwrap();
    assert_eq!(answer(&mut stream).await, Ok(Answer::Done));

    stream.write_all(b"ask").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut asked = String::new();
    other.read_to_string(&mut asked).await.unwrap();
    other.write_all(b"answer").await.unwrap();
    drop(other);
    let mut answered = String::new();
    stream.read_to_string(&mut answered).await.unwrap();

    assert_eq!((asked.as_str(), answered.as_str()), ("ask", "answer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_listens_it_says_so() {
    let display = Display::fixed();
    let desk = display.desk().await;
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();

    let refused = desk.call(&Call::Connect { host: "127.0.0.1".into(), port }).await.unwrap_err();

    assert_eq!(refused.kind, RefusalKind::Failed);
    assert!(refused.message.contains("refused"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_gate_has_left_holds_no_place_however_silent_the_other_is() {
    let display = Display::fixed();
    let desk = display.desk().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let call = Call::Connect { host: "localhost".into(), port: listener.local_addr().unwrap().port() };
    let mut others = Vec::new();
    for _ in 0..128 {
        let mut stream = desk.begin(&call).await;
        others.push(listener.accept().await.unwrap());
        assert_eq!(answer(&mut stream).await, Ok(Answer::Done));
    }

    eventually("there is a place again", async || desk.call(&call).await.is_ok()).await;
}
