//! The one error type of the house. A kind is a decision for whoever meets it: fix the statement, wait, retry, report a bug.

mod from;
mod sqlstate;

use std::fmt;

pub use sqlstate::SqlState;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure this is. Each kind has a default SQLSTATE and says what can be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The text is not a statement. Fix the statement.
    Syntax,
    /// The statement names something that does not exist. Fix the statement.
    Undefined,
    /// The statement makes something that exists already. Fix the statement.
    Duplicate,
    /// A value, type or option cannot be used as asked. Fix the statement.
    Invalid,
    /// PostgreSQL or a peer has it, Lakewire does not. Fix the statement.
    Unsupported,
    /// The object is not in a state that allows it (dependents, paused, taken over). Change the state first.
    State,
    /// Data does not fit (a cast fails, a constraint is violated). Fix the data or the query.
    Data,
    /// Something outside (network, bucket, stream, disk, memory) refused or did not answer. It can be tried again.
    Unavailable,
    /// The user or a shutdown stopped it.
    Cancelled,
    /// An invariant is broken. Report a bug.
    Internal,
}

impl Kind {
    /// Whether the same work may succeed later without anybody changing anything.
    pub fn is_retryable(self) -> bool {
        matches!(self, Kind::Unavailable)
    }

    fn default_state(self) -> SqlState {
        match self {
            Kind::Syntax => SqlState::SYNTAX_ERROR,
            Kind::Undefined => SqlState::UNDEFINED_OBJECT,
            Kind::Duplicate => SqlState::DUPLICATE_OBJECT,
            Kind::Invalid => SqlState::INVALID_PARAMETER_VALUE,
            Kind::Unsupported => SqlState::FEATURE_NOT_SUPPORTED,
            Kind::State => SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            Kind::Data => SqlState::DATA_EXCEPTION,
            Kind::Unavailable => SqlState::IO_ERROR,
            Kind::Cancelled => SqlState::QUERY_CANCELED,
            Kind::Internal => SqlState::INTERNAL_ERROR,
        }
    }
}

/// An error in PostgreSQL's manner: a message in lower case without a full stop, and optionally a detail, a hint, the
/// position in the statement, and the cause.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    state: SqlState,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    position: Option<usize>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

macro_rules! constructors {
    ($($name:ident => $kind:ident),* $(,)?) => {
        $(pub fn $name(message: impl Into<String>) -> Error { Error::new(Kind::$kind, message) })*
    };
}

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            kind,
            state: kind.default_state(),
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            cause: None,
        }))
    }

    constructors! {
        syntax => Syntax, undefined => Undefined, duplicate => Duplicate, invalid => Invalid, unsupported => Unsupported,
        state => State, data => Data, unavailable => Unavailable, cancelled => Cancelled, internal => Internal,
    }

    pub fn with_state(mut self, state: SqlState) -> Error {
        self.0.state = state;
        self
    }

    pub fn with_detail(mut self, detail: impl Into<String>) -> Error {
        self.0.detail = Some(detail.into());
        self
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hint = Some(hint.into());
        self
    }

    /// `position` counts characters from 1, in the text the client sent.
    pub fn at(mut self, position: usize) -> Error {
        self.0.position = Some(position);
        self
    }

    pub fn with_cause(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        self.0.cause = Some(cause.into());
        self
    }

    /// Moves the position (if there is one) from a statement to the text that holds it.
    pub fn shifted(mut self, characters: usize) -> Error {
        self.0.position = self.0.position.map(|p| p + characters);
        self
    }

    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    pub fn sqlstate(&self) -> SqlState {
        self.0.state
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    pub fn position(&self) -> Option<usize> {
        self.0.position
    }

    /// The message with the chain of causes behind it: for logs and `lakewire.jobs`, where there is one line.
    pub fn one_line(&self) -> String {
        let mut line = self.0.message.clone();
        if let Some(detail) = &self.0.detail {
            line.push_str(" (");
            line.push_str(detail);
            line.push(')');
        }
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let text = error.to_string();
            if !line.contains(&text) {
                line.push_str(": ");
                line.push_str(&text);
            }
            cause = error.source();
        }
        line.replace('\n', " ")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {}", self.0.kind, self.0.state, self.one_line())?;
        if let Some(hint) = &self.0.hint {
            write!(f, " [hint: {hint}]")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}
