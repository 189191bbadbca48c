//! Random records, with serde_json as the judge. proptest prints the seed of what fails.

use std::collections::{HashMap, HashSet};

use chrono::DateTime;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value as Judged;

use super::super::number::{self, Number};
use super::*;

/// A value as the generator knows it, before it is written.
#[derive(Debug, Clone)]
enum Made {
    Null,
    Boolean(bool),
    Number(String),
    Text(String),
    Array(Vec<Made>),
    Object(Vec<(String, Made)>),
}

/// A field and the text of its value.
#[derive(Debug, Clone)]
struct Field {
    name: String,
    value: Made,
    source: String,
}

#[derive(Debug, Clone)]
struct Record {
    fields: Vec<Field>,
    text: String,
}

fn names() -> impl Strategy<Value = String> {
    const OFTEN: &[&str] = &["a", "A", "b", "B", "x", "x__text", "x__bigint", "é", "É", "_offset", "", "ΟΔΟΣ", "a\"b\\c", "tab\t", "a_b"];
    prop_oneof![4 => select(OFTEN).prop_map(str::to_string), 1 => "[a-zA-ZäÖ_]{1,9}", 1 => any::<String>()]
}

fn numbers() -> impl Strategy<Value = String> {
    const EDGES: &[&str] =
        &["0", "-0", "1e3", "1E+2", "0.1", "-0.0", "9007199254740993", "9223372036854775808", "0.12345678901234567890", "5e-324", "1e-9"];
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        (-1000i64..1000).prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("JSON has no other numbers", |n| n.is_finite()).prop_map(|n| format!("{n:?}")),
        (-100_000i64..100_000, 0u32..6).prop_map(|(n, places)| format!("{:.*}", places as usize, n as f64 / 100.0)),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?",
        select(EDGES).prop_map(str::to_string),
    ]
}

fn texts() -> impl Strategy<Value = String> {
    let instants = (0i64..4_102_444_800_000_000, 0usize..4).prop_map(|(micros, form)| {
        let instant = DateTime::from_timestamp_micros(micros).unwrap();
        instant.format(["%FT%TZ", "%F %T%.6f+00:00", "%FT%T%.3fZ", "%FT%T"][form]).to_string()
    });
    prop_oneof![any::<String>(), "[ -~]{0,40}", "[a-z]{0,20}[\"\\\\\u{0}-\u{1f}é😀]?", instants]
}

fn values() -> impl Strategy<Value = Made> {
    let leaf = prop_oneof![
        1 => Just(Made::Null),
        1 => any::<bool>().prop_map(Made::Boolean),
        3 => numbers().prop_map(Made::Number),
        3 => texts().prop_map(Made::Text),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Made::Array),
            prop::collection::vec((names(), inner), 0..4).prop_map(Made::Object),
        ]
    })
}

fn records_made() -> impl Strategy<Value = Vec<Record>> {
    let fields = prop::collection::vec((names(), values()), 0..9);
    // Most streams write all records alike; half of the cases do.
    prop::collection::vec((fields, any::<u64>(), any::<bool>()), 0..20).prop_map(|records| {
        records.into_iter().map(|(fields, seed, wild)| Record::write(fields, if wild { Pen(seed) } else { Pen(0) })).collect()
    })
}

/// Decides between ways to write the same thing; the pen 0 writes everything in the plainest way.
struct Pen(u64);

impl Pen {
    fn choose(&mut self, ways: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % ways
    }

    fn blank(&mut self) -> &'static str {
        ["", "", "", "", " ", "\n", "\t\r\n  "][self.choose(7) as usize]
    }

    fn text(&mut self, text: &str) -> String {
        let mut written = "\"".to_string();
        for c in text.chars() {
            let forced = matches!(c, '"' | '\\' | '\0'..='\u{1f}');
            match (c, self.choose(8)) {
                ('\n', 0..4) => written.push_str("\\n"),
                ('"' | '\\' | '/', 0..4) if forced || c == '/' && self.0 != 0 => written.extend(['\\', c]),
                (c, way) if forced || way == 7 => {
                    c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| written.push_str(&format!("\\u{unit:04X}")));
                }
                _ => written.push(c),
            }
        }
        written.push('"');
        written
    }

    fn value(&mut self, value: &Made) -> String {
        match value {
            Made::Null => "null".to_string(),
            Made::Boolean(value) => value.to_string(),
            Made::Number(literal) => literal.clone(),
            Made::Text(text) => self.text(text),
            Made::Array(elements) => {
                let elements: Vec<String> =
                    elements.iter().map(|element| format!("{}{}{}", self.blank(), self.value(element), self.blank())).collect();
                format!("[{}]", elements.join(","))
            }
            Made::Object(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| {
                        let source = self.value(value);
                        self.member(name, &source)
                    })
                    .collect();
                format!("{{{}}}", fields.join(","))
            }
        }
    }

    fn member(&mut self, name: &str, source: &str) -> String {
        format!("{}{}{}:{}{source}{}", self.blank(), self.text(name), self.blank(), self.blank(), self.blank())
    }
}

