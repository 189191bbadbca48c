//! `WITH (…)` options. They are taken one by one; what is left over is an error that names it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Name;
use crate::error::{Error, Result};

/// The text of a secret. It prints as dots.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Arc<str>);

impl SecretText {
    pub fn new(text: &str) -> SecretText {
        SecretText(text.into())
    }

    /// The text itself, for the one call that needs it. Never log it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptionValue {
    Text(String),
    /// `SECRET name`
    Secret(Name),
    /// A secret that was looked up. Lives in memory only.
    #[serde(skip)]
    Revealed(SecretText),
}

/// Options by name. Cloning one gives an untouched set, so validating and opening each take all of it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Options {
    entries: BTreeMap<String, OptionValue>,
    #[serde(skip)]
    taken: BTreeSet<String>,
    #[serde(skip)]
    known: BTreeSet<&'static str>,
    #[serde(skip)]
    places: BTreeMap<String, usize>,
}

impl Clone for Options {
    fn clone(&self) -> Options {
        Options { entries: self.entries.clone(), places: self.places.clone(), ..Options::default() }
    }
}

impl PartialEq for Options {
    fn eq(&self, other: &Options) -> bool {
        self.entries == other.entries
    }
}

impl Options {
    /// Adds an option as parsed. `position` is its character position in the statement.
    pub fn insert(&mut self, key: &str, value: OptionValue, position: usize) -> Result<()> {
        self.places.insert(key.to_string(), position);
        match self.entries.insert(key.to_string(), value) {
            None => Ok(()),
            Some(_) => Err(Error::syntax(format!("option \"{key}\" is given twice")).at(position)),
        }
    }

    /// The same options with one set or replaced.
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Options {
        self.entries.insert(key.to_string(), OptionValue::Text(value.into()));
        self
    }

    /// The same options without some.
    pub fn without(&self, keys: &[&str]) -> Options {
        let mut rest = self.clone();
        rest.entries.retain(|key, _| !keys.contains(&key.as_str()));
        rest
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All keys and values, for showing. Secrets are shown by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &OptionValue)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The names of the secrets that are used.
    pub fn secrets(&self) -> impl Iterator<Item = &Name> {
        self.entries.values().filter_map(|value| match value {
            OptionValue::Secret(name) => Some(name),
            _ => None,
        })
    }

    /// The same options with every secret looked up.
    pub fn reveal(&self, look_up: impl Fn(&Name) -> Result<SecretText>) -> Result<Options> {
        let mut revealed = self.clone();
        for value in revealed.entries.values_mut() {
            if let OptionValue::Secret(name) = value {
                *value = OptionValue::Revealed(look_up(name)?);
            }
        }
        Ok(revealed)
    }

    fn take(&mut self, key: &'static str) -> Option<&OptionValue> {
        self.known.insert(key);
        self.taken.insert(key.to_string());
        self.entries.get(key)
    }

    fn error(&self, key: &str, message: String) -> Error {
        let error = Error::invalid(message);
        match self.places.get(key) {
            Some(position) => error.at(*position),
            None => error,
        }
    }

