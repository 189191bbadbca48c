//! What the libraries' errors mean to a user. A foreign error that carries one of ours inside is that one.

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

use super::{Error, Kind, SqlState};

/// The types of Arrow that its errors name, as PostgreSQL calls them. The whole table of types is above this floor.
const TYPES: [(&str, &str); 7] = [
    ("Boolean", "boolean"),
    ("Int16", "smallint"),
    ("Int32", "integer"),
    ("Int64", "bigint"),
    ("Float32", "real"),
    ("Float64", "double precision"),
    ("Date32", "date"),
];
/// So many columns are named in the detail of an error.
const NAMES_SHOWN_MAX: usize = 20;

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Error {
        match error {
            DataFusionError::External(inner) => match inner.downcast::<Error>() {
                Ok(ours) => *ours,
                Err(inner) => match inner.downcast::<DataFusionError>() {
                    Ok(nested) => Error::from(*nested),
                    Err(other) => Error::unavailable("an external component failed").with_cause(other),
                },
            },
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => Error::from(*inner),
            DataFusionError::Shared(inner) => from_shared(&inner),
            DataFusionError::Collection(mut errors) if !errors.is_empty() => Error::from(errors.remove(0)),
            DataFusionError::ArrowError(inner, _) => Error::from(*inner),
            DataFusionError::SchemaError(inner, _) => from_schema_error(&inner),
            DataFusionError::SQL(inner, _) => Error::syntax(lower_first(&inner.to_string())),
            DataFusionError::NotImplemented(message) => from_not_implemented(&message),
            DataFusionError::Plan(message) => from_plan_message(&message),
            DataFusionError::ResourcesExhausted(message) => out_of_memory(message),
            DataFusionError::Execution(message) => Error::data(lower_first(&message)),
            DataFusionError::ObjectStore(inner) => Error::from(*inner),
            DataFusionError::IoError(inner) => Error::from(inner),
            DataFusionError::ParquetError(inner) => Error::unavailable("cannot read a Parquet file").with_cause(*inner),
            other => Error::internal(lower_first(&other.strip_backtrace())),
        }
    }
}

/// A shared error cannot be taken apart, only looked at.
fn from_shared(error: &DataFusionError) -> Error {
    match error.find_root() {
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => ours.duplicate_without_cause(),
            None => Error::unavailable(inner.to_string()),
        },
        DataFusionError::SchemaError(inner, _) => from_schema_error(inner),
        DataFusionError::Plan(message) => from_plan_message(message),
        DataFusionError::NotImplemented(message) => from_not_implemented(message),
        DataFusionError::Execution(message) => Error::data(lower_first(message)),
        DataFusionError::ObjectStore(inner) => ours_within(&**inner)
            .unwrap_or_else(|| Error::unavailable("the object store refused or did not answer").with_detail(inner.to_string())),
        DataFusionError::IoError(inner) => Error::unavailable("an input or output operation failed").with_detail(inner.to_string()),
        DataFusionError::ParquetError(inner) => Error::unavailable("cannot read a Parquet file").with_detail(inner.to_string()),
        DataFusionError::ResourcesExhausted(message) => out_of_memory(message.clone()),
        DataFusionError::ArrowError(inner, _) => from_shared_arrow(inner),
        other => Error::internal(lower_first(&other.strip_backtrace())),
    }
}

fn from_shared_arrow(error: &arrow::error::ArrowError) -> Error {
    use arrow::error::ArrowError;
    match error {
        ArrowError::DivideByZero => Error::from(ArrowError::DivideByZero),
        ArrowError::CastError(message) => Error::from(ArrowError::CastError(message.clone())),
        ArrowError::ParseError(message) => Error::from(ArrowError::ParseError(message.clone())),
        ArrowError::ArithmeticOverflow(message) => Error::from(ArrowError::ArithmeticOverflow(message.clone())),
        ArrowError::ComputeError(message) => from_compute_message(message),
        other => Error::data(lower_first(&other.to_string())),
    }
}

/// One of ours, if a foreign error has it among its causes.
fn ours_within(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.find_map(|cause| cause.downcast_ref::<Error>()).map(Error::duplicate_without_cause)
}

fn out_of_memory(detail: String) -> Error {
    Error::unavailable("out of memory")
        .with_state(SqlState::OUT_OF_MEMORY)
        .with_detail(detail)
        .with_hint("raise --memory-limit, or make the query read less at once")
}

impl Error {
    /// The same error once more, for everybody who waited for the same failed work.
    pub fn duplicate_without_cause(&self) -> Error {
        let mut copy = Error::new(self.kind(), self.one_line()).with_state(self.sqlstate());
        if let Some(hint) = self.hint() {
            copy = copy.with_hint(hint);
        }
        copy
    }
}

fn from_schema_error(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let error = Error::undefined(format!("column \"{}\" does not exist", field.name)).with_state(SqlState::UNDEFINED_COLUMN);
            match valid_fields.is_empty() {
                true => error,
                false => {
                    let names: Vec<_> = valid_fields.iter().take(NAMES_SHOWN_MAX).map(|c| c.name.as_str()).collect();
                    let more = if valid_fields.len() > NAMES_SHOWN_MAX { ", …" } else { "" };
                    error.with_detail(format!("the columns are: {}{more}", names.join(", ")))
                }
            }
        }
        SchemaError::AmbiguousReference { field } => {
            Error::invalid(format!("column reference \"{}\" is ambiguous", field.name)).with_state(SqlState::AMBIGUOUS_COLUMN)
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            Error::duplicate(format!("column \"{name}\" specified more than once")).with_state(SqlState::DUPLICATE_COLUMN)
        }
    }
}

