//! How the columns of a result become the columns of a table.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::{Error, Result, SqlState};
use crate::model::{SchemaMode, SqlType};

/// Which column of a result goes where. Made once for a result and a table; applied to every batch.
#[derive(Debug)]
pub struct Assignment {
    /// The schema of what `apply` gives: columns of the table, by name, in the order of the result.
    pub schema: SchemaRef,
    /// Columns that the table does not have yet.
    pub new_columns: Vec<Field>,
    casts: Vec<Option<DataType>>,
    relation: String,
}

/// The table as an assignment sees it.
pub struct Into<'a> {
    pub relation: &'a str,
    pub schema: &'a Schema,
    pub mode: SchemaMode,
}

impl Assignment {
    /// Matches columns by name. `names` are the names that the result's columns shall have in the table.
    ///
    /// In an evolving table a column that is not there is added, and one of another type goes to a sibling (`x__text`) unless it can be widened
    /// without loss. In a fixed table PostgreSQL's rules of assignment hold.
    pub fn new(result: &Schema, names: &[String], into: &Into<'_>) -> Result<Assignment> {
        let mut assignment =
            Assignment { schema: Arc::new(Schema::empty()), new_columns: vec![], casts: vec![], relation: into.relation.to_string() };
        let mut fields = Vec::with_capacity(names.len());
        for (field, name) in result.fields().iter().zip(names) {
            let (target, cast) = match into.mode {
                SchemaMode::Fixed => assignment.fit_fixed(field, name, into)?,
                SchemaMode::Evolve => assignment.fit_evolving(field, name, into)?,
            };
            fields.push(target);
            assignment.casts.push(cast);
        }
        refuse_twins(&fields)?;
        require_not_null_columns(&fields, into)?;
        assignment.schema = Arc::new(Schema::new(fields));
        Ok(assignment)
    }

    fn fit_fixed(&self, field: &Field, name: &str, into: &Into<'_>) -> Result<(Field, Option<DataType>)> {
        let Some(target) = find(into.schema, name) else {
            return Err(Error::undefined(format!("column \"{name}\" of relation \"{}\" does not exist", into.relation))
                .with_state(SqlState::UNDEFINED_COLUMN)
                .with_hint(format!("ALTER TABLE {} ADD COLUMN …, or make the table WITH (schema = 'evolve')", into.relation)));
        };
        if target.data_type() == field.data_type() {
            // Text for a json column is looked at when it comes: a literal has no other type.
            return Ok((target.clone(), None));
        }
        let (from, to) = (SqlType::from_field(field), SqlType::from_field(target));
        if !is_assignable(&from, &to) || !can_cast_types(field.data_type(), target.data_type()) {
            return Err(Error::invalid(format!("column \"{name}\" is of type {to} but expression is of type {from}"))
                .with_state(SqlState::DATATYPE_MISMATCH)
                .with_hint("you will need to rewrite or cast the expression"));
        }
        Ok((target.clone(), Some(target.data_type().clone())))
    }

    fn fit_evolving(&mut self, field: &Field, name: &str, into: &Into<'_>) -> Result<(Field, Option<DataType>)> {
        let from = SqlType::from_field(field);
        from.check_storable(name)?;
        let canonical = from.to_field(name, true);
        if !can_cast_types(field.data_type(), canonical.data_type()) {
            return Err(Error::unsupported(format!("column \"{name}\" has a type that a table cannot hold: {}", field.data_type()))
                .with_hint("cast it, for example to text"));
        }
        if let Some(target) = find(into.schema, name) {
            let is_unread_json = SqlType::from_field(target) == SqlType::Json && from == SqlType::Text;
            if is_widening(canonical.data_type(), target.data_type()) && !is_unread_json {
                return Ok((target.clone(), cast_if_needed(field, target.data_type())));
            }
            let sibling = format!("{name}__{}", from.reading_suffix());
            return match find(into.schema, &sibling) {
                Some(target) if target.data_type() == canonical.data_type() => {
                    Ok((target.clone(), cast_if_needed(field, target.data_type())))
                }
                Some(target) => Err(Error::invalid(format!("columns \"{name}\" and \"{sibling}\" cannot take a value of type {from}"))
                    .with_state(SqlState::DATATYPE_MISMATCH)
                    .with_detail(format!("column \"{sibling}\" is of type {}", SqlType::from_field(target)))
                    .with_hint("give the expression another name with AS")),
                None => Ok(self.add(from.to_field(&sibling, true), field)),
            };
        }
        Ok(self.add(canonical, field))
    }

    fn add(&mut self, column: Field, from: &Field) -> (Field, Option<DataType>) {
        let cast = cast_if_needed(from, column.data_type());
        self.new_columns.push(column.clone());
        (column, cast)
    }

