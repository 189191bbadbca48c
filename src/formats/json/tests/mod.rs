//! Tests of the decoder as its callers see it: records in, columns out.

mod declared;
mod found;
mod random;
mod rejected;

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::JsonDecoder;
use crate::formats::{Records, RecordsBuilder, Reject};
use crate::model::{Position, SchemaMode, SourceColumn, SqlType};

/// The values of a row that are not null, as text, by column.
type Row = BTreeMap<String, String>;

/// What became of records that came in some batches.
#[derive(Debug, PartialEq)]
struct Outcome {
    columns: Vec<SourceColumn>,
    rows: Vec<Row>,
    /// For each row, the index of its record among all.
    records: Vec<u32>,
    rejects: Vec<Reject>,
}

fn records<R: AsRef<[u8]>>(payloads: &[R]) -> Records {
    let mut builder = RecordsBuilder::default();
    for payload in payloads {
        builder.push(payload.as_ref(), &Position::new("0"), 0, None);
    }
    builder.finish()
}

/// Decodes batch after batch, as a reader does.
fn decode<R: AsRef<[u8]>>(mut decoder: JsonDecoder, batches: &[&[R]]) -> Outcome {
    let mut outcome = Outcome { columns: Vec::new(), rows: Vec::new(), records: Vec::new(), rejects: Vec::new() };
    let mut first = 0;
    for batch in batches {
        let before = decoder.columns().to_vec();
        let decoded = decoder.decode(&records(batch)).unwrap();
        assert_eq!(decoder.columns(), before, "decoding changes no columns");
        assert_eq!(decoded.rows.len() + decoded.rejects.len(), batch.len(), "no record is lost");
        assert_eq!(decoded.rows.len(), decoded.batch.num_rows());
        let columns = [before, decoded.found].concat();
        let names: Vec<_> = columns.iter().map(|column| column.to_arrow()).collect();
        assert!(decoded.batch.schema().fields().iter().map(|field| field.as_ref().clone()).eq(names));
        decoder.set_columns(&columns);
        outcome.rows.extend(rows(&decoded.batch));
        outcome.records.extend(decoded.rows.iter().map(|record| first + record));
        outcome.rejects.extend(decoded.rejects.into_iter().map(|reject| Reject { record: first + reject.record, ..reject }));
        first += batch.len() as u32;
    }
    outcome.columns = decoder.columns().to_vec();
    outcome
}

fn rows(batch: &RecordBatch) -> Vec<Row> {
    let (schema, options) = (batch.schema(), FormatOptions::default());
    let row = |row: usize| {
        let cells = schema.fields().iter().zip(batch.columns()).filter(|(_, column)| column.is_valid(row)).map(|(field, column)| {
            let text = ArrayFormatter::try_new(column, &options).unwrap().value(row).to_string();
            (field.name().clone(), text)
        });
        cells.collect()
    };
    (0..batch.num_rows()).map(row).collect()
}

fn evolving() -> JsonDecoder {
    JsonDecoder::new(&[], SchemaMode::Evolve, false)
}

fn declared(columns: &[(&str, SqlType)]) -> Vec<SourceColumn> {
    columns.iter().map(|(name, data_type)| SourceColumn { declared: true, ..SourceColumn::found(name, data_type.clone()) }).collect()
}

fn row(cells: &[(&str, &str)]) -> Row {
    cells.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// `name type` of each column.
fn told(columns: &[SourceColumn]) -> Vec<String> {
    columns.iter().map(|column| format!("{} {}", column.name, column.data_type)).collect()
}
