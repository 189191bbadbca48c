//! Mutants of a log: of its bytes, its lines, the trees of its JSON, the columns of its checkpoint, and of what objects there are.

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::columns;
use super::corpus::{Objects, Original, commit_name, commit_version};
use super::words::{OTHER_NAMES, STRANGERS, TEXTS, WORDS};
use crate::fuzz::Dice;

const NO_UTF8: &[u8] = &[0xff, 0xc0, 0x80];
const STEPS_MAX: usize = 3;
const OBJECT_BYTES_MAX: usize = 1 << 20;
const SHOWN_BYTES_MAX: usize = 4000;
/// Beyond what a reader that calls itself for each bracket may go down to.
const NESTED: usize = 200;

/// A log with something changed in it.
pub struct Mutant {
    pub objects: Objects,
    /// Whether only that was changed which no reader may care for.
    pub is_the_same: bool,
    changed: BTreeSet<String>,
    steps: Vec<String>,
}

impl Mutant {
    pub fn of(original: &Original, dice: &mut Dice) -> Mutant {
        let mut mutant = Mutant { objects: original.objects.clone(), is_the_same: true, changed: BTreeSet::new(), steps: Vec::new() };
        for _ in 0..1 + dice.below(STEPS_MAX) {
            match dice.below(8) {
                0 => mutant.change_unread(original, dice),
                1 => mutant.respell(original, dice),
                2 => mutant.change_names(original, dice),
                _ => mutant.change_read(original, dice),
            }
        }
        mutant
    }

    /// What is behind a checkpoint, what is only a hint, what is nobody's.
    fn change_unread(&mut self, original: &Original, dice: &mut Dice) {
        let is_old = |name: &&String| commit_version(name).is_some_and(|version| Some(version) <= original.checkpoint);
        let old: Vec<String> = self.objects.keys().filter(is_old).cloned().collect();
        let name = match dice.below(3) {
            0 => "_last_checkpoint".to_string(),
            1 if !old.is_empty() => dice.pick(&old).clone(),
            _ => dice.pick(STRANGERS).to_string(),
        };
        let mut body = match self.objects.get(&name) {
            Some(body) => body.to_vec(),
            None if name.starts_with('_') => br#"{"version":5,"size":9,"sizeInBytes":99}"#.to_vec(),
            None => self.some_body(original, dice).to_vec(),
        };
        (0..dice.below(4)).for_each(|_| change_bytes(&mut body, dice));
        self.set(name, body, "unread");
    }

    /// The same actions, in other words.
    fn respell(&mut self, original: &Original, dice: &mut Dice) {
        let Some(name) = self.read_object(original, dice).filter(|name| name.ends_with(".json")) else { return };
        let mut lines = lines_of(&self.objects[&name]);
        let (one, other) = (dice.below(lines.len()), dice.below(lines.len()));
        let (end, step) = match dice.below(4) {
            0 => (b"\r\n".as_slice(), "other line ends"),
            1 => (b"\n\n \t\n".as_slice(), "blank lines"),
            2 if !lines.is_empty() => {
                lines.swap(one, other);
                (b"\n".as_slice(), "swapped lines")
            }
            _ => {
                lines.iter_mut().for_each(add_unknown_fields);
                (b"\n".as_slice(), "unknown fields")
            }
        };
        let body = lines.join(end);
        self.set(name, body, step);
    }

    /// An object goes, is empty, or stands under another's name.
    fn change_names(&mut self, original: &Original, dice: &mut Dice) {
        let Some(name) = self.read_object(original, dice) else { return };
        self.is_the_same = false;
        match dice.below(4) {
            0 => {
                self.objects.remove(&name);
                self.steps.push(format!("{name}: removed"));
            }
            1 => self.set(name, Vec::new(), "emptied"),
            2 => {
                let body = self.some_body(original, dice).to_vec();
                self.set(name, body, "has another's body");
            }
            _ => {
                let body = self.objects[&name].to_vec();
                self.set(dice.pick(OTHER_NAMES).to_string(), body, "a copy of another");
            }
        }
    }

    fn change_read(&mut self, original: &Original, dice: &mut Dice) {
        let Some(name) = self.read_object(original, dice) else { return };
        self.is_the_same = false;
        let body = self.objects[&name].to_vec();
        // Columns are changed in what was written: to read a mutant here is not what is tried.
        let written = original.objects.get(&name).filter(|_| name.ends_with(".parquet") && dice.below(3) > 0);
        let (body, step) = match written {
            Some(written) => (columns::change(written, dice), "columns"),
            None if name.ends_with(".json") && dice.below(4) > 0 => match dice.below(4) {
                0 => (Some(change_lines(&body, dice)), "lines"),
                _ => (change_tree(&body, dice), "tree"),
            },
            None => {
                let mut body = body;
                (0..1 + dice.below(4)).for_each(|_| change_bytes(&mut body, dice));
                (Some(body), "bytes")
            }
        };
        if let Some(body) = body {
            self.set(name, body, step);
        }
    }

    fn set(&mut self, name: String, body: Vec<u8>, step: &str) {
        self.steps.push(format!("{name}: {step}"));
        self.changed.insert(name.clone());
        self.objects.insert(name, body.into());
    }

    /// One of those that opening the log reads.
    fn read_object(&self, original: &Original, dice: &mut Dice) -> Option<String> {
        let is_read = |name: &&String| match commit_version(name) {
            Some(version) => Some(version) > original.checkpoint,
            None => original.objects.contains_key(*name) && (name.contains(".checkpoint.") || name.starts_with("_sidecars/")),
        };
        let read: Vec<&String> = self.objects.keys().filter(is_read).collect();
        (!read.is_empty()).then(|| dice.pick(&read).to_string())
    }

