//! Expectations: what a pipeline says of its rows, and what becomes of those that are not so.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{and, filter_record_batch};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::SessionContext;

use super::engine::met;
use crate::catalog::{Expectation, OnViolation};
use crate::error::{Error, Result, SqlState};
use crate::sql::overflow;

pub struct Expectations {
    checks: Vec<Check>,
}

struct Check {
    name: String,
    condition: Arc<dyn PhysicalExpr>,
    on_violation: OnViolation,
}

/// What is left of some rows.
pub struct Output {
    pub rows: RecordBatch,
    /// Per expectation, in the order they were declared: its name, rows that met it, rows that did not.
    pub tallies: Vec<(String, u64, u64)>,
}

impl Expectations {
    /// Of rows with these columns.
    pub fn new(context: &SessionContext, schema: &SchemaRef, expectations: &[Expectation]) -> Result<Expectations> {
        let checks = expectations.iter().map(|expectation| check(context, schema, expectation)).collect::<Result<_>>()?;
        Ok(Expectations { checks })
    }

    /// An error means that a row breaks an expectation that says FAIL; nothing of the rows is to be kept then.
    pub fn look_at(&self, mut rows: RecordBatch) -> Result<Output> {
        let mut tallies = Vec::with_capacity(self.checks.len());
        let mut keep: Option<BooleanArray> = None;
        for check in &self.checks {
            let met = met(&check.condition, &rows)?;
            let passed = met.true_count() as u64;
            let violated = rows.num_rows() as u64 - passed;
            tallies.push((check.name.clone(), passed, violated));
            match check.on_violation {
                OnViolation::Fail if violated > 0 => {
                    return Err(Error::data(format!(
                        "expectation \"{}\" is violated by {violated} of {} rows",
                        check.name,
                        rows.num_rows()
                    ))
                    .with_state(SqlState::CHECK_VIOLATION)
                    .with_hint("correct the data or the condition, or use ON VIOLATION DROP ROW"));
                }
                OnViolation::DropRow if violated > 0 => {
                    keep = Some(match keep {
                        Some(kept) => and(&kept, &met)?,
                        None => met,
                    });
                }
                _ => {}
            }
        }
        if let Some(keep) = keep {
            rows = filter_record_batch(&rows, &keep)?;
        }
        Ok(Output { rows, tallies })
    }
}

fn check(context: &SessionContext, schema: &SchemaRef, expectation: &Expectation) -> Result<Check> {
    let schema = DFSchema::try_from(schema.as_ref().clone())?;
    let condition = context.state().create_logical_expr(&expectation.condition, &schema)?;
    let condition = context.create_physical_expr(overflow::checked(condition, &schema)?, &schema)?;
    let data_type = condition.data_type(schema.as_arrow())?;
    if data_type != DataType::Boolean {
        return Err(Error::invalid(format!("the condition of expectation \"{}\" is not boolean", expectation.name))
            .with_state(SqlState::DATATYPE_MISMATCH));
    }
    Ok(Check { name: expectation.name.clone(), condition, on_violation: expectation.on_violation })
}
