//! Why a record cannot be read. Positions are kept from 0 and told from 1.

use std::fmt;

use super::payload::{RECORD_BYTES_MAX, UNPACKED_BYTES_MAX};
use super::scan::DEPTH_MAX;
use crate::model::column::REST_COLUMN;

/// More records in one payload reject it: all of them come in one batch, for a position cannot be within a payload.
pub const RECORDS_PER_PAYLOAD_MAX: usize = 20_000;

#[derive(Debug)]
pub enum Flaw {
    /// The text stops being JSON at this byte.
    Malformed {
        expected: &'static str,
        at: usize,
    },
    /// A string has an escape that stands for no character, or half of one.
    BadEscape {
        at: usize,
    },
    /// A string has a control character, which JSON wants escaped.
    ControlCharacter {
        at: usize,
    },
    TooDeep {
        at: usize,
    },
    InvalidUtf8 {
        at: usize,
    },
    TooLong {
        bytes: usize,
    },
    Gzip(&'static str),
    UnpacksToTooMuch,
    /// No object is there, nor an array that has one.
    NoRecord(&'static str),
    /// Something else stands where a record should begin.
    NotAnObject {
        found: &'static str,
        at: usize,
    },
    TooManyRecords,
    /// What the record says cannot be stored in the declared columns.
    Unfit {
        column: String,
        what: String,
    },
    NoRoomForRest,
}

impl Flaw {
    /// Whether it is about one record of a payload, which is JSON all the same.
    pub fn is_of_one_record(&self) -> bool {
        matches!(self, Flaw::Unfit { .. } | Flaw::NoRoomForRest | Flaw::TooLong { .. })
    }

    /// What kind of flaw it is, for counting: the reason without what differs from record to record.
    pub fn kind(&self) -> String {
        match self {
            Flaw::Malformed { .. } | Flaw::BadEscape { .. } | Flaw::ControlCharacter { .. } => "malformed JSON".to_string(),
            Flaw::TooDeep { .. } => "nested too deep".to_string(),
            Flaw::InvalidUtf8 { .. } => "invalid UTF-8".to_string(),
            Flaw::TooLong { .. } => "too long".to_string(),
            Flaw::Gzip(_) | Flaw::UnpacksToTooMuch => "gzip that cannot be unpacked".to_string(),
            Flaw::NoRecord(_) => "empty".to_string(),
            Flaw::NotAnObject { .. } => "not a JSON object".to_string(),
            Flaw::TooManyRecords => "too many records in one".to_string(),
            Flaw::Unfit { column, .. } => format!("does not fit column \"{column}\""),
            Flaw::NoRoomForRest => format!("no room in \"{REST_COLUMN}\""),
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Malformed { expected, at } => write!(f, "malformed JSON: expected {expected} at byte {}", at + 1),
            Flaw::BadEscape { at } => write!(f, "malformed JSON: a string has an escape that is no character at byte {}", at + 1),
            Flaw::ControlCharacter { at } => write!(f, "malformed JSON: a string has a bare control character at byte {}", at + 1),
            Flaw::TooDeep { at } => write!(f, "nested deeper than {DEPTH_MAX} levels at byte {}", at + 1),
            Flaw::InvalidUtf8 { at } => write!(f, "invalid UTF-8 at byte {}", at + 1),
            Flaw::TooLong { bytes } => write!(f, "the record has {bytes} bytes, more than the {RECORD_BYTES_MAX} that are read"),
            Flaw::Gzip(what) => write!(f, "malformed gzip: {what}"),
            Flaw::UnpacksToTooMuch => write!(f, "the gzip holds more than the {UNPACKED_BYTES_MAX} bytes that are unpacked"),
            Flaw::NoRecord(what) => f.write_str(what),
            Flaw::NotAnObject { found, at } => write!(f, "the record is not a JSON object: {found} begins at byte {}", at + 1),
            Flaw::TooManyRecords => write!(f, "the payload has more than the {RECORDS_PER_PAYLOAD_MAX} records that are read of one"),
            Flaw::Unfit { column, what } => write!(f, "column \"{column}\" is {what}"),
            Flaw::NoRoomForRest => write!(f, "column \"{REST_COLUMN}\" has no room for the fields that can be no columns"),
        }
    }
}
