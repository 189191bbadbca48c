//! A first look at a source: the columns that sample records have.

use std::collections::HashMap;

use crate::formats::Records;
use crate::model::{SchemaMode, SourceColumn, SqlType};

use super::decoder::JsonDecoder;

/// The declared columns and those that the samples have beside them. A field that has both bigint and double gets one double column: who
/// sees all samples at once need not keep the first reading. Records that cannot be read tell nothing.
pub fn discover(declared: &[SourceColumn], mode: SchemaMode, flatten: bool, samples: &[Records]) -> Vec<SourceColumn> {
    let settled = settle(decode(declared, mode, flatten, samples), declared.len());
    // Integers that the double does not hold have lost their column; a second look finds it again.
    decode(&settled, mode, flatten, samples)
}

fn decode(columns: &[SourceColumn], mode: SchemaMode, flatten: bool, samples: &[Records]) -> Vec<SourceColumn> {
    let mut decoder = JsonDecoder::new(columns, mode, flatten);
    let mut columns = columns.to_vec();
    for records in samples {
        let mut left = records.clone();
        // An array that cannot be built is told when it matters: by the reader of the source.
        while let (false, Ok(decoded)) = (left.is_empty(), decoder.decode(&left)) {
            columns.extend(decoded.found);
            decoder.set_columns(&columns);
            left = left.slice(decoded.taken, left.len() - decoded.taken);
        }
    }
    columns
}

/// Makes one double column of a bigint and a double that were found for one field, at the place of the first.
fn settle(columns: Vec<SourceColumn>, declared: usize) -> Vec<SourceColumn> {
    let mut settled: Vec<SourceColumn> = Vec::with_capacity(columns.len());
    let mut integers: HashMap<String, usize> = HashMap::new();
    for (slot, column) in columns.into_iter().enumerate() {
        match (&column.data_type, integers.get(&column.field)) {
            (SqlType::Double, Some(elder)) if slot >= declared => {
                let elder = &mut settled[*elder];
                *elder = if elder.is_sibling() { column } else { SourceColumn::found(&column.field, SqlType::Double) };
                continue;
            }
            (SqlType::BigInt, _) if slot >= declared => {
                integers.insert(column.field.clone(), settled.len());
            }
            _ => {}
        }
        settled.push(column);
    }
    settled
}