    /// The rows as the table takes them. A value that cannot be converted, or a null where there may be none, is an error.
    pub fn apply(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let arrays = rows
            .columns()
            .iter()
            .zip(&self.casts)
            .zip(self.schema.fields().iter().zip(rows.schema_ref().fields()))
            .map(|((array, to), (field, from))| {
                if SqlType::from_field(field) == SqlType::Json && SqlType::from_field(from) != SqlType::Json {
                    check_json(array, field)?;
                }
                self.apply_to(array, to.as_ref(), field)
            })
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)?)
    }

    fn apply_to(&self, array: &ArrayRef, to: Option<&DataType>, field: &Field) -> Result<ArrayRef> {
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let array = match to {
            None => array.clone(),
            Some(to) => cast_with_options(array, to, &strict).map_err(Error::from).map_err(|error| {
                let message = format!("a value does not fit column \"{}\"", field.name());
                Error::data(message).with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE).with_detail(error.one_line())
            })?,
        };
        match !field.is_nullable() && array.null_count() > 0 {
            false => Ok(array),
            true => Err(Error::data(format!(
                "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                field.name(),
                self.relation
            ))
            .with_state(SqlState::NOT_NULL_VIOLATION)),
        }
    }
}

/// Names that differ only in case are one name to Delta.
fn find<'a>(schema: &'a Schema, name: &str) -> Option<&'a Field> {
    let is_like = |field: &&'a Field| field.name().to_lowercase() == name.to_lowercase();
    schema.field_with_name(name).ok().or_else(|| schema.fields().iter().map(AsRef::as_ref).find(is_like))
}

/// Two columns of the result in one of the table: one of them would be lost.
fn refuse_twins(fields: &[Field]) -> Result<()> {
    let mut seen = HashSet::new();
    match fields.iter().find(|field| !seen.insert(field.name().to_lowercase())) {
        None => Ok(()),
        Some(twin) => Err(Error::duplicate(format!("column \"{}\" specified more than once", twin.name()))
            .with_state(SqlState::DUPLICATE_COLUMN)
            .with_detail("two columns of the query go to this column of the table")
            .with_hint("give one of them another name with AS")),
    }
}

fn check_json(texts: &ArrayRef, column: &Field) -> Result<()> {
    let texts = cast_with_options(texts, &DataType::Utf8, &CastOptions::default())?;
    for text in texts.as_string::<i32>().iter().flatten() {
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
            return Err(Error::data("invalid input syntax for type json")
                .with_state(SqlState::INVALID_TEXT_REPRESENTATION)
                .with_detail(format!("column \"{}\": {error}", column.name())));
        }
    }
    Ok(())
}

fn cast_if_needed(from: &Field, to: &DataType) -> Option<DataType> {
    (from.data_type() != to).then(|| to.clone())
}

fn require_not_null_columns(given: &[Field], into: &Into<'_>) -> Result<()> {
    let missing = into.schema.fields().iter().find(|field| !field.is_nullable() && !given.iter().any(|given| given.name() == field.name()));
    match missing {
        None => Ok(()),
        Some(field) => Err(Error::invalid(format!(
            "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
            field.name(),
            into.relation
        ))
        .with_state(SqlState::NOT_NULL_VIOLATION)
        .with_detail("the query does not give this column")),
    }
}

/// Every value of `from` has its exact like in `to`.
fn is_widening(from: &DataType, to: &DataType) -> bool {
    use DataType::{Date32, Decimal128, Float32, Float64, Int16, Int32, Int64, Timestamp};
    match (from, to) {
        _ if from == to => true,
        (Int16, Int32 | Int64 | Float32 | Float64) | (Int32, Int64 | Float64) | (Float32, Float64) => true,
        (Int16 | Int32 | Int64, Decimal128(precision, scale)) => i32::from(*precision) - i32::from(*scale) >= 19,
        (Decimal128(p, s), Decimal128(precision, scale)) => {
            scale >= s && i32::from(*precision) - i32::from(*scale) >= i32::from(*p) - i32::from(*s)
        }
        (Date32, Timestamp(_, None)) => true,
        _ => false,
    }
}

