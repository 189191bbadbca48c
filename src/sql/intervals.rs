//! Interval literals as numbers, for where a query's meaning depends on them before it is planned.

use std::fmt;

use arrow::compute::kernels::cast_utils::parse_interval_month_day_nano;
use arrow::datatypes::IntervalMonthDayNanoType;
use sqlparser::ast::{DataType, Expr, Interval, Value};

use crate::error::{Error, Result, SqlState};

const NANOS_PER_MICRO: i64 = 1_000;
const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 24 * 3600 * MICROS_PER_SECOND;

/// A length of time. Months and years have no fixed length, so the two kinds never mix. A day is 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    Months(i64),
    Micros(i64),
}

impl Span {
    /// The length of an interval literal: `INTERVAL '5 minutes'`, `INTERVAL '5' MINUTE`, `'5 minutes'::interval`. `None` for any other
    /// expression. Errors: the text is no interval, mixes months with days or less, or is finer than a microsecond.
    pub fn of(expression: &Expr) -> Result<Option<Span>> {
        let text = match expression {
            Expr::Interval(interval) => text_of(interval),
            Expr::Cast { expr, data_type: DataType::Interval { .. }, .. } => string(expr).map(str::to_string),
            Expr::Nested(inner) => return Span::of(inner),
            _ => None,
        };
        text.map(|text| Span::parse(&text)).transpose()
    }

    fn parse(text: &str) -> Result<Span> {
        let invalid =
            || Error::invalid(format!("invalid input syntax for type interval: \"{text}\"")).with_state(SqlState::INVALID_DATETIME_FORMAT);
        let value = parse_interval_month_day_nano(text).map_err(|_| invalid())?;
        let (months, days, nanos) = IntervalMonthDayNanoType::to_parts(value);
        if nanos % NANOS_PER_MICRO != 0 {
            return Err(Error::invalid(format!("interval '{text}' is finer than a microsecond")));
        }
        let micros = i64::from(days).checked_mul(MICROS_PER_DAY).and_then(|days| days.checked_add(nanos / NANOS_PER_MICRO));
        match (months, micros) {
            (_, None) => Err(invalid()),
            (0, Some(micros)) => Ok(Span::Micros(micros)),
            (months, Some(0)) => Ok(Span::Months(i64::from(months))),
            _ => {
                Err(Error::invalid(format!("interval '{text}' mixes months with days or less")).with_detail("months have no fixed length"))
            }
        }
    }

    /// In its own unit.
    pub fn length(self) -> i64 {
        match self {
            Span::Months(length) | Span::Micros(length) => length,
        }
    }

    pub fn is_positive(self) -> bool {
        self.length() > 0
    }

    /// Whether both are of the same kind.
    pub fn is_like(self, other: Span) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }

    pub fn times(self, factor: i64) -> Span {
        match self {
            Span::Months(months) => Span::Months(months.saturating_mul(factor)),
            Span::Micros(micros) => Span::Micros(micros.saturating_mul(factor)),
        }
    }
}

/// As a literal that has this length.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Span::Months(months) => write!(f, "INTERVAL '{months} months'"),
            Span::Micros(micros) if micros % MICROS_PER_SECOND == 0 => write!(f, "INTERVAL '{} seconds'", micros / MICROS_PER_SECOND),
            Span::Micros(micros) => write!(f, "INTERVAL '{micros} microseconds'"),
        }
    }
}

fn text_of(interval: &Interval) -> Option<String> {
    let value = string(&interval.value)?;
    match (&interval.leading_field, &interval.last_field) {
        (None, None) => Some(value.to_string()),
        (Some(field), None) => Some(format!("{value} {field}")),
        _ => None,
    }
}

fn string(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> String {
        let query = crate::sql::parse_query(&format!("SELECT {text}")).unwrap();
        let sqlparser::ast::SetExpr::Select(select) = *query.body else { panic!() };
        let sqlparser::ast::SelectItem::UnnamedExpr(expression) = &select.projection[0] else { panic!() };
        match Span::of(expression) {
            Ok(span) => format!("{span:?}"),
            Err(error) => error.message().to_string(),
        }
    }

    #[test]
    fn intervals_have_lengths() {
        assert_eq!(span("INTERVAL '5 minutes'"), "Some(Micros(300000000))");
        assert_eq!(span("INTERVAL '5' MINUTE"), "Some(Micros(300000000))");
        assert_eq!(span("INTERVAL '1 day 0.000001 seconds'"), "Some(Micros(86400000001))");
        assert_eq!(span("('1 hour'::interval)"), "Some(Micros(3600000000))");
        assert_eq!(span("INTERVAL '1 year 2 months'"), "Some(Months(14))");
        assert_eq!(span("INTERVAL '-5 seconds'"), "Some(Micros(-5000000))");
        assert_eq!(span("x"), "None");
        assert_eq!(span("INTERVAL '1 month 1 day'"), "interval '1 month 1 day' mixes months with days or less");
        assert_eq!(span("INTERVAL '5 parsecs'"), "invalid input syntax for type interval: \"5 parsecs\"");
        assert_eq!(span("INTERVAL '5 nanoseconds'"), "interval '5 nanoseconds' is finer than a microsecond");
    }
}
