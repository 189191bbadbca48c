//! Statements that PostgreSQL, or the language we are growing into, has and we do not run: refused by name.

use super::reader::Reader;
use crate::error::{Error, Result};

/// In the language, not in this version.
const NOT_YET: [&[&str]; 10] = [
    &["CREATE", "SINK"],
    &["ALTER", "SINK"],
    &["DROP", "SINK"],
    &["ALTER", "SOURCE"],
    &["COPY"],
    &["COMMENT"],
    &["PREPARE"],
    &["EXECUTE"],
    &["GRANT"],
    &["REVOKE"],
];

/// Single words that begin a statement of PostgreSQL's (and of some others') that we have no use for.
const NOT_AT_ALL: [&str; 32] = [
    "ANALYZE",
    "ATTACH",
    "CALL",
    "CHECKPOINT",
    "CLUSTER",
    "DETACH",
    "DO",
    "IMPORT",
    "INSTALL",
    "KILL",
    "LISTEN",
    "LOAD",
    "LOCK",
    "MOVE",
    "NOTIFY",
    "OPTIMIZE",
    "PRAGMA",
    "REASSIGN",
    "REFRESH",
    "REINDEX",
    "RELEASE",
    "RENAME",
    "REPLACE",
    "SAVEPOINT",
    "SECURITY",
    "TABLE",
    "UNCACHE",
    "UNLISTEN",
    "UNLOAD",
    "USE",
    "VACUUM",
    "CACHE",
];

/// What `CREATE`, `ALTER` and `DROP` are about in PostgreSQL.
const OBJECTS: [&[&str]; 32] = [
    &["ACCESS", "METHOD"],
    &["AGGREGATE"],
    &["CAST"],
    &["COLLATION"],
    &["CONVERSION"],
    &["DATABASE"],
    &["DEFAULT", "PRIVILEGES"],
    &["DOMAIN"],
    &["EVENT", "TRIGGER"],
    &["EXTENSION"],
    &["FOREIGN", "TABLE"],
    &["FUNCTION"],
    &["GROUP"],
    &["LANGUAGE"],
    &["OPERATOR"],
    &["OWNED"],
    &["POLICY"],
    &["PROCEDURE"],
    &["PUBLICATION"],
    &["ROLE"],
    &["ROUTINE"],
    &["RULE"],
    &["SCHEMA"],
    &["SEQUENCE"],
    &["SERVER"],
    &["STATISTICS"],
    &["SUBSCRIPTION"],
    &["SYSTEM"],
    &["TABLESPACE"],
    &["TRIGGER"],
    &["TYPE"],
    &["USER"],
];

/// Modifiers between `CREATE` and the object that make it something else.
const MODIFIERS: [&[&str]; 9] =
    [&["OR", "REPLACE"], &["GLOBAL"], &["LOCAL"], &["TEMPORARY"], &["TEMP"], &["UNLOGGED"], &["EXTERNAL"], &["UNIQUE"], &["RECURSIVE"]];

/// The error for a statement that nobody took: unsupported if it is one, else a syntax error at the word where it stops being one.
pub fn error(reader: &mut Reader) -> Error {
    let start = reader.position();
    if let Some(words) = NOT_YET.iter().find(|words| reader.peek(words)) {
        return Error::unsupported(format!("{} is not supported yet", words.join(" "))).at(start);
    }
    if let Some(word) = NOT_AT_ALL.iter().find(|word| reader.peek(&[word])) {
        return Error::unsupported(format!("{word} is not supported")).at(start);
    }
    match ["CREATE", "ALTER", "DROP"].into_iter().find(|verb| reader.accept(&[verb])) {
        Some(verb) => match object(reader, verb) {
            Ok(name) if NOT_YET.iter().any(|words| words.join(" ") == name) => {
                Error::unsupported(format!("{name} is not supported yet")).at(start)
            }
            Ok(name) => Error::unsupported(format!("{name} is not supported")).at(start),
            Err(error) => error,
        },
        None => reader.unexpected("a statement"),
    }
}

/// `prefix` and the next words that name what is asked for: `ALTER TABLE … DROP COLUMN is not supported`.
pub fn refuse(prefix: &str, reader: &Reader) -> Error {
    let words: Vec<_> = (0..2).map_while(|ahead| reader.peek_word(ahead)).filter(|word| is_grammar(word)).collect();
    Error::unsupported(format!("{prefix} {} is not supported", words.join(" "))).at(reader.position())
}

fn is_grammar(word: &str) -> bool {
    const WORDS: [&str; 16] = [
        "DROP",
        "ALTER",
        "RENAME",
        "OWNER",
        "ATTACH",
        "DETACH",
        "ENABLE",
        "DISABLE",
        "RESET",
        "CLUSTER",
        "INHERIT",
        "COLUMN",
        "CONSTRAINT",
        "TO",
        "PARTITION",
        "TRIGGER",
    ];
    WORDS.contains(&word)
}

/// The name of what is asked for: `CREATE FUNCTION`, `CREATE MATERIALIZED VIEW`. Modifiers are part of it where it is they that
/// are not supported: `CREATE OR REPLACE TABLE`.
fn object(reader: &mut Reader, verb: &str) -> Result<String> {
    let mut modifiers = vec![verb];
    while let Some(words) = MODIFIERS.iter().find(|words| reader.accept(words)) {
        modifiers.extend(words.iter());
    }
    let own: [&[&str]; 7] = [&["SOURCE"], &["TABLE"], &["PIPELINE"], &["SECRET"], &["INDEX"], &["SINK"], &["VIEW"]];
    let materialized: &[&str] = &["MATERIALIZED", "VIEW"];
    let known = OBJECTS.iter().chain(&own).chain(std::iter::once(&materialized)).find(|words| reader.peek(words));
    match known {
        Some(words) if OBJECTS.contains(words) || *words == materialized => Ok(format!("{verb} {}", words.join(" "))),
        Some(words) => Ok(format!("{} {}", modifiers.join(" "), words.join(" "))),
        None => Err(reader.unexpected("SOURCE, TABLE, PIPELINE, MATERIALIZED VIEW or SECRET")),
    }
}
