//! The `_rest` of a record: what could not become a column, as one JSON object.

use std::collections::HashMap;

use super::payload::{RECORD_BYTES_MAX, UNPACKED_BYTES_MAX};

/// Names grow where objects become columns, so what is left of a record can be longer than the record. It may not be much longer.
const REST_BYTES_MAX: usize = 2 * RECORD_BYTES_MAX;
/// Nor what is left of all records of a payload. So of whatever comes in a batch, its `_rest` is an Arrow array with 32-bit ends.
const PAYLOAD_REST_BYTES_MAX: usize = 2 * UNPACKED_BYTES_MAX;

/// Fields in the order they came, with the values as they are written.
#[derive(Default)]
pub struct Rest {
    fields: Vec<(String, String)>,
    bytes: usize,
    payload_bytes: usize,
    batch_bytes: usize,
}

/// The record leaves more than can be kept.
pub struct Overflow;

impl Rest {
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub fn begin_batch(&mut self) {
        self.batch_bytes = 0;
    }

    pub fn begin_payload(&mut self) {
        self.payload_bytes = 0;
    }

    pub fn begin_record(&mut self) {
        self.fields.clear();
        self.bytes = 0;
    }

    /// What the records since `begin_batch` left, those that were taken back too.
    pub fn batch_bytes(&self) -> usize {
        self.batch_bytes
    }

    pub fn push(&mut self, name: &str, json: &str) -> Result<(), Overflow> {
        let bytes = name.len() + json.len();
        self.bytes += bytes;
        self.payload_bytes += bytes;
        self.batch_bytes += bytes;
        if self.bytes > REST_BYTES_MAX || self.payload_bytes > PAYLOAD_REST_BYTES_MAX {
            return Err(Overflow);
        }
        self.fields.push((name.to_string(), json.to_string()));
        Ok(())
    }

    /// The object. A name that came more than once has an array of its values.
    pub fn to_json(&self) -> String {
        let mut order: Vec<(&str, Vec<&str>)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (name, json) in &self.fields {
            let place = *places.entry(name).or_insert(order.len());
            match order.get_mut(place) {
                Some((_, values)) => values.push(json),
                None => order.push((name, vec![json])),
            }
        }
        let members: Vec<String> = order.iter().map(|(name, values)| member(name, values)).collect();
        format!("{{{}}}", members.join(","))
    }
}

fn member(name: &str, values: &[&str]) -> String {
    let name = serde_json::Value::from(name);
    match values {
        [value] => format!("{name}:{value}"),
        values => format!("{name}:[{}]", values.join(",")),
    }
}
