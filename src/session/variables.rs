//! Session variables: what SET sets and SHOW shows. A setting that would have no effect is refused.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{Error, Result, SqlState};
use crate::model::options::parse_duration;

/// The version we announce: clients pick their SQL by it.
pub const SERVER_VERSION: &str = "15.10";

/// All variables there are.
const VARIABLES: &[Variable] = &[
    Variable { name: "application_name", default: "", report: Report::AsNamed("application_name"), accepts: Accepts::Anything },
    Variable { name: "bytea_output", default: "hex", report: Report::No, accepts: Accepts::Words(&["hex"]) },
    Variable {
        name: "client_encoding",
        default: "UTF8",
        report: Report::AsNamed("client_encoding"),
        accepts: Accepts::Words(&["UTF8", "UTF-8", "UNICODE"]),
    },
    Variable {
        name: "client_min_messages",
        default: "notice",
        report: Report::No,
        accepts: Accepts::Words(&["notice", "warning", "error"]),
    },
    Variable {
        name: "datestyle",
        default: "ISO, MDY",
        report: Report::AsNamed("DateStyle"),
        accepts: Accepts::Words(&["ISO", "ISO, MDY", "ISO, DMY", "ISO, YMD"]),
    },
    Variable {
        name: "default_transaction_isolation",
        default: "read committed",
        report: Report::No,
        accepts: Accepts::Words(&["read committed"]),
    },
    Variable { name: "default_transaction_read_only", default: "off", report: Report::No, accepts: Accepts::Words(&["off"]) },
    Variable { name: "default_transaction_deferrable", default: "off", report: Report::No, accepts: Accepts::Words(&["off"]) },
    Variable { name: "extra_float_digits", default: "1", report: Report::No, accepts: Accepts::Words(&["1", "2", "3"]) },
    Variable { name: "idle_in_transaction_session_timeout", default: "0", report: Report::No, accepts: Accepts::Words(&["0"]) },
    Variable { name: "integer_datetimes", default: "on", report: Report::AsNamed("integer_datetimes"), accepts: Accepts::Nothing },
    Variable {
        name: "intervalstyle",
        default: "postgres",
        report: Report::AsNamed("IntervalStyle"),
        accepts: Accepts::Words(&["postgres"]),
    },
    Variable { name: "is_superuser", default: "on", report: Report::AsNamed("is_superuser"), accepts: Accepts::Nothing },
    Variable { name: "lock_timeout", default: "0", report: Report::No, accepts: Accepts::Words(&["0"]) },
    Variable { name: "max_staleness", default: "0", report: Report::No, accepts: Accepts::Duration },
    Variable { name: "row_security", default: "off", report: Report::No, accepts: Accepts::Words(&["off", "on"]) },
    Variable {
        name: "search_path",
        default: "public",
        report: Report::No,
        accepts: Accepts::Words(&["public", "\"$user\", public", "\"$user\",public"]),
    },
    Variable { name: "server_encoding", default: "UTF8", report: Report::AsNamed("server_encoding"), accepts: Accepts::Nothing },
    Variable { name: "server_version", default: SERVER_VERSION, report: Report::AsNamed("server_version"), accepts: Accepts::Nothing },
    Variable { name: "server_version_num", default: "150010", report: Report::No, accepts: Accepts::Nothing },
    Variable { name: "session_authorization", default: "", report: Report::AsNamed("session_authorization"), accepts: Accepts::Nothing },
    Variable {
        name: "standard_conforming_strings",
        default: "on",
        report: Report::AsNamed("standard_conforming_strings"),
        accepts: Accepts::Words(&["on"]),
    },
    Variable { name: "statement_timeout", default: "0", report: Report::No, accepts: Accepts::Words(&["0"]) },
    Variable {
        name: "timezone",
        default: "UTC",
        report: Report::AsNamed("TimeZone"),
        accepts: Accepts::Words(&["UTC", "GMT", "Etc/UTC", "Z"]),
    },
    Variable { name: "transaction_isolation", default: "read committed", report: Report::No, accepts: Accepts::Words(&["read committed"]) },
    Variable { name: "transaction_read_only", default: "off", report: Report::No, accepts: Accepts::Words(&["off"]) },
];

