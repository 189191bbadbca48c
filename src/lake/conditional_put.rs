//! Making an object that nobody may overwrite, through answers that are in doubt.
//!
//! The client repeats a PUT after a server error and may meet its own first try; S3 says 409 while another PUT is still under way; a connection
//! breaks after the object was made. So whatever is not "written" is followed by looking at what stands there.

use std::time::Duration;

use crate::error::Result;

/// Refusals in a row without anything being there. Between two we wait, a little longer each time.
const REFUSALS_MAX: u32 = 8;
const REFUSAL_WAIT_MS: u64 = 25;

/// What came of it.
pub enum Outcome<T> {
    Written,
    /// The object as it stands there: ours or another's.
    Stands(T),
    /// The store says again and again that something is there, and nothing is.
    Refused(object_store::Error),
    /// Nothing was there when we looked. It may still come, if the store is slow.
    Failed(object_store::Error),
}

/// `put` is the conditional PUT, `read` looks at the object. Errors of `read` mean that nothing is known.
pub async fn put_for_sure<T, P, R>(put: impl Fn() -> P, read: impl Fn() -> R) -> Result<Outcome<T>>
where
    P: Future<Output = object_store::Result<()>>,
    R: Future<Output = Result<Option<T>>>,
{
    let mut refusals = 0;
    loop {
        let doubt = match put().await {
            Ok(()) => return Ok(Outcome::Written),
            Err(doubt) => doubt,
        };
        if let Some(standing) = read().await? {
            return Ok(Outcome::Stands(standing));
        }
        refusals += 1;
        match doubt {
            object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. } if refusals < REFUSALS_MAX => {}
            refusal @ (object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                return Ok(Outcome::Refused(refusal));
            }
            failure => return Ok(Outcome::Failed(failure)),
        }
        tracing::debug!(refusals, "a conditional PUT was refused although nothing stands there");
        tokio::time::sleep(Duration::from_millis(REFUSAL_WAIT_MS << refusals)).await;
    }
}