impl Record {
    fn write(fields: Vec<(String, Made)>, mut pen: Pen) -> Record {
        let fields: Vec<Field> = fields.into_iter().map(|(name, value)| Field { name, source: pen.value(&value), value }).collect();
        let members: Vec<String> = fields.iter().map(|field| pen.member(&field.name, &field.source)).collect();
        let text = format!("{}{{{}}}{}", pen.blank(), members.join(","), pen.blank());
        Record { fields, text }
    }
}

/// Whether a cell says what was written.
fn says(column: &SourceColumn, cell: &str, field: &Field) -> bool {
    match (&column.data_type, &field.value) {
        (SqlType::Boolean, Made::Boolean(value)) => cell == value.to_string(),
        (SqlType::BigInt, Made::Number(literal)) => {
            cell.parse::<i64>().unwrap().to_string() == literal.replace("-0", "0") || cell == literal
        }
        (SqlType::Double, Made::Number(literal)) => cell.parse::<f64>().unwrap() == literal.parse::<f64>().unwrap(),
        (SqlType::Text, Made::Number(literal)) => cell == literal && number::settle(literal) == Number::Unheld,
        (SqlType::Text, Made::Text(text)) => cell == text,
        (SqlType::TimestampTz, Made::Text(text)) => {
            DateTime::parse_from_rfc3339(cell).unwrap() == DateTime::parse_from_rfc3339(text).unwrap()
        }
        (SqlType::Json, Made::Array(_) | Made::Object(_)) => cell == field.source,
        _ => false,
    }
}

/// Whether another field has the name of a column that this field may want.
fn has_taken_sibling(columns: &[SourceColumn], field: &str) -> bool {
    columns.iter().any(|column| column.field != field && column.name.strip_prefix(field).is_some_and(|rest| rest.starts_with("__")))
}

/// Every value of the record is in exactly one cell, or in `_rest`; and nothing else is.
fn check_record(columns: &[SourceColumn], record: &Record, cells: &Row) -> Result<(), TestCaseError> {
    let mut left: HashSet<&str> = cells.keys().map(String::as_str).filter(|name| *name != "_rest").collect();
    let mut rest: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut seen = HashSet::new();
    for field in record.fields.iter().filter(|field| !matches!(field.value, Made::Null)) {
        let folded = field.name.to_lowercase();
        let column = columns.iter().find(|column| column.field == folded && column.name != "_rest" && cells.contains_key(&column.name));
        // A value whose sibling's name is taken is in `_rest`, and a later value of the same field may have found its column.
        let is_told = |column: &SourceColumn| says(column, &cells[&column.name], field) || !has_taken_sibling(columns, &column.field);
        match column.filter(|column| !seen.contains(&column.field) && is_told(column)) {
            Some(column) => {
                seen.insert(&column.field);
                prop_assert!(says(column, &cells[&column.name], field), "{field:?} became {column:?} {}", cells[&column.name]);
                prop_assert!(left.remove(column.name.as_str()));
            }
            None => rest.entry(&field.name).or_default().push(&field.source),
        }
    }
    prop_assert!(left.is_empty(), "values from nowhere: {left:?}");
    let judged: HashMap<String, Judged> = serde_json::from_str(cells.get("_rest").map_or("{}", String::as_str)).unwrap();
    let values = |sources: &[&str]| match sources {
        [source] => serde_json::from_str::<Judged>(source).unwrap(),
        sources => Judged::Array(sources.iter().map(|source| serde_json::from_str(source).unwrap()).collect()),
    };
    let expected: HashMap<String, Judged> = rest.iter().map(|(name, sources)| (name.to_string(), values(sources))).collect();
    prop_assert_eq!(judged, expected);
    Ok(())
}

