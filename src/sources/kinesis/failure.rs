//! What it means that the service, or the way to it, failed.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};

use crate::error::{Error, SqlState};

/// A call that failed.
#[derive(Debug)]
pub struct Failure {
    pub meaning: Meaning,
    cause: Box<dyn StdError + Send + Sync>,
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Throttled, overloaded, unreachable, too slow: ask again later.
    Passing,
    /// The iterator or the paging token is too old: get a new one.
    Expired,
    /// The stream or the shard is not there.
    Missing,
    /// An argument is not accepted: a position that is too old, a time that has not come yet.
    Argument,
    /// Not with these credentials.
    Refused,
    /// There are no credentials.
    NoCredentials,
    Unexpected,
}

impl Failure {
    /// An answer that the protocol does not foresee. It may pass.
    pub fn odd_answer(what: &'static str) -> Failure {
        Failure { meaning: Meaning::Passing, cause: what.into() }
    }

    /// The error for whoever cannot go on; `what` says what was tried: `cannot read stream "x"`.
    pub fn into_error(self, what: impl Into<String>) -> Error {
        let error = match self.meaning {
            Meaning::Passing | Meaning::Expired => Error::unavailable(what).with_state(SqlState::CONNECTION_FAILURE),
            Meaning::Missing => Error::undefined(what),
            Meaning::Argument => Error::invalid(what),
            Meaning::Refused => Error::invalid(what).with_state(SqlState::INVALID_AUTHORIZATION).with_hint(
                "the credentials need kinesis:DescribeStreamSummary, ListShards, GetShardIterator and GetRecords on the stream, \
                 and kms:Decrypt on its key where it is encrypted",
            ),
            Meaning::NoCredentials => Error::invalid(what).with_state(SqlState::INVALID_AUTHORIZATION).with_hint(
                "no AWS credentials were found: give access_key_id and secret_access_key, or set them in the server's AWS environment",
            ),
            Meaning::Unexpected => Error::unavailable(what),
        };
        match self.meaning {
            // The SDK's own words say only that it did not get through, not why.
            Meaning::Passing => error.with_detail(innermost(self.cause.as_ref())).with_cause(self.cause),
            _ => error.with_cause(self.cause),
        }
    }
}

impl<E> From<SdkError<E>> for Failure
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
{
    fn from(error: SdkError<E>) -> Failure {
        Failure { meaning: meaning(&error), cause: Box::new(error) }
    }
}

fn meaning<E>(error: &SdkError<E, HttpResponse>) -> Meaning
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(answer) => by_code(answer.err().code().unwrap_or_default(), answer.raw().status().as_u16()),
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => Meaning::Passing,
        other => match credentials_error(other) {
            Some(CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_)) => Meaning::NoCredentials,
            Some(_) => Meaning::Passing,
            None if matches!(other, SdkError::DispatchFailure(_)) => Meaning::Passing,
            None => Meaning::Unexpected,
        },
    }
}

/// The codes of the Kinesis API reference and of AWS's common errors.
fn by_code(code: &str, status: u16) -> Meaning {
    match code {
        "ExpiredIteratorException" | "ExpiredNextTokenException" => Meaning::Expired,
        "ResourceNotFoundException" => Meaning::Missing,
        "InvalidArgumentException" | "ValidationException" => Meaning::Argument,
        "AccessDeniedException"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "NotAuthorized"
        | "OptInRequired"
        | "KMSAccessDeniedException"
        | "KMSDisabledException"
        | "KMSInvalidStateException"
        | "KMSNotFoundException"
        | "KMSOptInRequired" => Meaning::Refused,
        "ProvisionedThroughputExceededException"
        | "LimitExceededException"
        | "KMSThrottlingException"
        | "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded"
        | "ResourceInUseException"
        | "InternalFailureException"
        | "InternalFailure"
        | "ServiceUnavailable"
        | "RequestExpired"
        | "RequestTimeout" => Meaning::Passing,
        _ if status >= 500 || status == 429 => Meaning::Passing,
        _ => Meaning::Unexpected,
    }
}

fn credentials_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a CredentialsError> {
    let mut chain = std::iter::successors(Some(error), |error| (**error).source());
    chain.find_map(|error| error.downcast_ref())
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| (**error).source());
    chain.last().unwrap_or(error).to_string()
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::error::ConnectorError;

    use super::*;
    use crate::error::Kind;

    #[test]
    fn codes_have_their_meaning() {
        let cases = [
            ("ProvisionedThroughputExceededException", 400, Meaning::Passing),
            ("LimitExceededException", 400, Meaning::Passing),
            ("", 503, Meaning::Passing),
            ("Whatever", 429, Meaning::Passing),
            ("ExpiredIteratorException", 400, Meaning::Expired),
            ("ResourceNotFoundException", 400, Meaning::Missing),
            ("InvalidArgumentException", 400, Meaning::Argument),
            ("AccessDeniedException", 400, Meaning::Refused),
            ("KMSDisabledException", 400, Meaning::Refused),
            ("Whatever", 400, Meaning::Unexpected),
        ];
        for (code, status, meaning) in cases {
            assert_eq!(by_code(code, status), meaning, "{code} {status}");
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let retried = |meaning| Failure { meaning, cause: "x".into() }.into_error("y").kind() == Kind::Unavailable;
        assert!(retried(Meaning::Passing) && retried(Meaning::Unexpected));
        assert!(![Meaning::Missing, Meaning::Argument, Meaning::Refused, Meaning::NoCredentials].into_iter().any(retried));
    }
    #[test]
    fn the_innermost_cause_is_told() {
        let refused = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused");
        let failure = SdkError::<std::fmt::Error>::dispatch_failure(ConnectorError::io(Box::new(refused)));
        let error = Failure { meaning: Meaning::Passing, cause: Box::new(failure) }.into_error("cannot reach it");
        assert_eq!(error.detail(), Some("connection refused"));
    }
}
