//! A text that is on the clipboard for one program alone, and for the moment of a paste.

use std::sync::Arc;

use tokio::sync::watch;

use super::owner::Order;
use crate::desk::mailbox::Sender;

/// What the owning thread knows of a loan.
pub(super) struct Lent {
    pub(super) text: Arc<str>,
    /// Which program: the bits that all its windows share.
    client: u32,
    mask: u32,
    fetches: watch::Sender<u32>,
}

/// Dropping it gives the clipboard back as it was found.
pub struct Loan {
    orders: Sender<Order>,
    fetches: watch::Receiver<u32>,
}

impl Lent {
    /// For the program that `window` belongs to; `mask` has the bits by which its windows differ.
    pub(super) fn new(text: Arc<str>, window: u32, mask: u32) -> (Lent, watch::Receiver<u32>) {
        let (fetches, fetched) = watch::channel(0);
        (Lent { text, client: window & !mask, mask, fetches }, fetched)
    }

    pub(super) fn is_for(&self, window: u32) -> bool {
        window & !self.mask == self.client
    }

    /// The program got the text.
    pub(super) fn fetched(&self) {
        self.fetches.send_modify(|count| *count += 1);
    }
}

impl Loan {
    pub(super) fn new(orders: Sender<Order>, fetches: watch::Receiver<u32>) -> Loan {
        Loan { orders, fetches }
    }

    /// Has the program got the text?
    pub fn is_fetched(&self) -> bool {
        *self.fetches.borrow() > 0
    }

    /// Waits until the program gets the text, once more; for ever where somebody else has copied something since.
    pub async fn fetched(&mut self) {
        if self.fetches.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.orders.send(Order::EndLoan);
    }
}
