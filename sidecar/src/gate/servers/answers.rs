//! Answers to what a server asks of us, while it does not take them.

use std::{future::Future, sync::Arc};

use rmcp::{
    RoleClient,
    model::JsonRpcMessage,
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::Transport,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// At once.
const MAX_UNDER_WAY: usize = 64;

/// A transport on which only so many answers wait.
pub(super) struct Answers<T> {
    inner: T,
    places: Arc<Semaphore>,
    /// There were more.
    untaken: CancellationToken,
}

impl<T> Answers<T> {
    pub(super) fn new(inner: T, untaken: CancellationToken) -> Self {
        Self { inner, places: Arc::new(Semaphore::new(MAX_UNDER_WAY)), untaken }
    }
}

impl<T: Transport<RoleClient>> Transport<RoleClient> for Answers<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let is_answer = matches!(message, JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_));
        let place = is_answer.then(|| self.places.clone().try_acquire_owned());
        let is_too_much = matches!(place, Some(Err(_)));
        if is_too_much {
            self.untaken.cancel();
        }
        let sending = (!is_too_much).then(|| self.inner.send(message));
        async move {
            let _place = place;
            match sending {
                Some(sending) => sending.await,
                None => Ok(()),
            }
        }
    }

    fn receive(&mut self) -> impl Future<Output = Option<RxJsonRpcMessage<RoleClient>>> + Send {
        self.inner.receive()
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.inner.close()
    }
}
