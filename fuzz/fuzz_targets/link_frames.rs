//! What one half of the sidecar says to the other: the desk runs where the agent's shell runs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::{Serialize, de::DeserializeOwned};
use sidecar::link::{Answer, Call, frame};

fuzz_target!(|wire: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        agrees::<Call>(wire).await;
        agrees::<Answer>(wire).await;
        let mut from = wire;
        if let Ok(bytes) = frame::read_bytes(&mut from).await {
            assert_eq!(wire.len(), 4 + bytes.len() + from.len());
        }
    });
});

/// What could be read, is read again as the same when it is written.
async fn agrees<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(mut wire: &[u8]) {
    let Ok(read) = frame::read_json::<_, T>(&mut wire).await else { return };
    let mut out = Vec::new();
    frame::write_json(&mut out, &read).await.expect("it is written");
    assert_eq!(frame::read_json::<_, T>(&mut out.as_slice()).await.expect("it reads back"), read);
}
