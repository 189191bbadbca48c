//! Peers that several benchmarks stand beside.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use lakewire::model::{SourceColumn, SqlType};

/// Decodes lines of JSON batch by batch, and hands each to `seen`.
pub fn arrow_json<'a>(batches: impl IntoIterator<Item = &'a [u8]>, batch_records: usize, schema: &SchemaRef, mut seen: impl FnMut(usize)) {
    let mut decoder = ReaderBuilder::new(schema.clone()).with_batch_size(batch_records).build_decoder().expect("the schema can be read");
    for lines in batches {
        let read = decoder.decode(lines).expect("the records fit the schema");
        let decoded = decoder.flush().expect("the records fit the schema").expect("there are records");
        assert_eq!(read, lines.len(), "a batch is no larger than the decoder's");
        seen(std::hint::black_box(decoded).num_rows());
    }
}

/// Of our columns those that arrow-json has too: one reading for each field, and no objects. UTC is an offset, for zones by name are a feature that may
/// be off.
pub fn arrow_json_schema(columns: &[SourceColumn]) -> SchemaRef {
    let fields = plain_columns(columns).map(|column| match column.to_arrow() {
        field if matches!(field.data_type(), DataType::Timestamp(_, Some(_))) => {
            let DataType::Timestamp(unit, _) = field.data_type() else { unreachable!("looked at just above") };
            Field::new(field.name(), DataType::Timestamp(*unit, Some("+00:00".into())), true)
        }
        field => field,
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Columns that are the only reading of their field, and no JSON.
pub fn plain_columns(columns: &[SourceColumn]) -> impl Iterator<Item = &SourceColumn> {
    let drifts = |column: &SourceColumn| columns.iter().filter(|other| other.field == column.field).count() > 1;
    columns.iter().filter(move |column| column.data_type != SqlType::Json && !drifts(column))
}
