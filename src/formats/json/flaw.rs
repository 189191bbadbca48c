//! Why a record cannot be read. Positions are kept from 0 and told from 1.

use std::fmt;

use super::scan::DEPTH_MAX;

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
    /// The record is JSON, or not, but what it says cannot be stored: the reason in full.
    Refused(String),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Malformed { expected, at } => write!(f, "malformed JSON: expected {expected} at byte {}", at + 1),
            Flaw::BadEscape { at } => write!(f, "malformed JSON: a string has an escape that is no character at byte {}", at + 1),
            Flaw::ControlCharacter { at } => write!(f, "malformed JSON: a string has a bare control character at byte {}", at + 1),
            Flaw::TooDeep { at } => write!(f, "nested deeper than {DEPTH_MAX} levels at byte {}", at + 1),
            Flaw::InvalidUtf8 { at } => write!(f, "invalid UTF-8 at byte {}", at + 1),
            Flaw::Refused(reason) => f.write_str(reason),
        }
    }
}
