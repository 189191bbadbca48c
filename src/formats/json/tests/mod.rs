//! Tests of the decoder as its callers see it: records in, columns out.

mod cases;
mod declared;
mod found;
mod fuzz;
mod oracle;
mod payloads;
mod random;
mod rejected;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

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
    /// For each row, the index of the payload it came in, among all.
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
        let mut left = records(batch);
        while !left.is_empty() {
            let taken = decode_once(&mut decoder, &left, first, &mut outcome);
            first += taken as u32;
            left = left.slice(taken, left.len() - taken);
        }
    }
    outcome.columns = decoder.columns().to_vec();
    outcome
}

fn decode_once(decoder: &mut JsonDecoder, records: &Records, first: u32, outcome: &mut Outcome) -> usize {
    let before = decoder.columns().to_vec();
    let decoded = decoder.decode(records).unwrap();
    assert_eq!(decoder.columns(), before, "decoding changes no columns");
    assert_eq!(decoded.rows.len(), decoded.batch.num_rows());
    assert!((1..=records.len()).contains(&decoded.taken));
    let whole: BTreeSet<u32> = decoded.rejects.iter().filter(|reject| reject.part.is_none()).map(|reject| reject.record).collect();
    let parts: BTreeSet<u32> = decoded.rejects.iter().filter(|reject| reject.part.is_some()).map(|reject| reject.record).collect();
    let taken: BTreeSet<u32> = decoded.rows.iter().copied().chain(parts).collect();
    assert!(whole.is_disjoint(&taken), "a record is taken or rejected");
    assert!((0..decoded.taken as u32).eq(whole.union(&taken).copied()), "no record is lost");
    let columns = [before, decoded.found].concat();
    let names: Vec<_> = columns.iter().map(|column| column.to_arrow()).collect();
    assert!(decoded.batch.schema().fields().iter().map(|field| field.as_ref().clone()).eq(names));
    decoder.set_columns(&columns);
    outcome.rows.extend(rows(&decoded.batch));
    outcome.records.extend(decoded.rows.iter().map(|record| first + record));
    outcome.rejects.extend(decoded.rejects.into_iter().map(|reject| Reject { record: first + reject.record, ..reject }));
    decoded.taken
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

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// `name type` of each column.
fn told(columns: &[SourceColumn]) -> Vec<String> {
    columns.iter().map(|column| format!("{} {}", column.name, column.data_type)).collect()
}