    pub fn take_text(&mut self, key: &'static str) -> Result<Option<String>> {
        match self.take(key) {
            None => Ok(None),
            Some(OptionValue::Text(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.error(key, format!("option \"{key}\" cannot be a secret"))),
        }
    }

    pub fn require_text(&mut self, key: &'static str) -> Result<String> {
        match self.take_text(key)? {
            Some(text) if !text.trim().is_empty() => Ok(text),
            Some(_) => Err(self.error(key, format!("option \"{key}\" is empty"))),
            None => Err(Error::invalid(format!("option \"{key}\" is required")).with_hint(self.hint_to_add(key))),
        }
    }

    /// Names what was given and is not known yet, too: the missing key may be among it, misspelt.
    fn hint_to_add(&self, key: &str) -> String {
        let given: Vec<_> = self.entries.keys().filter(|given| !self.taken.contains(*given)).map(String::as_str).collect();
        match given.is_empty() {
            true => format!("add {key} = '…' to WITH (…)"),
            false => format!("add {key} = '…' to WITH (…); given are: {}", given.join(", ")),
        }
    }

    /// A secret must be given as `SECRET name`, so that no statement and no log ever holds it. Before `reveal` its text is empty.
    pub fn take_secret(&mut self, key: &'static str) -> Result<Option<SecretText>> {
        match self.take(key) {
            None => Ok(None),
            Some(OptionValue::Secret(_)) => Ok(Some(SecretText::new(""))),
            Some(OptionValue::Revealed(text)) => Ok(Some(text.clone())),
            Some(OptionValue::Text(_)) => Err(self
                .error(key, format!("option \"{key}\" must be a secret"))
                .with_hint(format!("CREATE SECRET s AS '…', then {key} = SECRET s"))),
        }
    }

    pub fn take_bool(&mut self, key: &'static str) -> Result<Option<bool>> {
        let Some(text) = self.take_text(key)? else { return Ok(None) };
        match text.to_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Ok(Some(true)),
            "false" | "off" | "no" | "0" => Ok(Some(false)),
            _ => Err(self.error(key, format!("option \"{key}\" is true or false, not '{text}'"))),
        }
    }

    pub fn take_u64(&mut self, key: &'static str, range: std::ops::RangeInclusive<u64>) -> Result<Option<u64>> {
        let Some(text) = self.take_text(key)? else { return Ok(None) };
        match text.parse::<u64>() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                Err(self.error(key, format!("option \"{key}\" is a whole number from {} to {}, not '{text}'", range.start(), range.end())))
            }
        }
    }

    /// One of a fixed set of words, in any case.
    pub fn take_word(&mut self, key: &'static str, words: &[&'static str]) -> Result<Option<&'static str>> {
        let Some(text) = self.take_text(key)? else { return Ok(None) };
        match words.iter().find(|word| word.eq_ignore_ascii_case(text.trim())) {
            Some(word) => Ok(Some(word)),
            None => Err(self.error(key, format!("option \"{key}\" is one of {}, not '{text}'", words.join(", ")))),
        }
    }

    /// `10s`, `500 ms`, `2 minutes`, `1h`, `7 days`.
    pub fn take_duration(&mut self, key: &'static str) -> Result<Option<Duration>> {
        let Some(text) = self.take_text(key)? else { return Ok(None) };
        parse_duration(&text).map(Some).ok_or_else(|| {
            self.error(key, format!("option \"{key}\" is a duration, not '{text}'")).with_hint("write 500ms, 10s, 5 minutes, 1h or 7 days")
        })
    }

    /// `128MB`, `1 GB`, `4096`.
    pub fn take_bytes(&mut self, key: &'static str) -> Result<Option<u64>> {
        let Some(text) = self.take_text(key)? else { return Ok(None) };
        parse_bytes(&text)
            .map(Some)
            .ok_or_else(|| self.error(key, format!("option \"{key}\" is a size, not '{text}'")).with_hint("write 64KB, 128MB or 1GB"))
    }

    /// `earliest`, `latest`, or a time as ISO 8601.
    pub fn take_start(&mut self, key: &'static str) -> Result<Option<Start>> {
        let Some(text) = self.take_text(key)? else { return Ok(None) };
        Start::parse(&text).map(Some).ok_or_else(|| {
            self.error(key, format!("option \"{key}\" is 'earliest', 'latest' or a time like '2026-01-01T00:00:00Z', not '{text}'"))
        })
    }

    /// A time as ISO 8601, or as PostgreSQL writes it.
    pub fn take_time(&mut self, key: &'static str) -> Result<Option<DateTime<Utc>>> {
        let Some(text) = self.take_text(key)? else { return Ok(None) };
        let time = DateTime::parse_from_rfc3339(text.trim()).or_else(|_| DateTime::parse_from_str(text.trim(), "%Y-%m-%d %H:%M:%S%.f%#z"));
        time.map(|time| Some(time.with_timezone(&Utc)))
            .map_err(|_| self.error(key, format!("option \"{key}\" is a time like '2026-01-01 00:00:00.25+00', not '{text}'")))
    }

    /// To be called after the last take: an option that nobody took is an error, never ignored.
    pub fn finish(self, owner: &str) -> Result<()> {
        let Some(unknown) = self.entries.keys().find(|key| !self.taken.contains(*key)) else { return Ok(()) };
        let known: Vec<_> = self.known.iter().copied().collect();
        Err(self
            .error(unknown, format!("unknown option \"{unknown}\" for {owner}"))
            .with_hint(format!("the options are: {}", known.join(", "))))
    }
}

