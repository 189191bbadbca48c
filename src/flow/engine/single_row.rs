//! A subquery in place of a value has one row at most. Where that is not plain from its plan, it is wrapped in an aggregate that says so: it
//! gives the value of the only row, null for none, and fails for two.

use std::mem::size_of_val;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, ScalarValue};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, LogicalPlan, LogicalPlanBuilder, Signature, Subquery, Volatility,
};

use crate::error::{Error, Result, SqlState};

/// The same plan, whose subqueries in place of a value are known to have one row.
pub fn checked(plan: LogicalPlan) -> Result<LogicalPlan> {
    let checked = plan.transform_up_with_subqueries(|node| {
        node.map_expressions(|expression| {
            expression.transform_up(|part| match part {
                Expr::ScalarSubquery(subquery) if subquery.outer_ref_columns.is_empty() && !has_one_row(&subquery.subquery) => {
                    Ok(Transformed::yes(Expr::ScalarSubquery(only_row_of(subquery)?)))
                }
                other => Ok(Transformed::no(other)),
            })
        })
    })?;
    Ok(checked.data)
}

fn has_one_row(plan: &LogicalPlan) -> bool {
    plan.max_rows().is_some_and(|rows| rows <= 1)
}

fn only_row_of(subquery: Subquery) -> DataFusionResult<Subquery> {
    let (qualifier, field) = subquery.subquery.schema().qualified_field(0);
    let (value, name) = (Expr::Column(Column::from((qualifier, field))), field.name().clone());
    let only_row = AggregateUDF::new_from_impl(OnlyRow { signature: Signature::any(1, Volatility::Immutable) });
    let call = AggregateFunction::new_udf(Arc::new(only_row), vec![value], false, None, vec![], None);
    let plan = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone())
        .aggregate(Vec::<Expr>::new(), vec![Expr::AggregateFunction(call).alias(name)])?
        .build()?;
    Ok(subquery.with_plan(Arc::new(plan)))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OnlyRow {
    signature: Signature,
}

impl AggregateUDFImpl for OnlyRow {
    fn name(&self) -> &str {
        "only_row"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> DataFusionResult<DataType> {
        Ok(arguments[0].clone())
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> DataFusionResult<Box<dyn Accumulator>> {
        Ok(Box::new(Only { nothing: ScalarValue::try_from(arguments.return_field.data_type())?, row: None }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> DataFusionResult<Vec<FieldRef>> {
        let value = Field::new("value", arguments.return_field.data_type().clone(), true);
        Ok(vec![Arc::new(value), Arc::new(Field::new("is_there", DataType::Boolean, false))])
    }
}

#[derive(Debug)]
struct Only {
    nothing: ScalarValue,
    row: Option<ScalarValue>,
}

impl Only {
    fn see(&mut self, values: &ArrayRef, row: usize) -> DataFusionResult<()> {
        match self.row {
            None => self.row = Some(ScalarValue::try_from_array(values, row)?),
            Some(_) => {
                return Err(Error::data("more than one row returned by a subquery used as an expression")
                    .with_state(SqlState::CARDINALITY_VIOLATION)
                    .into());
            }
        }
        Ok(())
    }
}

impl Accumulator for Only {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DataFusionResult<()> {
        // The second row fails: no more than two are looked at.
        (0..values[0].len()).try_for_each(|row| self.see(&values[0], row))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DataFusionResult<()> {
        let mut there = states[1].as_boolean().values().set_indices();
        there.try_for_each(|row| self.see(&states[0], row))
    }

    fn evaluate(&mut self) -> DataFusionResult<ScalarValue> {
        Ok(self.row.clone().unwrap_or_else(|| self.nothing.clone()))
    }

    fn state(&mut self) -> DataFusionResult<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?, ScalarValue::Boolean(Some(self.row.is_some()))])
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
