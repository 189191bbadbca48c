//! Intervals as text, also as we print them: `1 year 2 mons -3 days +04:05:06.5`.

use arrow::compute::kernels::cast_utils::parse_interval_month_day_nano;
use arrow::datatypes::IntervalMonthDayNano;

const SECOND_NANOS: i64 = 1_000_000_000;
const FRACTION_DIGITS: usize = 9;

/// Arrow reads numbers with units; the clock (`[-]hours:minutes[:seconds]`) is read here.
pub fn parse(text: &str) -> Option<IntervalMonthDayNano> {
    let (clocks, units): (Vec<&str>, Vec<&str>) = text.split_ascii_whitespace().partition(|word| word.contains(':'));
    let units = units.iter().map(|word| word.strip_prefix('+').unwrap_or(word)).collect::<Vec<_>>().join(" ");
    let mut interval = match (units.is_empty(), clocks.is_empty()) {
        (true, true) => return None,
        (true, false) => IntervalMonthDayNano::default(),
        (false, _) => parse_interval_month_day_nano(&units).ok()?,
    };
    for clock in clocks {
        interval.nanoseconds = interval.nanoseconds.checked_add(clock_nanos(clock)?)?;
    }
    Some(interval)
}

fn clock_nanos(text: &str) -> Option<i64> {
    let (sign, text) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let mut parts = text.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next().unwrap_or("0"));
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let below_60 = |text: &str| digits(text).filter(|value| *value < 60);
    let whole = digits(hours)?.checked_mul(3_600)?.checked_add(below_60(minutes)? * 60 + below_60(seconds)?)?;
    match parts.next() {
        Some(_) => None,
        None => whole.checked_mul(SECOND_NANOS)?.checked_add(fraction_nanos(fraction)?)?.checked_mul(sign),
    }
}

fn fraction_nanos(text: &str) -> Option<i64> {
    match text.len() {
        0 => Some(0),
        length if length <= FRACTION_DIGITS => Some(digits(text)? * 10_i64.pow((FRACTION_DIGITS - length) as u32)),
        _ => None,
    }
}

fn digits(text: &str) -> Option<i64> {
    match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().ok(),
        false => None,
    }
}