/// Where a job that has no position yet begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    Earliest,
    Latest,
    At(DateTime<Utc>),
}

impl Start {
    pub fn parse(text: &str) -> Option<Start> {
        match text.trim().to_lowercase().as_str() {
            "earliest" => Some(Start::Earliest),
            "latest" => Some(Start::Latest),
            _ => DateTime::parse_from_rfc3339(text.trim()).ok().map(|time| Start::At(time.with_timezone(&Utc))),
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Start::Earliest => f.write_str("earliest"),
            Start::Latest => f.write_str("latest"),
            Start::At(time) => write!(f, "{}", time.to_rfc3339()),
        }
    }
}

pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let seconds = match unit.as_str() {
        "ms" | "millisecond" | "milliseconds" => 0.001,
        "" | "s" | "sec" | "second" | "seconds" => 1.0,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok()
}

pub fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let factor: u64 = match unit.as_str() {
        "" | "b" => 1,
        "kb" | "k" | "kib" => 1 << 10,
        "mb" | "m" | "mib" => 1 << 20,
        "gb" | "g" | "gib" => 1 << 30,
        "tb" | "t" | "tib" => 1 << 40,
        _ => return None,
    };
    Some((number * factor as f64) as u64)
}

fn split_unit(text: &str) -> Option<(f64, String)> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, text[end..].trim().to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(entries: &[(&str, &str)]) -> Options {
        entries.iter().fold(Options::default(), |options, (key, value)| options.with(key, *value))
    }

    #[test]
    fn what_is_not_taken_is_an_error_that_names_it() {
        let mut options = options(&[("rows", "5"), ("rowz", "7")]);
        assert_eq!(options.take_u64("rows", 1..=10).unwrap(), Some(5));
        let error = options.finish("connector \"generator\"").unwrap_err();
        assert_eq!(error.message(), "unknown option \"rowz\" for connector \"generator\"");
        assert_eq!(error.hint(), Some("the options are: rows"));
    }

    #[test]
    fn what_is_missing_may_be_misspelt() {
        let error = options(&[("conector", "kinesis"), ("stream", "s")]).require_text("connector").unwrap_err();
        assert_eq!(error.message(), "option \"connector\" is required");
        assert_eq!(error.hint(), Some("add connector = '…' to WITH (…); given are: conector, stream"));
        assert_eq!(options(&[]).require_text("stream").unwrap_err().hint(), Some("add stream = '…' to WITH (…)"));
    }

    #[test]
    fn a_secret_is_not_accepted_in_clear() {
        let mut options = options(&[("password", "hunter2")]);
        let error = options.take_secret("password").unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"));
    }

    #[test]
    fn durations_and_sizes() {
        assert_eq!(parse_duration("10s"), Some(Duration::from_secs(10)));
        assert_eq!(parse_duration("500 ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_duration("4 weeks"), Some(Duration::from_secs(4 * 604_800)));
        assert_eq!(parse_duration("soon"), None);
        assert_eq!(parse_bytes("128MB"), Some(128 << 20));
        assert_eq!(parse_bytes("x"), None);
    }
}