/// What serde_json makes of it, with the differences we mean: a byte order mark is passed over, and a number may be of any size.
fn is_object(record: &[u8]) -> Option<bool> {
    let record = record.strip_prefix("\u{feff}".as_bytes()).unwrap_or(record);
    match serde_json::from_slice::<Judged>(record) {
        Ok(value) => Some(value.is_object()),
        Err(error) if error.to_string().contains("number out of range") => None,
        Err(_) => Some(false),
    }
}

proptest! {
    #[test]
    fn every_value_is_found_again(made in records_made()) {
        let texts: Vec<&str> = made.iter().map(|record| record.text.as_str()).collect();
        let outcome = decode(evolving(), &[&texts]);
        prop_assert_eq!(&outcome.rejects, &[]);
        for (record, cells) in made.iter().zip(&outcome.rows) {
            prop_assert_eq!(is_object(record.text.as_bytes()), Some(true), "the generator writes JSON");
            check_record(&outcome.columns, record, cells)?;
        }
    }

    #[test]
    fn batches_make_no_difference(made in records_made(), cuts in prop::collection::vec(0usize..20, 0..6), flatten: bool) {
        let texts: Vec<&str> = made.iter().map(|record| record.text.as_str()).collect();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(texts.len())).chain([0, texts.len()]).collect();
        cuts.sort();
        let batches: Vec<&[&str]> = cuts.windows(2).map(|cut| &texts[cut[0]..cut[1]]).collect();
        let decoder = || JsonDecoder::new(&[], SchemaMode::Evolve, flatten);
        prop_assert_eq!(decode(decoder(), &[&texts]), decode(decoder(), &batches));
    }

    #[test]
    fn broken_records_are_rejected_and_no_others(
        made in records_made(),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0..4), 1..8),
        flatten: bool,
    ) {
        let mut texts: Vec<Vec<u8>> = made.into_iter().map(|record| record.text.into_bytes()).collect();
        for (record, place, byte, way) in hits.into_iter().filter(|_| !texts.is_empty()).collect::<Vec<_>>() {
            let text = record.get_mut(&mut texts);
            let place = place.index(text.len());
            match way {
                0 => text[place] = byte,
                1 => text.insert(place, byte),
                2 => text.truncate(place),
                _ => text[place] = b"{}[]\",:\\0-.e"[byte as usize % 12],
            }
            if text.is_empty() {
                text.push(b' ');
            }
        }
        let outcome = decode(JsonDecoder::new(&[], SchemaMode::Evolve, flatten), &[&texts]);
        let rejected: HashSet<u32> = outcome.rejects.iter().map(|reject| reject.record).collect();
        for (record, text) in texts.iter().enumerate() {
            if let Some(good) = is_object(text) {
                prop_assert_eq!(!rejected.contains(&(record as u32)), good, "{:?}", String::from_utf8_lossy(text));
            }
        }
        // What was rejected left nothing behind: without it the rest is the same.
        let good: Vec<&Vec<u8>> = outcome.records.iter().map(|record| &texts[*record as usize]).collect();
        let alone = decode(JsonDecoder::new(&[], SchemaMode::Evolve, flatten), &[&good]);
        prop_assert_eq!((alone.columns, alone.rows), (outcome.columns, outcome.rows));
    }

    #[test]
    fn numbers_settle_as_the_standard_library_reads_them(literal in numbers()) {
        match number::settle(&literal) {
            Number::BigInt(value) => prop_assert_eq!(value, literal.parse::<i64>().unwrap()),
            Number::Double(value) => prop_assert_eq!(value, literal.parse::<f64>().unwrap()),
            Number::Unheld => prop_assert!(literal.parse::<i64>().is_err()),
        }
        if let Some((value, end)) = number::plain_decimal(&format!("{literal},        "), 0) {
            prop_assert_eq!((value, end), (literal.parse::<f64>().unwrap(), literal.len()));
        }
        if let Some((value, end)) = number::plain_integer(format!("{literal},        ").as_bytes(), 0) {
            prop_assert_eq!((value, end), (literal.parse::<i64>().unwrap(), literal.len()));
        }
    }
}
