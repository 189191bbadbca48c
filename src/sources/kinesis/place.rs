//! What a position in a shard says, and how two of them are ordered.

use std::cmp::Ordering;

use crate::error::{Error, Result};
use crate::model::Position;

const TRIM_HORIZON: &str = "TRIM_HORIZON";
const AT_TIMESTAMP: &str = "AT_TIMESTAMP:";

/// The two that no record has come before stand before every sequence number; the order of the variants is the order of places.
///
/// There is no "latest": where nothing is read it would be another place each time, so it is a time from the start on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place<'a> {
    /// Before the oldest record that is kept.
    TrimHorizon,
    /// Before the first record that came at this time or later, in milliseconds since 1970.
    AtTimestamp(i64),
    After(SequenceNumber<'a>),
}

/// A number of up to 128 digits. Without leading zeros the longer one is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SequenceNumber<'a> {
    length: usize,
    digits: &'a str,
}

impl<'a> Place<'a> {
    pub fn parse(position: &'a Position) -> Result<Place<'a>> {
        Place::from_text(position.as_str()).ok_or_else(|| Error::internal(format!("\"{position}\" is not a position in a Kinesis shard")))
    }

    fn from_text(text: &'a str) -> Option<Place<'a>> {
        if text == TRIM_HORIZON {
            return Some(Place::TrimHorizon);
        }
        if let Some(millis) = text.strip_prefix(AT_TIMESTAMP) {
            return millis.parse().ok().map(Place::AtTimestamp);
        }
        SequenceNumber::from_text(text).map(Place::After)
    }

    pub fn to_position(self) -> Position {
        match self {
            Place::TrimHorizon => Position::new(TRIM_HORIZON),
            Place::AtTimestamp(millis) => Position::new(format!("{AT_TIMESTAMP}{millis}")),
            Place::After(number) => Position::new(number.digits),
        }
    }
}

impl<'a> SequenceNumber<'a> {
    /// `None` for what is no number.
    pub fn from_text(text: &'a str) -> Option<SequenceNumber<'a>> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = text.trim_start_matches('0');
        Some(SequenceNumber { length: digits.len(), digits: if digits.is_empty() { "0" } else { digits } })
    }

    pub fn as_str(&self) -> &'a str {
        self.digits
    }
}

/// Text that is no position at all (it can only come from elsewhere) stands before all that are.
pub fn compare(left: &Position, right: &Position) -> Ordering {
    Place::from_text(left.as_str()).cmp(&Place::from_text(right.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_ordered() {
        let in_order = [
            "TRIM_HORIZON",
            "AT_TIMESTAMP:-5",
            "AT_TIMESTAMP:999",
            "AT_TIMESTAMP:1000",
            "0",
            "9",
            "0010",
            "49590338271490256608559692538361571095921575989136588898",
            "49590338271490256608559692538361571095921575989136588899",
            "149590338271490256608559692538361571095921575989136588898",
        ];
        for (at, left) in in_order.iter().enumerate() {
            for (other, right) in in_order.iter().enumerate() {
                assert_eq!(compare(&Position::new(*left), &Position::new(*right)), at.cmp(&other), "{left} {right}");
            }
        }
        assert_eq!(compare(&Position::new("007"), &Position::new("7")), Ordering::Equal);
    }

    #[test]
    fn what_is_not_a_position_is_refused() {
        for bad in ["", "latest", "AT_TIMESTAMP:", "AT_TIMESTAMP:x", "-1", "12a"] {
            assert!(Place::parse(&Position::new(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_place_survives_its_text() {
        for text in ["TRIM_HORIZON", "AT_TIMESTAMP:1700000000123", "0", "4959"] {
            assert_eq!(Place::parse(&Position::new(text)).unwrap().to_position().as_str(), text);
        }
    }
}
