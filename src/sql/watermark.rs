//! `WATERMARK FOR column AS column [- INTERVAL '5 seconds']`, among the columns of a source.

use sqlparser::ast::{BinaryOperator, Expr};

use super::ColumnDef;
use super::intervals::Span;
use super::reader::Reader;
use crate::error::{Error, Result, SqlState};
use crate::model::name::fold;
use crate::model::{Name, SqlType};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watermark {
    pub column: Name,
    /// Not negative.
    pub lateness_micros: i64,
    /// Of the column's name, in the statement.
    pub position: usize,
}

/// The clause, if it comes next.
pub fn optional(reader: &mut Reader) -> Result<Option<Watermark>> {
    if !reader.accept(&["WATERMARK", "FOR"]) {
        return Ok(None);
    }
    let column = reader.name("a column's name")?;
    reader.expect(&["AS"])?;
    let position = reader.position();
    let expression = reader.expression()?;
    let lateness_micros = lateness(&expression, &column.name).map_err(|error| error.at(position))?;
    Ok(Some(Watermark { column: column.name, lateness_micros, position: column.position }))
}

/// It is about one of the columns of the list, and that one is a time.
pub fn check(watermark: &Watermark, columns: &[ColumnDef]) -> Result<()> {
    let column = columns.iter().find(|column| column.name == watermark.column).ok_or_else(|| {
        Error::undefined(format!("column \"{}\" of the watermark does not exist", watermark.column))
            .with_state(SqlState::UNDEFINED_COLUMN)
            .with_hint("declare it in the column list")
            .at(watermark.position)
    })?;
    match column.data_type {
        SqlType::Timestamp | SqlType::TimestampTz => Ok(()),
        _ => Err(Error::invalid(format!("column \"{}\" of the watermark is of type {}", column.name, column.data_type.name()))
            .with_state(SqlState::DATATYPE_MISMATCH)
            .with_hint("a watermark is for a timestamp or timestamptz")
            .at(watermark.position)),
    }
}

fn lateness(expression: &Expr, column: &Name) -> Result<i64> {
    let unsupported = || {
        Error::unsupported("this form of watermark is not supported")
            .with_hint(format!("write WATERMARK FOR {0} AS {0} - INTERVAL '5 seconds'", column.quoted()))
    };
    let is_column = |side: &Expr| matches!(side, Expr::Identifier(ident) if fold(ident) == column.as_str());
    match expression {
        side if is_column(side) => Ok(0),
        Expr::BinaryOp { left, op: BinaryOperator::Minus, right } if is_column(left) => {
            let span = Span::of(right)?.ok_or_else(unsupported)?;
            match span {
                Span::Micros(micros) if micros >= 0 => Ok(micros),
                Span::Micros(_) => Err(Error::invalid("the lateness of a watermark cannot be negative")),
                Span::Months(_) => Err(Error::invalid("the lateness of a watermark cannot be in months, which have no fixed length")),
            }
        }
        _ => Err(unsupported()),
    }
}