    fn some_body(&self, original: &Original, dice: &mut Dice) -> Bytes {
        match self.read_object(original, dice) {
            Some(name) => self.objects[&name].clone(),
            None => Bytes::from(dice.pick(WORDS).to_string()),
        }
    }

    /// Whether the log has the objects that it had, and only commits after `version` say something else.
    pub fn differs_after(&self, original: &Original, version: i64) -> bool {
        let is_later = |name: &String| original.objects.get(name) == self.objects.get(name) || *name > commit_name(version);
        self.objects.keys().eq(original.objects.keys()) && self.objects.keys().filter(|name| !name.starts_with('_')).all(is_later)
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "steps: {:?}", self.steps)?;
        for (name, body) in self.objects.iter().filter(|(name, _)| self.changed.contains(*name)) {
            let shown = &body[..body.len().min(SHOWN_BYTES_MAX)];
            writeln!(f, "{name}, {} bytes:\n{}", body.len(), String::from_utf8_lossy(shown))?;
        }
        Ok(())
    }
}

fn lines_of(body: &[u8]) -> Vec<Vec<u8>> {
    body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).map(<[u8]>::to_vec).collect()
}

fn change_bytes(body: &mut Vec<u8>, dice: &mut Dice) {
    dice.change(body, NO_UTF8, WORDS);
    body.truncate(OBJECT_BYTES_MAX);
}

fn change_lines(body: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut lines = lines_of(body);
    if lines.is_empty() {
        return dice.pick(WORDS).as_bytes().to_vec();
    }
    let at = dice.below(lines.len());
    let line = lines[at].clone();
    match dice.below(6) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(dice.below(lines.len()), line),
        2 => lines[at].truncate(dice.below(line.len())),
        3 => lines[at].extend_from_slice(&line),
        4 => lines[at] = format!("[{}]", String::from_utf8_lossy(&line)).into_bytes(),
        _ => lines[at] = "[".repeat(OBJECT_BYTES_MAX / 8).into_bytes(),
    }
    lines.join(&b'\n')
}

fn change_tree(body: &[u8], dice: &mut Dice) -> Option<Vec<u8>> {
    let mut lines = lines_of(body);
    let at = dice.below(lines.len());
    let line = lines.get_mut(at)?;
    let mut action: Value = serde_json::from_slice(line).ok()?;
    change_value(&mut action, dice);
    *line = action.to_string().into_bytes();
    Some(lines.join(&b'\n'))
}

fn change_value(value: &mut Value, dice: &mut Dice) {
    match value {
        Value::Object(fields) if !fields.is_empty() && dice.below(6) > 0 => change_field(fields, dice),
        Value::Array(items) if !items.is_empty() && dice.below(6) > 0 => change_item(items, dice),
        Value::String(text) if dice.below(5) > 0 => change_text(text, dice),
        _ => *value = instead_of(value.take(), dice),
    }
}

fn change_field(fields: &mut Map<String, Value>, dice: &mut Dice) {
    let names: Vec<String> = fields.keys().cloned().collect();
    let (name, other) = (dice.pick(&names), dice.pick(&names));
    match dice.below(10) {
        0 => drop(fields.remove(name)),
        1 => drop(fields.insert(dice.pick(TEXTS).to_string(), fields[name].clone())),
        2 => drop(fields.insert(other.clone(), fields[name].clone())),
        _ => change_value(&mut fields[name], dice),
    }
}

fn change_item(items: &mut Vec<Value>, dice: &mut Dice) {
    let at = dice.below(items.len());
    match dice.below(6) {
        0 => drop(items.remove(at)),
        1 => items.push(items[at].clone()),
        _ => change_value(&mut items[at], dice),
    }
}

/// Texts may be JSON of their own: statistics, the schema.
fn change_text(text: &mut String, dice: &mut Dice) {
    let tree = serde_json::from_str::<Value>(text).ok().filter(|tree| tree.is_object() && dice.below(6) > 0);
    if let Some(mut tree) = tree {
        change_value(&mut tree, dice);
        *text = tree.to_string();
        return;
    }
    match dice.below(8) {
        0 => *text = text.repeat(1000),
        1 => *text = format!("{}{text}", dice.pick(TEXTS)),
        2 => text.push_str(dice.pick::<&str>(TEXTS)),
        3 => drop(text.pop()),
        4 => *text = "[".repeat(OBJECT_BYTES_MAX / 8),
        _ => *text = dice.pick(TEXTS).to_string(),
    }
}

/// Of another type, another size, or deeper.
fn instead_of(value: Value, dice: &mut Dice) -> Value {
    match dice.below(14) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(i64::MAX),
        3 => json!(i64::MIN),
        4 => json!(u64::MAX),
        5 => json!(i64::from(i32::MAX) + 1),
        6 => json!(-1),
        7 => json!(1e308),
        8 => json!(0.5),
        9 => json!(*dice.pick(TEXTS)),
        10 => json!([value]),
        11 => json!({ "path": value }),
        12 => json!({}),
        _ => (0..NESTED).fold(value, |within, depth| if depth % 2 == 0 { json!([within]) } else { json!({ "a": within }) }),
    }
}

/// Beside an action and within it, but not where names are the table's own.
fn add_unknown_fields(line: &mut Vec<u8>) {
    let Ok(Value::Object(mut action)) = serde_json::from_slice(line) else { return };
    let unknown = json!({"a": [1, null, "x"], "path": 7});
    action.values_mut().filter_map(Value::as_object_mut).for_each(|fields| drop(fields.insert("someday".to_string(), unknown.clone())));
    action.insert("someday".to_string(), unknown);
    *line = Value::Object(action).to_string().into_bytes();
}
