//! What may stand in `WITH (connector = 'kinesis', …)`.

use std::time::Duration;

use url::Url;

use crate::error::{Error, Result};
use crate::model::{Options, SecretText};

/// The service allows five reads per second and shard. We leave one for somebody else.
const POLL_INTERVAL_DEFAULT: Duration = Duration::from_millis(250);
const POLL_INTERVAL_MIN: Duration = Duration::from_millis(200);
const POLL_INTERVAL_MAX: Duration = Duration::from_secs(60);
/// The service's own limit for the name of a stream.
const STREAM_NAME_BYTES_MAX: usize = 128;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KinesisOptions {
    /// At least one, each once, in the order they were written.
    pub streams: Vec<String>,
    /// None: as the AWS environment says.
    pub region: Option<String>,
    /// None: AWS.
    pub endpoint: Option<String>,
    /// None: the AWS default chain.
    pub keys: Option<Keys>,
    /// How long to wait before asking again when a shard had nothing more.
    pub poll_interval: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    pub access_key_id: String,
    pub secret_access_key: SecretText,
    pub session_token: Option<SecretText>,
}

impl KinesisOptions {
    /// Takes all options of this connector. Secrets may still be without their text.
    pub fn take(options: &mut Options) -> Result<KinesisOptions> {
        let taken = KinesisOptions {
            streams: stream_names(&options.require_text("stream")?)?,
            region: take_filled(options, "region")?,
            endpoint: take_filled(options, "endpoint")?.map(checked_endpoint).transpose()?,
            keys: take_keys(options)?,
            poll_interval: take_poll_interval(options)?,
        };
        if options.take_word("mode", &["polling", "efo"])? == Some("efo") {
            return Err(Error::unsupported("enhanced fan-out is not supported yet").with_hint("use mode = 'polling'"));
        }
        Ok(taken)
    }
}

fn stream_names(list: &str) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for name in list.split(',').map(str::trim) {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        if name.is_empty() || name.len() > STREAM_NAME_BYTES_MAX || !plain {
            return Err(Error::invalid(format!("\"{name}\" is not the name of a Kinesis stream"))
                .with_hint("write stream = 'a' or stream = 'a, b'; a name has letters, digits, _, . and -"));
        }
        if names.iter().any(|known| known == name) {
            return Err(Error::invalid(format!("stream \"{name}\" is named twice")));
        }
        names.push(name.to_string());
    }
    Ok(names)
}

fn take_filled(options: &mut Options, key: &'static str) -> Result<Option<String>> {
    match options.take_text(key)? {
        Some(text) if text.trim().is_empty() => Err(Error::invalid(format!("option \"{key}\" is empty"))),
        text => Ok(text.map(|text| text.trim().to_string())),
    }
}

fn checked_endpoint(text: String) -> Result<String> {
    // What stands before an @ may be a password: the text is not repeated then.
    let shown = text.rsplit_once('@').map_or(text.as_str(), |(_, place)| place);
    match Url::parse(&text) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err(Error::invalid("an endpoint cannot have a user or a password")
                .with_hint("definitions are shown to everybody: give access_key_id and secret_access_key = SECRET …"))
        }
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(text),
        _ => Err(Error::invalid(format!("endpoint '{shown}' is not a URL")).with_hint("write endpoint = 'http://127.0.0.1:4568'")),
    }
}

fn take_keys(options: &mut Options) -> Result<Option<Keys>> {
    let id = take_filled(options, "access_key_id")?;
    let secret = options.take_secret("secret_access_key")?;
    let session_token = options.take_secret("session_token")?;
    match (id, secret, session_token) {
        (Some(access_key_id), Some(secret_access_key), session_token) => Ok(Some(Keys { access_key_id, secret_access_key, session_token })),
        (None, None, None) => Ok(None),
        _ => Err(Error::invalid("options \"access_key_id\" and \"secret_access_key\" go together")
            .with_hint("give both, with session_token where the keys are temporary, or none of them for the AWS default chain")),
    }
}

fn take_poll_interval(options: &mut Options) -> Result<Duration> {
    let interval = options.take_duration("poll_interval")?.unwrap_or(POLL_INTERVAL_DEFAULT);
    match (POLL_INTERVAL_MIN..=POLL_INTERVAL_MAX).contains(&interval) {
        true => Ok(interval),
        false => Err(Error::invalid("option \"poll_interval\" is from 200ms to 60s")
            .with_detail("Kinesis allows five reads per second and shard, and forgets a reader's place after five minutes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::model::{Name, OptionValue};

    fn take(entries: &[(&str, &str)]) -> Result<KinesisOptions> {
        KinesisOptions::take(&mut entries.iter().fold(Options::default(), |options, (key, value)| options.with(key, *value)))
    }

    #[test]
    fn several_streams_in_one_source() {
        let options = take(&[("stream", " pops-eu, pops-us"), ("region", "eu-central-1"), ("poll_interval", "1s")]).unwrap();
        assert_eq!(options.streams, ["pops-eu", "pops-us"]);
        assert_eq!(options.region.as_deref(), Some("eu-central-1"));
        assert_eq!((options.endpoint, options.keys), (None, None));
        assert_eq!(options.poll_interval, Duration::from_secs(1));
    }

    #[test]
    fn what_cannot_be_a_stream_is_refused() {
        for bad in ["", "  ", "a,,b", "a,", "a b", "arn:aws:kinesis:x", "a,a"] {
            assert_eq!(take(&[("stream", bad)]).unwrap_err().kind(), Kind::Invalid, "{bad:?}");
        }
        assert_eq!(take(&[]).unwrap_err().message(), "option \"stream\" is required");
    }

    #[test]
    fn endpoints_and_intervals_are_checked() {
        for (key, bad) in [("endpoint", "localhost:4568"), ("endpoint", "ftp://x"), ("poll_interval", "10ms"), ("poll_interval", "1h")] {
            assert_eq!(take(&[("stream", "s"), (key, bad)]).unwrap_err().kind(), Kind::Invalid, "{key} {bad}");
        }
        assert!(take(&[("stream", "s"), ("endpoint", "http://127.0.0.1:4568")]).is_ok());
        for secret in ["http://user:hunter2@host", "https://hunter2@host:1/x", "user:hunter2@host", "http://:hunter2@host"] {
            let error = take(&[("stream", "s"), ("endpoint", secret)]).unwrap_err();
            assert!(!error.one_line().contains("hunter2"), "{}", error.one_line());
        }
    }

    #[test]
    fn fan_out_is_refused_by_name() {
        let error = take(&[("stream", "s"), ("mode", "EFO")]).unwrap_err();
        assert_eq!((error.kind(), error.message()), (Kind::Unsupported, "enhanced fan-out is not supported yet"));
        assert!(take(&[("stream", "s"), ("mode", "polling")]).is_ok());
    }

    #[test]
    fn keys_go_together_and_secrets_may_be_unresolved() {
        assert!(take(&[("stream", "s"), ("access_key_id", "AKIA")]).is_err());
        let mut options = Options::default().with("stream", "s").with("access_key_id", "AKIA");
        options.insert("secret_access_key", OptionValue::Secret(Name::new("aws").unwrap()), 1).unwrap();
        assert_eq!(KinesisOptions::take(&mut options).unwrap().keys.unwrap().access_key_id, "AKIA");
        options.finish("connector \"kinesis\"").unwrap();
    }
}
