//! SQLSTATE codes, named as in PostgreSQL's appendix A.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState(&'static str);

macro_rules! states {
    ($($name:ident = $code:literal),* $(,)?) => { $(pub const $name: SqlState = SqlState($code);)* };
}

impl SqlState {
    states! {
        SUCCESSFUL_COMPLETION = "00000",
        WARNING = "01000",
        CONNECTION_FAILURE = "08006",
        PROTOCOL_VIOLATION = "08P01",
        FEATURE_NOT_SUPPORTED = "0A000",
        CARDINALITY_VIOLATION = "21000",
        DATA_EXCEPTION = "22000",
        NUMERIC_VALUE_OUT_OF_RANGE = "22003",
        INVALID_DATETIME_FORMAT = "22007",
        DATETIME_FIELD_OVERFLOW = "22008",
        DIVISION_BY_ZERO = "22012",
        CHARACTER_NOT_IN_REPERTOIRE = "22021",
        INVALID_PARAMETER_VALUE = "22023",
        INVALID_TEXT_REPRESENTATION = "22P02",
        INVALID_BINARY_REPRESENTATION = "22P03",
        NOT_NULL_VIOLATION = "23502",
        CHECK_VIOLATION = "23514",
        ACTIVE_SQL_TRANSACTION = "25001",
        NO_ACTIVE_SQL_TRANSACTION = "25P01",
        IN_FAILED_SQL_TRANSACTION = "25P02",
        INVALID_SQL_STATEMENT_NAME = "26000",
        INVALID_AUTHORIZATION = "28000",
        DEPENDENT_OBJECTS_STILL_EXIST = "2BP01",
        INVALID_CURSOR_NAME = "34000",
        INVALID_CATALOG_NAME = "3D000",
        INVALID_SCHEMA_NAME = "3F000",
        SERIALIZATION_FAILURE = "40001",
        SYNTAX_ERROR = "42601",
        INVALID_NAME = "42602",
        DUPLICATE_COLUMN = "42701",
        AMBIGUOUS_COLUMN = "42702",
        UNDEFINED_COLUMN = "42703",
        UNDEFINED_OBJECT = "42704",
        DUPLICATE_OBJECT = "42710",
        DATATYPE_MISMATCH = "42804",
        WRONG_OBJECT_TYPE = "42809",
        CANNOT_COERCE = "42846",
        UNDEFINED_FUNCTION = "42883",
        UNDEFINED_TABLE = "42P01",
        UNDEFINED_PARAMETER = "42P02",
        DUPLICATE_CURSOR = "42P03",
        DUPLICATE_PREPARED_STATEMENT = "42P05",
        DUPLICATE_TABLE = "42P07",
        INVALID_TABLE_DEFINITION = "42P16",
        INDETERMINATE_DATATYPE = "42P18",
        OUT_OF_MEMORY = "53200",
        TOO_MANY_CONNECTIONS = "53300",
        CONFIGURATION_LIMIT_EXCEEDED = "53400",
        PROGRAM_LIMIT_EXCEEDED = "54000",
        OBJECT_NOT_IN_PREREQUISITE_STATE = "55000",
        CANNOT_CHANGE_RUNTIME_PARAMETER = "55P02",
        QUERY_CANCELED = "57014",
        ADMIN_SHUTDOWN = "57P01",
        IO_ERROR = "58030",
        INTERNAL_ERROR = "XX000",
        DATA_CORRUPTED = "XX001",
    }

    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
