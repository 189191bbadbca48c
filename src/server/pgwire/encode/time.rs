//! Dates, times and intervals in PostgreSQL's ISO style. Own calendar arithmetic: it covers every value the types can hold.

use std::fmt::Write;

use arrow::datatypes::IntervalMonthDayNano;
use bytes::{BufMut, BytesMut};

/// Days and microseconds from 1970, Arrow's epoch, to 2000, PostgreSQL's.
pub const EPOCH_2000_DAYS: i32 = 10_957;
pub const EPOCH_2000_MICROS: i64 = EPOCH_2000_DAYS as i64 * DAY_MICROS;

const SECOND_MICROS: i64 = 1_000_000;
const DAY_MICROS: i64 = 86_400 * SECOND_MICROS;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    None,
    Utc,
}

pub(super) fn write_date(days: i32, out: &mut BytesMut) {
    let era = put_civil(days as i64, out);
    put_era(era, out);
}

pub(super) fn write_time(micros: i64, out: &mut BytesMut) {
    put(out, format_args!("{:02}:{:02}:{:02}", micros / 3_600_000_000, micros / 60_000_000 % 60, micros / SECOND_MICROS % 60));
    put_fraction(micros % SECOND_MICROS, out);
}

pub(super) fn write_timestamp(micros: i64, zone: Zone, out: &mut BytesMut) {
    let era = put_civil(micros.div_euclid(DAY_MICROS), out);
    out.put_u8(b' ');
    write_time(micros.rem_euclid(DAY_MICROS), out);
    if zone == Zone::Utc {
        out.put_slice(b"+00");
    }
    put_era(era, out);
}

/// `1 year 2 mons 3 days 04:05:06.5`; after a negative part the following ones carry their sign.
pub(super) fn write_interval(interval: IntervalMonthDayNano, out: &mut BytesMut) {
    let micros = interval.nanoseconds / 1_000;
    let mut written = Written { nothing: true, negative: false };
    written.unit(interval.months / 12, "year", out);
    written.unit(interval.months % 12, "mon", out);
    written.unit(interval.days, "day", out);
    if written.nothing || micros != 0 {
        if !written.nothing {
            out.put_u8(b' ');
        }
        match (micros < 0, written.negative) {
            (true, _) => out.put_u8(b'-'),
            (false, true) => out.put_u8(b'+'),
            (false, false) => {}
        }
        write_time(micros.abs(), out);
    }
}

struct Written {
    nothing: bool,
    negative: bool,
}

impl Written {
    fn unit(&mut self, value: i32, unit: &str, out: &mut BytesMut) {
        if value == 0 {
            return;
        }
        let space = if self.nothing { "" } else { " " };
        let sign = if self.negative && value > 0 { "+" } else { "" };
        let plural = if value == 1 { "" } else { "s" };
        put(out, format_args!("{space}{sign}{value} {unit}{plural}"));
        *self = Written { nothing: false, negative: value < 0 };
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Era {
    Common,
    BeforeChrist,
}

/// Days to year, month, day: the algorithm of H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn put_civil(days: i64, out: &mut BytesMut) -> Era {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + (month <= 2) as i64;
    let (era, shown) = if year > 0 { (Era::Common, year) } else { (Era::BeforeChrist, 1 - year) };
    put(out, format_args!("{shown:04}-{month:02}-{day:02}"));
    era
}

fn put_era(era: Era, out: &mut BytesMut) {
    if era == Era::BeforeChrist {
        out.put_slice(b" BC");
    }
}

/// A fraction of a second without trailing zeros; nothing for a whole one.
fn put_fraction(micros: i64, out: &mut BytesMut) {
    if micros == 0 {
        return;
    }
    put(out, format_args!(".{micros:06}"));
    while out.last() == Some(&b'0') {
        out.truncate(out.len() - 1);
    }
}

fn put(out: &mut BytesMut, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a buffer grows as it must");
}
