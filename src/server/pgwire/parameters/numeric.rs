//! `numeric` parameters, from text and from base-10,000 digits, to a decimal of the scale that the statement wants.

use datafusion::scalar::ScalarValue;

use crate::error::{Error, Result, SqlState};

/// No decimal that we can hold has more; what is longer is refused before it is computed.
const DIGITS_MAX: usize = 200;

/// value = ± digits · 10^-scale; the digits are ASCII.
#[derive(Debug, PartialEq, Eq)]
pub struct Number {
    negative: bool,
    digits: Vec<u8>,
    scale: i32,
}

impl Number {
    /// `-12.50`, `1e6`, `.5`.
    pub fn parse(text: &str) -> Option<Number> {
        let (negative, text) = match text.as_bytes() {
            [b'-', ..] => (true, &text[1..]),
            [b'+', ..] => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i16>().ok()? as i32),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        match !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
            true => Some(Number { negative, digits, scale: fraction.len() as i32 - exponent }),
            false => None,
        }
    }

    /// The first of `groups` counts 10,000^`weight`.
    pub fn from_groups(negative: bool, weight: i16, groups: &[u16]) -> Number {
        let digits: Vec<u8> = groups.iter().flat_map(|group| format!("{group:04}").into_bytes()).collect();
        let scale = (groups.len() as i32 - 1 - weight as i32) * 4;
        Number { negative, digits, scale }
    }

    /// Rounds half away from zero to `scale`, as PostgreSQL's cast does.
    pub fn to_scalar(&self, precision: u8, scale: i8) -> Result<ScalarValue> {
        let unscaled = self.unscaled(scale).filter(|value| value.unsigned_abs() < 10_u128.pow(precision as u32));
        let unscaled = unscaled.ok_or_else(|| {
            Error::data("numeric field overflow").with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE).with_hint(format!(
                "the value must be less than 10^{} in size, with {scale} digits behind the point",
                precision as i32 - scale as i32
            ))
        })?;
        Ok(ScalarValue::Decimal128(Some(unscaled), precision, scale))
    }

    fn unscaled(&self, scale: i8) -> Option<i128> {
        let leading = self.digits.iter().take_while(|digit| **digit == b'0').count();
        let mut digits = self.digits[leading..].to_vec();
        if digits.is_empty() {
            return Some(0);
        }
        let shift = scale as i32 - self.scale;
        let round_up = match shift {
            0.. if digits.len() + shift as usize > DIGITS_MAX => return None,
            0.. => {
                digits.resize(digits.len() + shift as usize, b'0');
                false
            }
            _ => {
                let dropped = -shift as usize;
                let kept = digits.len().checked_sub(dropped);
                let round_up = kept.is_some_and(|kept| digits[kept] >= b'5');
                digits.truncate(kept.unwrap_or(0));
                round_up
            }
        };
        let value = digits.iter().try_fold(0_i128, |value, digit| value.checked_mul(10)?.checked_add((digit - b'0') as i128))?;
        let value = value + round_up as i128;
        Some(if self.negative { -value } else { value })
    }
}
