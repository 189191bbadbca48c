//! What a statement answers.

use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;

/// The tag of rows that come without end.
pub const ENDLESS: &str = "SUBSCRIBE";

pub enum Outcome {
    /// Rows as they come. The number of rows is appended to the tag.
    Rows { schema: SchemaRef, rows: SendableRecordBatchStream, tag: &'static str },
    /// `CREATE SOURCE`, `INSERT 0 5`.
    Done { tag: String },
    /// Like `Done`; and the connection, whose they are, forgets prepared statements.
    Forget { tag: &'static str, statements: Forgotten },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forgotten {
    All,
    Named(String),
}

impl Outcome {
    pub fn done(tag: impl Into<String>) -> Outcome {
        Outcome::Done { tag: tag.into() }
    }
}

/// Something that the user should know and that stops nothing.
#[derive(Debug, Clone)]
pub struct Notice {
    /// `NOTICE` or `WARNING`.
    pub severity: &'static str,
    pub message: String,
}

impl Notice {
    pub fn note(message: impl Into<String>) -> Notice {
        Notice { severity: "NOTICE", message: message.into() }
    }

    pub fn warning(message: impl Into<String>) -> Notice {
        Notice { severity: "WARNING", message: message.into() }
    }
}
