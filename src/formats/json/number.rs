//! JSON numbers: what a literal means, and whether a type holds it exactly.

/// The integers that a double holds without gaps.
pub const DOUBLE_INTEGER_MAX: i64 = 1 << 53;
/// Literals with no more significant digits are told by a double without further question.
const DOUBLE_DIGITS_SURE: usize = 15;
/// And those with more than this only where the double is exactly the number: 17 digits name any double.
const DOUBLE_DIGITS_MAX: usize = 17;
/// Ten to these powers are doubles without rounding.
const EXACT_POWERS: [f64; 23] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];

const POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// What a number settles to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    BigInt(i64),
    Double(f64),
    /// Neither type holds it: it stays text.
    Unheld,
}

/// The meaning of a literal that is a JSON number.
pub fn settle(literal: &str) -> Number {
    if is_integer(literal) {
        return literal.parse().map_or(Number::Unheld, Number::BigInt);
    }
    match literal.parse::<f64>() {
        Ok(value) if is_double(literal, value) => Number::Double(value),
        _ => Number::Unheld,
    }
}

/// Has neither fraction nor exponent.
pub fn is_integer(literal: &str) -> bool {
    !literal.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
}

/// The literal times ten to the power of `scale`, if that is a whole number that 128 bits hold.
pub fn scaled(literal: &str, scale: i8) -> Option<i128> {
    let (mantissa, exponent) = split(literal);
    let mut value: i128 = 0;
    let mut zeros: u32 = 0;
    let mut fraction: i64 = 0;
    let mut in_fraction = false;
    for byte in mantissa.bytes() {
        match byte {
            b'.' => in_fraction = true,
            b'0' => zeros += 1,
            b'1'..=b'9' => {
                if value != 0 {
                    value = value.checked_mul(10i128.checked_pow(zeros)?)?;
                }
                value = value.checked_mul(10)?.checked_add((byte - b'0') as i128)?;
                zeros = 0;
            }
            _ => {}
        }
        fraction += (in_fraction && byte != b'.') as i64;
    }
    if value == 0 {
        return Some(0);
    }
    let shift = exponent.checked_sub(fraction)?.checked_add(zeros as i64 + scale as i64)?;
    let value = value.checked_mul(10i128.checked_pow(u32::try_from(shift).ok()?)?)?;
    Some(if literal.starts_with('-') { -value } else { value })
}

/// An integer of at most 18 digits that begins at `at`, and where it ends. `None`: look closer.
#[inline]
pub fn plain_integer(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let negative = bytes.get(at) == Some(&b'-');
    let start = at + negative as usize;
    let (value, end) = digits(bytes, start, 0);
    if !is_plain(bytes, start, end) || matches!(bytes.get(end), Some(b'.' | b'e' | b'E')) {
        return None;
    }
    Some((if negative { -(value as i64) } else { value as i64 }, end))
}

/// A number without exponent and of at most 17 digits that a double column takes, and where it ends. `None`: look closer.
#[inline]
pub fn plain_decimal(text: &str, at: usize) -> Option<(f64, usize)> {
    let bytes = text.as_bytes();
    let negative = bytes.get(at) == Some(&b'-');
    let start = at + negative as usize;
    let (whole, point) = digits(bytes, start, 0);
    if !is_plain(bytes, start, point) {
        return None;
    }
    if bytes.get(point) != Some(&b'.') {
        let value = if negative { -(whole as i64) } else { whole as i64 };
        let plain = value.unsigned_abs() <= DOUBLE_INTEGER_MAX as u64 && !matches!(bytes.get(point), Some(b'e' | b'E'));
        return plain.then_some((value as f64, point));
    }
    let (mantissa, end) = digits(bytes, point + 1, whole);
    let places = end - point - 1;
    if places == 0 || end - start - 1 > DOUBLE_DIGITS_MAX || matches!(bytes.get(end), Some(b'e' | b'E')) {
        return None;
    }
    // W. D. Clinger: the quotient of two exact doubles is the nearest double. Otherwise the library finds it.
    let value = match mantissa <= DOUBLE_INTEGER_MAX as u64 {
        true => mantissa as f64 / EXACT_POWERS[places],
        false => text[start..end].parse().ok()?,
    };
    let is_told = mantissa < 10u64.pow(DOUBLE_DIGITS_SURE as u32) || is_within_half(mantissa, places as u32, value);
    is_told.then_some((if negative { -value } else { value }, end))
}

