//! How long a table keeps what it does not need itself.

use chrono::TimeDelta;

use crate::lake::log::action::Metadata;

/// Whatever a table says, nothing younger is removed: an owner that sleeps may be believed in for so long.
const RETENTION_MIN: TimeDelta = TimeDelta::days(7);

/// How long commits are kept that a checkpoint stands for. `None`: nobody can tell, so for ever.
pub fn of_log(metadata: &Metadata) -> Option<TimeDelta> {
    retention(metadata, "delta.logRetentionDuration", TimeDelta::days(30))
}

/// How long files are kept that were removed from the table, and the tombstones that tell of them.
pub fn of_removed_files(metadata: &Metadata) -> Option<TimeDelta> {
    retention(metadata, "delta.deletedFileRetentionDuration", TimeDelta::days(7))
}

fn retention(metadata: &Metadata, property: &str, default: TimeDelta) -> Option<TimeDelta> {
    match metadata.configuration.get(property).and_then(Option::as_deref) {
        Some(text) => parse(text).map(|told| told.max(RETENTION_MIN)),
        None => Some(default),
    }
}

/// `interval 30 days`, `interval 1 week 2 days`, as Spark writes intervals.
fn parse(text: &str) -> Option<TimeDelta> {
    let lower = text.trim().to_lowercase();
    let words: Vec<_> = lower.strip_prefix("interval").unwrap_or(&lower).split_whitespace().collect();
    if words.is_empty() || !words.len().is_multiple_of(2) {
        return None;
    }
    words.chunks(2).try_fold(TimeDelta::zero(), |sum, pair| sum.checked_add(&part(pair[0].parse().ok()?, pair[1])?))
}

fn part(count: i64, unit: &str) -> Option<TimeDelta> {
    match unit.trim_end_matches('s') {
        "week" => TimeDelta::try_weeks(count),
        "day" => TimeDelta::try_days(count),
        "hour" => TimeDelta::try_hours(count),
        "minute" => TimeDelta::try_minutes(count),
        "second" => TimeDelta::try_seconds(count),
        "millisecond" => TimeDelta::try_milliseconds(count),
        "microsecond" => Some(TimeDelta::microseconds(count)),
        "nanosecond" => Some(TimeDelta::nanoseconds(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_as_other_engines_write_them() {
        assert_eq!(parse("interval 30 days"), Some(TimeDelta::days(30)));
        assert_eq!(parse("INTERVAL 1 week 2 Days"), Some(TimeDelta::days(9)));
        assert_eq!(parse("240 hours"), Some(TimeDelta::days(10)));
        for unknown in ["", "interval", "interval 1 month", "interval 1", "interval x days", "interval 9223372036854775807 weeks"] {
            assert_eq!(parse(unknown), None, "{unknown}");
        }
    }
}
