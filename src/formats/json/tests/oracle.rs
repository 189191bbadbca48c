//! What records say, judged by serde_json: which payloads can be read, and whether a row has all of its record and nothing else.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::Read;

use chrono::DateTime;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::Value as Judged;
use serde_json::value::RawValue;

use super::super::number::{self, Number};
use super::super::{COLUMNS_MAX, DEPTH_MAX, RECORD_BYTES_MAX, RECORDS_PER_PAYLOAD_MAX, UNPACKED_BYTES_MAX};
use super::*;
use crate::model::column::METADATA_COLUMNS;
use crate::model::name::NAME_BYTES_MAX;

/// Whether what is decoded of the payloads is what they say.
pub fn check(payloads: &[Vec<u8>], flatten: bool) -> Result<(), String> {
    let outcome = decode(JsonDecoder::new(&[], SchemaMode::Evolve, flatten), &[payloads]);
    let rejected: BTreeMap<u32, &Reject> = outcome.rejects.iter().map(|reject| (reject.record, reject)).collect();
    let mut rows = outcome.records.iter().zip(&outcome.rows).peekable();
    for (index, payload) in payloads.iter().enumerate() {
        let (index, said) = (index as u32, records_of(payload));
        holds(rejected.contains_key(&index) == said.is_none(), || format!("payload {index} was misjudged: {:?}", rejected.get(&index)))?;
        for members in said.into_iter().flatten() {
            let (_, cells) = rows.next_if(|(record, _)| **record == index).ok_or(format!("payload {index} has lost a record"))?;
            let members = if flatten { flattened(members) } else { members };
            check_row(&outcome.columns, &members, cells)?;
        }
    }
    holds(rows.next().is_none(), || "a row came from nowhere".to_string())
}

/// A field of a record: its name, and its value as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    pub name: String,
    pub source: String,
}

