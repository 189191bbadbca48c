//! Dates and times of ISO 8601 in the one form that machines write: `2026-01-31T23:59:59.123456+01:00`.

const SECOND_MICROS: i64 = 1_000_000;
const DAY_SECONDS: i64 = 86_400;
/// Fractions may have this many digits; those beyond microseconds must be zero, or something would be lost.
const FRACTION_DIGITS_MAX: usize = 9;

/// A date and time of day as written, and what it says about the zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Microseconds from 1970-01-01T00:00:00 to the written date and time, in the same zone.
    pub local_micros: i64,
    pub zone: Zone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// `Z`.
    Utc,
    /// `+01:00`, in seconds to the east.
    Offset(i64),
    /// Nothing: a local time.
    Unsaid,
}

impl Stamp {
    /// The instant in microseconds since 1970 in UTC, if the zone is known.
    #[inline]
    pub fn instant(&self) -> Option<i64> {
        match self.zone {
            Zone::Utc => Some(self.local_micros),
            Zone::Offset(seconds) => Some(self.local_micros - seconds * SECOND_MICROS),
            Zone::Unsaid => None,
        }
    }
}

/// The instant that the whole text names: date, `T` or a space, time, and `Z` or an offset.
pub fn instant(text: &str) -> Option<i64> {
    stamp(text)?.instant()
}

/// The date and time that the whole text names.
pub fn stamp(text: &str) -> Option<Stamp> {
    whole(text, stamp_at(text.as_bytes(), 0)?)
}

/// The days since 1970-01-01 of the date that the whole text names.
pub fn date(text: &str) -> Option<i32> {
    let date = text.as_bytes().first_chunk::<10>()?;
    whole(text, (days(date)? as i32, date.len()))
}

/// The microseconds since midnight of the time of day that the whole text names.
pub fn time(text: &str) -> Option<i64> {
    let seconds = seconds(text.as_bytes().first_chunk::<8>()?)?;
    let (micros, end) = fraction(text.as_bytes(), 8)?;
    whole(text, (seconds * SECOND_MICROS + micros, end))
}

/// The date and time that begins at `at`, and where it ends.
#[inline]
pub fn stamp_at(bytes: &[u8], at: usize) -> Option<(Stamp, usize)> {
    let fixed = bytes.get(at..)?.first_chunk::<19>()?;
    let (date, clock) = (fixed.first_chunk::<10>()?, fixed.last_chunk::<8>()?);
    if !matches!(fixed[10], b'T' | b' ') {
        return None;
    }
    let local = days(date)? * DAY_SECONDS + seconds(clock)?;
    let (micros, at) = fraction(bytes, at + fixed.len())?;
    let (zone, end) = zone(bytes, at)?;
    Some((Stamp { local_micros: local * SECOND_MICROS + micros, zone }, end))
}

fn whole<T>(text: &str, (value, end): (T, usize)) -> Option<T> {
    (end == text.len()).then_some(value)
}

/// `2026-01-31` in days since 1970-01-01 (H. Hinnant, chrono-compatible low-level date algorithms). The year 0 is not taken: PostgreSQL has none.
#[inline]
fn days(date: &[u8; 10]) -> Option<i64> {
    let year = two(date[0], date[1])? * 100 + two(date[2], date[3])?;
    let (month, day) = (two(date[5], date[6])?, two(date[8], date[9])?);
    if date[4] != b'-' || date[7] != b'-' || year == 0 || !(1..=12).contains(&month) || day == 0 || day > month_days(year, month) {
        return None;
    }
    let year = year - (month <= 2) as i64;
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[inline]
fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `23:59:59` in seconds. A leap second has no place on PostgreSQL's line of time.
#[inline]
fn seconds(clock: &[u8; 8]) -> Option<i64> {
    let (hour, minute, second) = (two(clock[0], clock[1])?, two(clock[3], clock[4])?, two(clock[6], clock[7])?);
    let good = clock[2] == b':' && clock[5] == b':' && hour < 24 && minute < 60 && second < 60;
    good.then_some(hour * 3600 + minute * 60 + second)
}

/// `.123456`, if there is one, in microseconds, and where it ends.
#[inline]
fn fraction(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    if bytes.get(at) != Some(&b'.') {
        return Some((0, at));
    }
    let (mut nanos, mut end) = (0, at + 1);
    while let Some(digit) = bytes.get(end).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        if end - at > FRACTION_DIGITS_MAX {
            return None;
        }
        nanos = nanos * 10 + digit as i64;
        end += 1;
    }
    let digits = end - at - 1;
    nanos *= 10i64.pow((FRACTION_DIGITS_MAX - digits) as u32);
    (digits > 0 && nanos % 1000 == 0).then_some((nanos / 1000, end))
}

/// `Z`, `+01`, `+0100`, `+01:00` or nothing.
#[inline]
fn zone(bytes: &[u8], at: usize) -> Option<(Zone, usize)> {
    let sign = match bytes.get(at) {
        Some(b'Z') => return Some((Zone::Utc, at + 1)),
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Some((Zone::Unsaid, at)),
    };
    let hours = two(*bytes.get(at + 1)?, *bytes.get(at + 2)?)?;
    let colon = (bytes.get(at + 3) == Some(&b':')) as usize;
    let (minutes, end) = match (bytes.get(at + 3 + colon), bytes.get(at + 4 + colon)) {
        (Some(tens @ b'0'..=b'9'), Some(ones)) => (two(*tens, *ones)?, at + 5 + colon),
        _ if colon == 1 => return None,
        _ => (0, at + 3),
    };
    (hours < 24 && minutes < 60).then_some((Zone::Offset(sign * (hours * 3600 + minutes * 60)), end))
}

/// Two digits.
#[inline]
fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then_some(tens as i64 * 10 + ones as i64)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate};

    use super::*;

    #[test]
    fn instants_are_those_of_chrono() {
        for text in [
            "2026-01-31T23:59:59Z",
            "2026-01-31 23:59:59.1Z",
            "2024-02-29T00:00:00.123456+01:00",
            "1969-12-31T23:59:59.999999-23:59",
            "0001-01-01T00:00:00.000001000Z",
            "9999-12-31T23:59:59.123456000Z",
        ] {
            let expected = DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros();
            assert_eq!(instant(text), Some(expected), "{text}");
        }
        assert_eq!(instant("2026-01-01T00:00:00+0130"), instant("2025-12-31T22:30:00Z"));
        assert_eq!(instant("2026-01-01T00:00:00-01"), instant("2026-01-01T01:00:00Z"));
    }

    #[test]
    fn what_would_lose_something_is_no_instant() {
        for text in [
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.0000001Z",
            "2026-01-01T00:00:00.0000000000Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:60Z",
            "2026-02-29T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "2026-01-01T00:00:00Z ",
            "2026-01-01T00:00:00+1",
            "2026-01-01T00:00:00+01:",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01t00:00:00z",
            "",
        ] {
            assert_eq!(instant(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_chronos() {
        let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        for day in NaiveDate::from_ymd_opt(1800, 1, 1).unwrap().iter_days().take(146_097) {
            assert_eq!(date(&day.to_string()), Some((day - epoch).num_days() as i32));
        }
        assert_eq!(time("23:59:59.5"), Some(86_399_500_000));
        assert_eq!(time("23:59"), None);
    }
}