struct Variable {
    name: &'static str,
    default: &'static str,
    report: Report,
    accepts: Accepts,
}

enum Report {
    No,
    /// Clients are told of it, under this spelling.
    AsNamed(&'static str),
}

enum Accepts {
    Anything,
    /// Any of these, in any case: each means what we do anyway.
    Words(&'static [&'static str]),
    /// `500ms`, `5s`, `1min`; a number alone is milliseconds, as in PostgreSQL.
    Duration,
    /// It cannot be set.
    Nothing,
}

/// The values of one session.
pub struct Variables {
    set: BTreeMap<&'static str, String>,
    user: String,
}

impl Variables {
    pub fn new(user: &str) -> Variables {
        let user = user.to_string();
        Variables { set: BTreeMap::from([("session_authorization", user.clone())]), user }
    }

    pub fn get(&self, name: &str) -> Result<String> {
        let variable = find(name)?;
        Ok(self.value(variable))
    }

    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let variable = find(name)?;
        let refused = |message: String| Error::invalid(message);
        match variable.accepts {
            Accepts::Anything => {}
            Accepts::Words(words) if words.iter().any(|word| word.eq_ignore_ascii_case(value)) => {}
            Accepts::Words(words) => {
                return Err(refused(format!("invalid value for parameter \"{name}\": \"{value}\""))
                    .with_hint(format!("available values: {}", words.join("; "))));
            }
            Accepts::Duration if duration(value).is_some() => {}
            Accepts::Duration => {
                return Err(refused(format!("invalid value for parameter \"{name}\": \"{value}\""))
                    .with_hint("write a duration, such as 500ms, 5s or 1min; 0 is none"));
            }
            Accepts::Nothing => {
                return Err(
                    Error::invalid(format!("parameter \"{name}\" cannot be changed")).with_state(SqlState::CANNOT_CHANGE_RUNTIME_PARAMETER)
                );
            }
        }
        self.set.insert(variable.name, value.to_string());
        Ok(())
    }

    pub fn reset(&mut self, name: &str) -> Result<()> {
        self.set.remove(find(name)?.name);
        Ok(())
    }

    pub fn reset_all(&mut self) {
        *self = Variables::new(&self.user);
    }

    /// How old what a query reads of views may be. `None`: as old as it is.
    pub fn max_staleness(&self) -> Option<Duration> {
        self.set.get("max_staleness").and_then(|value| duration(value)).filter(|limit| !limit.is_zero())
    }

    /// All of them with their values, in the order of their names.
    pub fn list(&self) -> Vec<(&'static str, String)> {
        VARIABLES.iter().map(|variable| (variable.name, self.value(variable))).collect()
    }

    pub fn reported(&self) -> Vec<(&'static str, String)> {
        VARIABLES
            .iter()
            .filter_map(|variable| match variable.report {
                Report::AsNamed(spelling) => Some((spelling, self.value(variable))),
                Report::No => None,
            })
            .collect()
    }

    fn value(&self, variable: &Variable) -> String {
        self.set.get(variable.name).cloned().unwrap_or_else(|| variable.default.to_string())
    }
}

fn duration(value: &str) -> Option<Duration> {
    match value.trim().parse() {
        Ok(milliseconds) => Some(Duration::from_millis(milliseconds)),
        Err(_) => parse_duration(value),
    }
}

fn find(name: &str) -> Result<&'static Variable> {
    VARIABLES
        .iter()
        .find(|variable| variable.name.eq_ignore_ascii_case(name))
        .ok_or_else(|| Error::undefined(format!("unrecognized configuration parameter \"{name}\"")).with_state(SqlState::UNDEFINED_OBJECT))
}