/// An object, or an array of objects: what may stand in a payload.
struct Item(Vec<Vec<Member>>);

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Item, D::Error> {
        deserializer.deserialize_any(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record or an array of records")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
        let mut members = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
            members.push(Member { name, source: value.get().to_string() });
        }
        Ok(Item(vec![members]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Item, A::Error> {
        let mut records = Vec::new();
        while let Some(Record(members)) = elements.next_element()? {
            records.push(members);
        }
        Ok(Item(records))
    }
}

struct Record(Vec<Member>);

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Record, D::Error> {
        Ok(Record(deserializer.deserialize_map(ItemVisitor)?.0.remove(0)))
    }
}

/// The records of a payload, or `None` if it is to be rejected.
fn records_of(payload: &[u8]) -> Option<Vec<Vec<Member>>> {
    let unpacked = match payload {
        _ if payload.len() > RECORD_BYTES_MAX => return None,
        [0x1f, 0x8b, ..] => unpack(payload)?,
        plain => plain.to_vec(),
    };
    let text = std::str::from_utf8(&unpacked).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let items: Vec<Item> = serde_json::Deserializer::from_str(text).into_iter().collect::<Result<_, _>>().ok()?;
    let records: Vec<Vec<Member>> = items.into_iter().flat_map(|item| item.0).collect();
    let is_good = |member: &Member| strings(&member.source).iter().all(is_string) && depth(&member.source) < DEPTH_MAX;
    let good = (1..=RECORDS_PER_PAYLOAD_MAX).contains(&records.len()) && records.iter().flatten().all(is_good);
    good.then_some(records)
}

fn unpack(payload: &[u8]) -> Option<Vec<u8>> {
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(payload).take(UNPACKED_BYTES_MAX as u64 + 1).read_to_end(&mut unpacked).ok()?;
    (unpacked.len() <= UNPACKED_BYTES_MAX).then_some(unpacked)
}

fn is_string(source: &&str) -> bool {
    serde_json::from_str::<String>(source).is_ok()
}

/// The strings in a JSON text, with their quotes. serde_json does not look into what it leaves raw.
fn strings(source: &str) -> Vec<&str> {
    let (mut strings, mut begun, mut escaped) = (Vec::new(), None, false);
    for (at, byte) in source.bytes().enumerate() {
        match (begun, byte) {
            (None, b'"') => begun = Some(at),
            (Some(start), b'"') if !escaped => {
                strings.push(&source[start..=at]);
                begun = None;
            }
            _ => {}
        }
        escaped = byte == b'\\' && !escaped;
    }
    strings
}

fn depth(source: &str) -> usize {
    let mut outside = source.to_string();
    for string in strings(source) {
        outside = outside.replacen(string, "", 1);
    }
    let (mut open, mut deepest) = (0usize, 0);
    for byte in outside.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open -= 1,
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

/// The members of a record when objects become columns.
fn flattened(members: Vec<Member>) -> Vec<Member> {
    let inner = |member: Member| match member.source.starts_with('{') && member.name.len() <= NAME_BYTES_MAX {
        false => vec![member],
        true => {
            let Record(fields) = serde_json::from_str(&member.source).unwrap();
            let named = fields.into_iter().map(|field| Member { name: format!("{}_{}", member.name, field.name), ..field });
            flattened(named.collect())
        }
    };
    members.into_iter().flat_map(inner).collect()
}

/// Every value of the record is in exactly one cell, or in `_rest` for a reason; and nothing else is.
fn check_row(columns: &[SourceColumn], members: &[Member], cells: &Row) -> Result<(), String> {
    let mut left: HashSet<&str> = cells.keys().map(String::as_str).filter(|name| *name != "_rest").collect();
    let mut rest: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut seen = HashSet::new();
    for member in members.iter().filter(|member| member.source != "null") {
        let folded = member.name.to_lowercase();
        let column = columns.iter().find(|column| column.field == folded && left.contains(column.name.as_str()));
        let has_taken = has_taken_sibling(columns, &folded);
        let told = column.filter(|column| !seen.contains(&folded) && (says(column, &cells[&column.name], &member.source) || !has_taken));
        match told {
            Some(column) => {
                let cell = &cells[&column.name];
                holds(says(column, cell, &member.source), || format!("{member:?} became {column:?} {cell}"))?;
                left.remove(column.name.as_str());
            }
            None => {
                let has_reason = seen.contains(&folded) || has_taken || is_unusable(&folded) || columns.len() >= COLUMNS_MAX;
                holds(has_reason, || format!("{member:?} is in _rest, or nowhere"))?;
                rest.entry(&member.name).or_default().push(&member.source);
            }
        }
        // Of a field that went to `_rest` because a name was taken, a later value may still find its column.
        if told.is_some() || !has_taken {
            seen.insert(folded);
        }
    }
    holds(left.is_empty(), || format!("values from nowhere: {left:?}"))?;
    check_rest(cells.get("_rest").map_or("{}", String::as_str), rest)
}

fn check_rest(told: &str, expected: HashMap<&str, Vec<&str>>) -> Result<(), String> {
    let told: HashMap<String, Box<RawValue>> = serde_json::from_str(told).map_err(|error| format!("_rest is {told}: {error}"))?;
    let expected: HashMap<String, String> = expected
        .iter()
        .map(|(name, sources)| match sources[..] {
            [source] => (name.to_string(), source.to_string()),
            _ => (name.to_string(), format!("[{}]", sources.join(","))),
        })
        .collect();
    let told: HashMap<String, String> = told.into_iter().map(|(name, value)| (name, value.get().to_string())).collect();
    holds(told == expected, || format!("_rest is {told:?}, not {expected:?}"))
}

fn holds(good: bool, complaint: impl FnOnce() -> String) -> Result<(), String> {
    if good { Ok(()) } else { Err(complaint()) }
}

fn is_unusable(folded: &str) -> bool {
    let is_reserved = METADATA_COLUMNS.contains(&folded) || folded == "_rest";
    is_reserved || folded.is_empty() || folded.len() > NAME_BYTES_MAX || folded.chars().any(char::is_control)
}

/// Whether another field has the name of a column that this field may want, or the reverse, or the name of it gets too long.
fn has_taken_sibling(columns: &[SourceColumn], folded: &str) -> bool {
    let has_long = folded.len() + "__timestamptz".len() > NAME_BYTES_MAX;
    has_long || columns.iter().any(|column| column.field != *folded && (column.name == *folded || is_suffixed(&column.name, folded)))
}

fn is_suffixed(name: &str, folded: &str) -> bool {
    name.strip_prefix(folded).is_some_and(|rest| rest.starts_with("__"))
}

/// Whether a cell says what was written.
fn says(column: &SourceColumn, cell: &str, source: &str) -> bool {
    let is_number = source.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    match &column.data_type {
        SqlType::Boolean => cell == source,
        SqlType::BigInt => is_number && (cell == source || cell == "0" && source == "-0"),
        SqlType::Double => is_number && tells(cell.parse().unwrap(), source),
        SqlType::Text if is_number => cell == source && number::settle(source) == Number::Unheld,
        SqlType::Text => serde_json::from_str::<String>(source).is_ok_and(|text| text == cell),
        SqlType::TimestampTz => serde_json::from_str::<String>(source).is_ok_and(|text| instant(&text) == instant(cell)),
        SqlType::Json => cell == source && matches!(serde_json::from_str(source), Ok(Judged::Array(_) | Judged::Object(_)) | Err(_)),
        _ => false,
    }
}

fn instant(text: &str) -> DateTime<chrono::FixedOffset> {
    let with_minutes = text.len() > 3 && matches!(text.as_bytes()[text.len() - 3], b'+' | b'-');
    let bare = text.len() > 5 && matches!(text.as_bytes()[text.len() - 5], b'+' | b'-');
    let text = match (with_minutes, bare) {
        (true, _) => format!("{text}:00"),
        (_, true) => format!("{}:{}", &text[..text.len() - 2], &text[text.len() - 2..]),
        _ => text.to_string(),
    };
    DateTime::parse_from_rfc3339(&text).unwrap()
}

/// The double is the nearest to the literal, and is written like it with as many digits.
fn tells(value: f64, literal: &str) -> bool {
    let digits = |text: &str| {
        let mantissa: String = text.split(['e', 'E']).next().unwrap().chars().filter(char::is_ascii_digit).collect();
        mantissa.trim_start_matches('0').trim_end_matches('0').to_string()
    };
    let wanted = digits(literal);
    value == literal.parse::<f64>().unwrap() && digits(&format!("{:.*e}", wanted.len().max(1) - 1, value)) == wanted
}