/// Whether mantissa / 10^places is less than half a unit of its last place away from the double, which is then written so with as many digits.
/// For 16 and 17 digits with a point among or before them, which keeps everything within 128 bits.
fn is_within_half(mantissa: u64, places: u32, value: f64) -> bool {
    let (fraction, power) = parts(value);
    let left = (u128::from(fraction) * 10u128.pow(places)) << power.max(0);
    let right = u128::from(mantissa) << power.min(0).unsigned_abs();
    left.abs_diff(right) * 2 < 1 << power.min(0).unsigned_abs()
}

/// The digits from `at` on, appended to `value`, and where they end. Wraps around where they are too many; callers count them.
#[inline]
fn digits(bytes: &[u8], mut at: usize, mut value: u64) -> (u64, usize) {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let (digits, count) = leading_digits(*chunk);
        value = value.wrapping_mul(POWERS[count]).wrapping_add(digits);
        at += count;
        if count < 8 {
            return (value, at);
        }
    }
    while let Some(digit) = bytes.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        value = value.wrapping_mul(10).wrapping_add(digit as u64);
        at += 1;
    }
    (value, at)
}

/// What the digits at the start of eight bytes say, and how many they are. Without a branch on their number, which nobody can foretell.
#[inline]
fn leading_digits(bytes: [u8; 8]) -> (u64, usize) {
    const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
    const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
    // Adding it sets the high bit of a byte above 9. A carry can only mark bytes behind a true mark, and the first one counts.
    const TO_HIGH: u64 = u64::from_le_bytes([0x80 - 10; 8]);
    let digits = u64::from_le_bytes(bytes) ^ ZEROS;
    let others = (digits.wrapping_add(TO_HIGH) | digits) & HIGHS;
    let count = others.trailing_zeros() as usize / 8;
    // Moved to the end, with zeros before them, eight digits are added up in pairs, fours and eights.
    let digits = digits.checked_shl(64 - 8 * count as u32).unwrap_or(0);
    let pairs = digits.wrapping_mul((10 << 8) + 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul((100 << 16) + 1) >> 16 & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul((10_000 << 32) + 1) >> 32, count)
}

/// One to 18 digits stand there, and no leading zero.
#[inline]
fn is_plain(bytes: &[u8], start: usize, end: usize) -> bool {
    let count = end - start;
    (1..=18).contains(&count) && (count == 1 || bytes[start] != b'0')
}

fn split(literal: &str) -> (&str, i64) {
    match literal.split_once(['e', 'E']) {
        None => (literal, 0),
        Some((mantissa, exponent)) => (mantissa, exponent.parse().unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX })),
    }
}

/// Whether a double column tells this literal's value: the double is written like it, with as many digits. So everything that was ever written
/// from a double is told, and nothing whose last digits would change. More digits than name a double must be exactly what it is.
fn is_double(literal: &str, value: f64) -> bool {
    let (digits, last) = significant(literal);
    match digits.len() {
        0 => true,
        _ if !value.is_finite() || value == 0.0 => false,
        1..=DOUBLE_DIGITS_SURE => true,
        count @ ..=DOUBLE_DIGITS_MAX => significant(&format!("{:.*e}", count - 1, value)) == (digits, last),
        _ => is_exact(&digits, last, value),
    }
}

/// The digits from the first to the last that is not zero, and the power of ten of the last one.
fn significant(literal: &str) -> (String, i64) {
    let (mantissa, exponent) = split(literal);
    let places = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let kept = digits.trim_end_matches('0');
    let last = exponent.saturating_sub(places as i64).saturating_add((digits.len() - kept.len()) as i64);
    (kept.trim_start_matches('0').to_string(), last)
}

/// A double is odd × 2^power. Below zero the last decimal of that stands at exactly 10^power, so most literals are told apart by it alone.
fn is_exact(digits: &str, last: i64, value: f64) -> bool {
    let (mantissa, power) = parts(value);
    let power = power + mantissa.trailing_zeros() as i64;
    if power < 0 && power != last {
        return false;
    }
    significant(&format!("{:.*}", power.min(0).unsigned_abs() as usize, value)) == (digits.to_string(), last)
}

