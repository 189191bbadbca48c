//! The connections to the catalog store, and how long its answers are waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use sqlx::AnyPool;
use tokio::time::timeout;

use super::address::{ACQUIRE_TIMEOUT, Address};
use crate::error::{Error, Result, SqlState};

/// Longer than the store itself waits for a lock, and the pool for a connection: what they say tells more.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(45);

/// Cheap to clone.
#[derive(Clone)]
pub struct Connections(Arc<Shared>);

struct Shared {
    address: Address,
    pool: RwLock<AnyPool>,
    answer_timeout: Duration,
    /// How often nothing came back.
    silences: AtomicU64,
    /// Nothing came back the last time.
    is_silent: AtomicBool,
}

impl Connections {
    pub fn new(address: Address, answer_timeout: Duration) -> Connections {
        let pool = RwLock::new(address.pool());
        Connections(Arc::new(Shared { address, pool, answer_timeout, silences: AtomicU64::new(0), is_silent: AtomicBool::new(false) }))
    }

    pub fn pool(&self) -> AnyPool {
        self.0.pool.read().clone()
    }

    /// Waits for the store, but not for ever: of a connection that was cut off without a word nothing comes, not even an end.
    ///
    /// Errors: `Unavailable`, also where nothing came in time. Then it is not known what became of the call.
    pub async fn answer<T>(&self, call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T> {
        let silences = self.silences();
        match timeout(self.0.answer_timeout, call).await {
            // The pool tests a connection before it gives it out: where that is the one that was cut off, this is all that is heard of it.
            Ok(Err(sqlx::Error::PoolTimedOut)) => Err(self.fell_silent(silences, ACQUIRE_TIMEOUT)),
            Ok(answer) => {
                self.0.is_silent.store(false, Ordering::SeqCst);
                Ok(answer?)
            }
            Err(_) => Err(self.fell_silent(silences, self.0.answer_timeout)),
        }
    }

    /// After so many silences the call was begun. Of those that were, the first leaves the pool to itself: it tests a connection that comes back
    /// to it, or that it gives out, and would wait as long for that.
    fn fell_silent(&self, silences: u64, limit: Duration) -> Error {
        if self.0.silences.fetch_add(1, Ordering::SeqCst) == silences {
            *self.0.pool.write() = self.0.address.pool();
        }
        self.0.is_silent.store(true, Ordering::SeqCst);
        no_answer(limit)
    }

    /// For `check_heard_since`.
    pub fn silences(&self) -> u64 {
        self.0.silences.load(Ordering::SeqCst)
    }

    /// Errors: since there were so many silences, somebody asked the store and heard nothing, and nobody has heard of it again.
    pub fn check_heard_since(&self, silences: u64) -> Result<()> {
        match self.0.is_silent.load(Ordering::SeqCst) && self.silences() > silences {
            true => Err(no_answer(self.0.answer_timeout)),
            false => Ok(()),
        }
    }
}

/// For a call outside of the pool.
pub async fn answer_within<T>(limit: Duration, call: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(limit, call).await.unwrap_or_else(|_| Err(no_answer(limit)))
}

fn no_answer(limit: Duration) -> Error {
    Error::unavailable("the catalog store does not answer")
        .with_state(SqlState::CONNECTION_FAILURE)
        .with_detail(format!("nothing came back for {} seconds", limit.as_secs()))
        .with_hint("look whether its server and the network are well; what is running is tried again by itself")
}