fn from_plan_message(message: &str) -> Error {
    let first = message.lines().next().unwrap_or(message);
    if let Some(rest) = first.strip_prefix("table '") {
        let name = rest.split('\'').next().unwrap_or(rest);
        let name = name.rsplit('.').next().unwrap_or(name);
        return Error::undefined(format!("relation \"{name}\" does not exist")).with_state(SqlState::UNDEFINED_TABLE);
    }
    if let Some(rest) = first.strip_prefix("Invalid function '") {
        let name = rest.split('\'').next().unwrap_or(rest);
        return Error::undefined(format!("function {name} does not exist")).with_state(SqlState::UNDEFINED_FUNCTION);
    }
    Error::invalid(lower_first(message)).with_state(SqlState::DATATYPE_MISMATCH)
}

fn from_not_implemented(message: &str) -> Error {
    let expression = message.strip_prefix("Physical plan does not support logical expression ").unwrap_or_default();
    match ["InSubquery", "Exists"].iter().any(|subquery| expression.starts_with(subquery)) {
        true => Error::unsupported("a subquery behind IN or EXISTS is supported in WHERE and HAVING only").with_hint(
            "join the subquery: LEFT JOIN (SELECT DISTINCT k, true AS found FROM …) s ON …, and select coalesce(s.found, false)",
        ),
        false => Error::unsupported(lower_first(message)),
    }
}

/// Arrow's words for a value that is not of a type, in PostgreSQL's.
fn from_cast_message(message: &str) -> Error {
    let text_to_type =
        message.strip_prefix("Cannot cast string '").and_then(|rest| rest.strip_suffix(" type")?.split_once("' to value of "));
    if let Some((text, arrow_type)) = text_to_type {
        let name = TYPES.iter().find(|(arrow, _)| *arrow == arrow_type).map_or(arrow_type, |(_, name)| name);
        return Error::data(format!("invalid input syntax for type {name}: \"{text}\"")).with_state(SqlState::INVALID_TEXT_REPRESENTATION);
    }
    match type_that_is_too_small(message) {
        Some(arrow_type) => out_of_range(arrow_type),
        None => Error::data(lower_first(message)).with_state(SqlState::INVALID_TEXT_REPRESENTATION),
    }
}

/// The least integer of a type has no absolute value in it.
fn from_compute_message(message: &str) -> Error {
    match message.split_once("Array overflow on abs(") {
        Some((arrow_type, _)) => out_of_range(arrow_type),
        None => Error::data(lower_first(message)),
    }
}

fn out_of_range(arrow_type: &str) -> Error {
    let name = TYPES.iter().find(|(arrow, _)| *arrow == arrow_type).map_or(arrow_type, |(_, name)| name);
    Error::data(format!("{name} out of range")).with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE)
}

/// The type that a number does not fit into, if that is what a message says.
fn type_that_is_too_small(message: &str) -> Option<&str> {
    let between_numbers = message.strip_prefix("Can't cast value ").and_then(|rest| rest.split_once(" to type "));
    let from_decimal = message.strip_prefix("value of ").and_then(|rest| rest.split_once(" is out of range "));
    between_numbers.or(from_decimal).map(|(_, arrow_type)| arrow_type)
}

/// The way into libraries that only know their own error.
impl From<Error> for DataFusionError {
    fn from(error: Error) -> DataFusionError {
        DataFusionError::External(Box::new(error))
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Error {
        use arrow::error::ArrowError;
        match error {
            ArrowError::ExternalError(inner) => match inner.downcast::<Error>() {
                Ok(ours) => *ours,
                Err(inner) => match inner.downcast::<DataFusionError>() {
                    Ok(nested) => Error::from(*nested),
                    Err(other) => Error::unavailable(other.to_string()),
                },
            },
            ArrowError::CastError(message) | ArrowError::ParseError(message) => from_cast_message(&message),
            ArrowError::DivideByZero => Error::data("division by zero").with_state(SqlState::DIVISION_BY_ZERO),
            ArrowError::ArithmeticOverflow(message) => Error::data(lower_first(&message)).with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE),
            ArrowError::ComputeError(message) => from_compute_message(&message),
            other => Error::data(lower_first(&other.to_string())),
        }
    }
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Error {
        ours_within(&error).unwrap_or_else(|| Error::unavailable("the object store refused or did not answer").with_cause(error))
    }
}

impl From<deltalake::DeltaTableError> for Error {
    fn from(error: deltalake::DeltaTableError) -> Error {
        ours_within(&error).unwrap_or_else(|| Error::unavailable("cannot read or write a Delta table").with_cause(error))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        Error::unavailable("an input or output operation failed").with_cause(error)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        match error {
            // A server that hangs up on a new client is told as invalid data.
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => {
                Error::unavailable("the catalog store cannot be reached").with_state(SqlState::CONNECTION_FAILURE).with_cause(error)
            }
            _ => Error::unavailable("the catalog store failed").with_cause(error),
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Error {
        Error::internal("stored JSON cannot be read").with_cause(error)
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Error {
        match error.is_cancelled() {
            true => Error::new(Kind::Cancelled, "the task was stopped"),
            false => Error::internal("a task panicked").with_cause(error),
        }
    }
}

/// Libraries begin messages with a capital; PostgreSQL does not. Names that are all capitals stay.
fn lower_first(message: &str) -> String {
    let mut characters = message.chars();
    match (characters.next(), characters.next()) {
        (Some(first), second) if !second.is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(message.chars().skip(1)).collect::<String>().trim_end_matches('.').to_string()
        }
        _ => message.trim_end_matches('.').to_string(),
    }
}
