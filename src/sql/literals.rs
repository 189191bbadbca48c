//! Numbers as they are written. The planner reads `1.5` as a decimal, exactly; what no decimal holds, `1e300`, is a double here.

use std::ops::ControlFlow;

use sqlparser::ast::{CastKind, DataType, ExactNumberInfo, Expr, Value, VisitMut, visit_expressions_mut};

/// How many digits the largest decimal has.
const DECIMAL_DIGITS_MAX: i64 = 76;

/// Casts the numbers that are too large or too small for a decimal.
pub fn widen(written: &mut impl VisitMut) {
    let _ = visit_expressions_mut(written, |expression| {
        if let Expr::Value(value) = &*expression
            && let Value::Number(digits, _) = &value.value
            && !fits_decimal(digits)
        {
            let text = Expr::Value(Value::SingleQuotedString(digits.clone()).with_span(value.span));
            *expression = Expr::Cast {
                kind: CastKind::DoubleColon,
                expr: Box::new(text),
                data_type: DataType::Double(ExactNumberInfo::None),
                array: false,
                format: None,
            };
        }
        ControlFlow::<()>::Continue(())
    });
}

fn fits_decimal(number: &str) -> bool {
    let Some((mantissa, exponent)) = number.split_once(['e', 'E']) else { return true };
    let exponent: i64 = exponent.parse().unwrap_or(i64::MAX);
    let digits = mantissa.len() as i64;
    exponent.saturating_abs().saturating_add(digits) <= DECIMAL_DIGITS_MAX
}

#[cfg(test)]
mod tests {
    use super::fits_decimal;

    #[test]
    fn exponents_decide() {
        for number in ["1", "1.5", "12345678901234567890", "1e10", "1.5E-30"] {
            assert!(fits_decimal(number), "{number}");
        }
        for number in ["1e300", "1.5e-300", "1e99999999999999999999"] {
            assert!(!fits_decimal(number), "{number}");
        }
    }
}