/// A finite double without its sign is a whole number times two to a power.
fn parts(value: f64) -> (u64, i64) {
    let bits = value.to_bits();
    let (fraction, biased) = (bits & ((1 << 52) - 1), (bits >> 52 & 0x7ff) as i64);
    if biased == 0 { (fraction, -1074) } else { (fraction | 1 << 52, biased - 1075) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_settle_to_what_holds_them() {
        for (literal, number) in [
            ("0", Number::BigInt(0)),
            ("-0", Number::BigInt(0)),
            ("9223372036854775807", Number::BigInt(i64::MAX)),
            ("-9223372036854775808", Number::BigInt(i64::MIN)),
            ("9223372036854775808", Number::Unheld),
            ("0.1", Number::Double(0.1)),
            ("1e3", Number::Double(1000.0)),
            ("0e999999999999999999999", Number::Double(0.0)),
            ("1e400", Number::Unheld),
            ("1e-400", Number::Unheld),
            ("0.10000000000000000000", Number::Double(0.1)),
            ("0.100000000000000000001", Number::Unheld),
            ("0.1000000000000000055511151231257827021181583404541015625", Number::Double(0.1)),
            ("0.1000000000000000055511151231257827021181583404541015626", Number::Unheld),
            ("0.10000000000000001", Number::Double(0.1)),
            ("0.30000000000000000", Number::Double(0.3)),
            ("0.12345678901234568", Number::Double(0.12345678901234568)),
            ("0.98765432109876541", Number::Unheld),
            ("9007199254740992.0", Number::Double(9007199254740992.0)),
            ("9007199254740993.0", Number::Unheld),
            ("9.007199254740993e15", Number::Unheld),
            ("1.7976931348623157e308", Number::Double(f64::MAX)),
            ("1152921504606846976.0", Number::Double(1152921504606846976.0)),
            ("1152921504606846977.0", Number::Unheld),
            ("1.152921504606846976e18", Number::Double(1152921504606846976.0)),
            ("5e-324", Number::Double(5e-324)),
        ] {
            assert_eq!(settle(literal), number, "{literal}");
        }
    }

    #[test]
    fn scaling_is_exact_or_nothing() {
        for (literal, scale, value) in [
            ("1.0", 0, Some(1)),
            ("1e3", 0, Some(1000)),
            ("-12.50", 1, Some(-125)),
            ("-12.55", 1, None),
            ("0.00", 0, Some(0)),
            ("100e-2", 0, Some(1)),
            ("1e-3", 3, Some(1)),
            ("1e99999999999999999999", 0, None),
            ("0e99999999999999999999", 0, Some(0)),
            ("170141183460469231731687303715884105727", 0, Some(i128::MAX)),
            ("170141183460469231731687303715884105728", 0, None),
            ("00000000000000000000000000000000000000000000000.5", 1, Some(5)),
            ("0.0000000000000000000000000000000000000000000000000000000005e60", 0, Some(500)),
        ] {
            assert_eq!(scaled(literal, scale), value, "{literal} at {scale}");
        }
    }

    #[test]
    fn the_plain_paths_agree_with_the_settled_reading_or_pass() {
        for literal in ["0", "-0", "7", "-17", "123456789012345678", "1234567890123456789", "01", "-", "1.5", "1e5", ""] {
            match plain_integer(literal.as_bytes(), 0) {
                Some((value, end)) => assert_eq!((settle(literal), end), (Number::BigInt(value), literal.len())),
                None => assert!(!matches!(literal, "0" | "-0" | "7" | "-17" | "123456789012345678"), "{literal}"),
            }
        }
        for literal in
            ["0.1", "-0.0", "3.141592653589793", "0.30000000000000004", "-9007199254740993.5", "1.", ".5", "1.5e3", "00.5", "-7.25"]
        {
            if let Some((value, end)) = plain_decimal(literal, 0) {
                assert_eq!((settle(literal), end), (Number::Double(value), literal.len()));
                assert_eq!(value.to_bits(), literal.parse::<f64>().unwrap().to_bits(), "{literal}");
            }
        }
        assert_eq!(plain_decimal("9007199254740992", 0), Some((9007199254740992.0, 16)));
        assert_eq!(plain_decimal("9007199254740993", 0), None);
    }
}