/// PostgreSQL's casts in assignments, for the types we have.
fn is_assignable(from: &SqlType, to: &SqlType) -> bool {
    let is_number = |t: &SqlType| {
        matches!(t, SqlType::SmallInt | SqlType::Integer | SqlType::BigInt | SqlType::Real | SqlType::Double | SqlType::Numeric { .. })
    };
    let is_moment = |t: &SqlType| matches!(t, SqlType::Date | SqlType::Timestamp | SqlType::TimestampTz);
    match (from, to) {
        _ if from == to => true,
        (_, SqlType::Text) => !matches!(from, SqlType::Bytea),
        (SqlType::Array(from), SqlType::Array(to)) => is_assignable(from, to),
        _ => (is_number(from) && is_number(to)) || (is_moment(from) && is_moment(to)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn schema(columns: &[(&str, SqlType)]) -> Schema {
        Schema::new(columns.iter().map(|(name, t)| t.to_field(name, true)).collect::<Vec<_>>())
    }

    fn assign(result: &Schema, table: &Schema, mode: SchemaMode) -> Result<Assignment> {
        let names: Vec<_> = result.fields().iter().map(|field| field.name().clone()).collect();
        Assignment::new(result, &names, &Into { relation: "t", schema: table, mode })
    }

    #[test]
    fn an_evolving_table_gets_new_columns_and_siblings() {
        let table = schema(&[("a", SqlType::BigInt)]);
        let result = schema(&[("a", SqlType::Text), ("b", SqlType::Double)]);
        let assignment = assign(&result, &table, SchemaMode::Evolve).unwrap();
        let names: Vec<_> = assignment.new_columns.iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["a__text", "b"]);
    }

    #[test]
    fn an_evolving_table_widens_without_loss() {
        let table = schema(&[("a", SqlType::BigInt)]);
        let assignment = assign(&schema(&[("a", SqlType::Integer)]), &table, SchemaMode::Evolve).unwrap();
        assert!(assignment.new_columns.is_empty());
        assert_eq!(assignment.schema.field(0).data_type(), &DataType::Int64);
    }

    #[test]
    fn a_fixed_table_refuses_what_it_lacks_and_what_does_not_fit() {
        let table = schema(&[("a", SqlType::BigInt)]);
        let error = assign(&schema(&[("b", SqlType::BigInt)]), &table, SchemaMode::Fixed).unwrap_err();
        assert_eq!(error.message(), "column \"b\" of relation \"t\" does not exist");
        let error = assign(&schema(&[("a", SqlType::Text)]), &table, SchemaMode::Fixed).unwrap_err();
        assert_eq!(error.message(), "column \"a\" is of type bigint but expression is of type text");
    }

    #[test]
    fn two_columns_never_go_to_one() {
        let table = schema(&[("x", SqlType::BigInt), ("x__text", SqlType::Text)]);
        let error = assign(&schema(&[("x", SqlType::Text), ("x__text", SqlType::Text)]), &table, SchemaMode::Evolve).unwrap_err();
        assert_eq!(error.sqlstate(), SqlState::DUPLICATE_COLUMN);
        let error = assign(&schema(&[("n", SqlType::Text), ("N", SqlType::Text)]), &table, SchemaMode::Evolve).unwrap_err();
        assert_eq!(error.sqlstate(), SqlState::DUPLICATE_COLUMN);
    }

    #[test]
    fn text_is_json_only_if_it_can_be_read() {
        let table = schema(&[("j", SqlType::Json)]);
        let result = Arc::new(schema(&[("j", SqlType::Text)]));
        let rows = |text: &str| RecordBatch::try_new(result.clone(), vec![Arc::new(StringArray::from(vec![text]))]).unwrap();
        let fixed = assign(&result, &table, SchemaMode::Fixed).unwrap();
        assert!(fixed.apply(&rows("{\"a\": [1]}")).is_ok());
        assert_eq!(fixed.apply(&rows("{a}")).unwrap_err().sqlstate(), SqlState::INVALID_TEXT_REPRESENTATION);
        let evolving = assign(&result, &table, SchemaMode::Evolve).unwrap();
        assert_eq!(evolving.schema.field(0).name(), "j__text");
    }

    #[test]
    fn a_null_where_there_may_be_none_is_an_error() {
        let table = Schema::new(vec![Field::new("a", DataType::Int64, false)]);
        let result = schema(&[("a", SqlType::BigInt)]);
        let assignment = assign(&result, &table, SchemaMode::Fixed).unwrap();
        let rows = RecordBatch::try_new(Arc::new(result), vec![Arc::new(Int64Array::from(vec![Some(1), None]))]).unwrap();
        assert_eq!(assignment.apply(&rows).unwrap_err().sqlstate(), SqlState::NOT_NULL_VIOLATION);
    }

    #[test]
    fn a_number_that_does_not_fit_is_an_error_not_a_null() {
        let table = schema(&[("a", SqlType::SmallInt)]);
        let result = schema(&[("a", SqlType::BigInt)]);
        let assignment = assign(&result, &table, SchemaMode::Fixed).unwrap();
        let rows = RecordBatch::try_new(Arc::new(result), vec![Arc::new(Int64Array::from(vec![70_000]))]).unwrap();
        assert_eq!(assignment.apply(&rows).unwrap_err().sqlstate(), SqlState::NUMERIC_VALUE_OUT_OF_RANGE);
    }
}
