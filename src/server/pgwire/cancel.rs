//! Cancel requests. They come on a connection of their own and name another by its key.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::model::id::unique_token;

/// What a client must show to cancel: it got both numbers at start-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CancelKey {
    pub process: i32,
    pub secret: i32,
}

/// The open connections by their keys.
#[derive(Default)]
pub struct CancelKeys {
    last_process: AtomicI32,
    slots: Mutex<HashMap<CancelKey, Arc<CancelSlot>>>,
}

/// Takes the connection out of the keys when it ends.
pub struct Registration {
    pub key: CancelKey,
    pub slot: Arc<CancelSlot>,
    keys: Arc<CancelKeys>,
}

impl CancelKeys {
    pub fn register(self: &Arc<CancelKeys>) -> Registration {
        let process = self.last_process.fetch_add(1, Ordering::Relaxed).wrapping_add(1) & i32::MAX;
        let key = CancelKey { process, secret: random_secret() };
        let slot = Arc::new(CancelSlot::default());
        self.slots.lock().insert(key, slot.clone());
        Registration { key, slot, keys: self.clone() }
    }

    /// Stops what the connection is doing. A wrong key or an idle connection is not told to the caller: that is the protocol.
    pub fn cancel(&self, key: CancelKey) {
        let slot = self.slots.lock().get(&key).cloned();
        if let Some(slot) = slot {
            slot.cancel();
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.keys.slots.lock().remove(&self.key);
    }
}

/// Whether a connection works, and the token that stops the work. A cancel request that comes between two statements is void.
#[derive(Default)]
pub struct CancelSlot(Mutex<Slot>);

#[derive(Default)]
struct Slot {
    working: Option<CancellationToken>,
    /// Tokens are used again until one is cancelled: most never are.
    spare: CancellationToken,
}

impl CancelSlot {
    pub fn begin(&self) -> CancellationToken {
        let mut slot = self.0.lock();
        if slot.spare.is_cancelled() {
            slot.spare = CancellationToken::new();
        }
        let token = slot.spare.clone();
        slot.working = Some(token.clone());
        token
    }

    pub fn end(&self) {
        self.0.lock().working = None;
    }

    fn cancel(&self) {
        if let Some(token) = &self.0.lock().working {
            token.cancel();
        }
    }
}

fn random_secret() -> i32 {
    let token = unique_token();
    u32::from_str_radix(&token[..8], 16).expect("a token is hexadecimal") as i32
}
