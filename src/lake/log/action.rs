//! The actions of a Delta log, as the protocol spells them. Only what we use is named; what we do not know is skipped.

use std::collections::BTreeMap;

use object_store::path::Path;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::error::{Error, Result, SqlState};

/// The storage type of a deletion vector that is named by a whole path or URL.
const ABSOLUTE: &str = "p";
/// That of one which is named by a folder, if any, and by so many characters that stand for a UUID.
const RELATIVE: &str = "u";
const UUID_LEN: usize = 20;

/// One line of a commit, or one row of a checkpoint: exactly one field is set, or none if the action does not concern us.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Action {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit_info: Option<CommitInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta_data: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub txn: Option<Txn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove: Option<Remove>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add: Option<Add>,
    #[serde(skip_serializing)]
    pub sidecar: Option<Sidecar>,
    #[serde(skip_serializing)]
    pub domain_metadata: Option<DomainMetadata>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Add {
    /// Relative to the table's folder and percent-encoded: see `data_path`.
    pub path: String,
    #[serde(default)]
    pub partition_values: BTreeMap<String, Option<String>>,
    /// Bytes, never below zero.
    #[serde(deserialize_with = "file_size")]
    pub size: i64,
    #[serde(default)]
    pub modification_time: i64,
    pub data_change: bool,
    /// A JSON text of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stats: Option<String>,
    /// The same as a value: checkpoints may have only this.
    #[serde(default, rename = "stats_parsed", skip_serializing)]
    pub stats_parsed: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_vector: Option<DeletionVector>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Remove {
    /// As the `add` spelled it.
    pub path: String,
    /// Milliseconds since 1970. Until long after it the object is kept for those who still read an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<i64>,
    #[serde(default = "changes_data")]
    pub data_change: bool,
    /// Whether the following two are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_file_metadata: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition_values: Option<BTreeMap<String, Option<String>>>,
    /// Bytes. A size that cannot be is as good as none: nobody has to read the file any more.
    #[serde(default, deserialize_with = "known_size", skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_vector: Option<DeletionVector>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletionVector {
    pub storage_type: String,
    pub path_or_inline_dv: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i32>,
    pub size_in_bytes: i32,
    pub cardinality: i64,
}

/// `version` is the last one that the application `app_id` has committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Txn {
    pub app_id: String,
    pub version: i64,
    /// Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub format: Format,
    /// The schema as Delta writes it, a JSON text of its own.
    pub schema_string: String,
    #[serde(default)]
    pub partition_columns: Vec<String>,
    #[serde(default)]
    pub configuration: BTreeMap<String, Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_time: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Format {
    pub provider: String,
    #[serde(default)]
    pub options: BTreeMap<String, Option<String>>,
}

/// Which readers and writers may touch the table. The feature lists exist from reader 3 and writer 7 on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Protocol {
    pub min_reader_version: i32,
    pub min_writer_version: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader_features: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer_features: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CommitInfo {
    /// Milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Values are texts for other engines' sake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_parameters: Option<Value>,
    /// The same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_metrics: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_info: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_blind_append: Option<bool>,
    /// A token of this one commit: tells our own write from another's when the answer was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lakewire_commit_id: Option<String>,
}

/// A further file of a checkpoint, in `_delta_log/_sidecars`.
#[derive(Debug, Clone, Deserialize)]
pub struct Sidecar {
    pub path: String,
}

/// Settings of another engine's for the table, under a name of its own. We keep them, no more.
#[derive(Debug, Clone, Deserialize)]
pub struct DomainMetadata {
    pub domain: String,
    #[serde(default)]
    pub removed: bool,
}

impl Action {
    pub fn commit_info(info: CommitInfo) -> Action {
        Action { commit_info: Some(info), ..Action::default() }
    }

    pub fn protocol(protocol: Protocol) -> Action {
        Action { protocol: Some(protocol), ..Action::default() }
    }

    pub fn metadata(metadata: Metadata) -> Action {
        Action { meta_data: Some(metadata), ..Action::default() }
    }

    pub fn txn(txn: Txn) -> Action {
        Action { txn: Some(txn), ..Action::default() }
    }

    pub fn add(add: Add) -> Action {
        Action { add: Some(add), ..Action::default() }
    }

    pub fn remove(remove: Remove) -> Action {
        Action { remove: Some(remove), ..Action::default() }
    }

    /// Whether rows come or go by it. Compaction only moves them.
    pub fn changes_rows(&self) -> bool {
        self.add.as_ref().is_some_and(|add| add.data_change) || self.remove.as_ref().is_some_and(|remove| remove.data_change)
    }
}

/// A writer that does not say it may have changed something.
fn changes_data() -> bool {
    true
}

fn file_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    match i64::deserialize(deserializer)? {
        size @ 0.. => Ok(size),
        size => Err(D::Error::custom(format!("a file cannot have {size} bytes"))),
    }
}

fn known_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(Option::<i64>::deserialize(deserializer)?.filter(|size| *size >= 0))
}

impl Add {
    /// The statistics' JSON text, wherever it stands.
    pub fn stats_text(&self) -> Option<std::borrow::Cow<'_, str>> {
        match (&self.stats, &self.stats_parsed) {
            (Some(text), _) => Some(text.as_str().into()),
            (None, Some(parsed)) => Some(parsed.to_string().into()),
            (None, None) => None,
        }
    }
}

impl DeletionVector {
    /// What tells two deletion vectors of one file apart, as the protocol derives it.
    ///
    /// Errors: `Unsupported` if it is not in the table's folder.
    pub fn unique_id(&self) -> Result<String> {
        DeletionVector::id_of(&self.storage_type, &self.path_or_inline_dv, self.offset)
    }

    pub fn id_of(storage_type: &str, path_or_inline_dv: &str, offset: Option<i32>) -> Result<String> {
        match (storage_type, offset) {
            (ABSOLUTE, _) => Err(outside("deletion vectors", path_or_inline_dv)),
            (RELATIVE, _) if !stays_below(path_or_inline_dv) => Err(outside("deletion vectors", path_or_inline_dv)),
            (_, Some(offset)) => Ok(format!("{storage_type}{path_or_inline_dv}@{offset}")),
            (_, None) => Ok(format!("{storage_type}{path_or_inline_dv}")),
        }
    }
}

/// Whether the folder before a relative deletion vector's UUID is one name. The library joins it to the table's URL as it stands, so that
/// `..` in any spelling, a slash, a scheme or a query would lead elsewhere. Writers put random letters and digits there.
fn stays_below(relative: &str) -> bool {
    let folder = &relative.as_bytes()[..relative.len().saturating_sub(UUID_LEN)];
    folder.iter().all(|byte| byte.is_ascii_alphanumeric() || [b'-', b'_'].contains(byte))
}

/// The path below the table's folder that a log's `path` means.
///
/// Errors: `Unsupported` if it leads elsewhere, `Data` if it is none, or that of the folder itself.
pub fn data_path(encoded: &str) -> Result<Path> {
    if encoded.starts_with('/') || encoded.contains("://") {
        return Err(outside("data files", encoded));
    }
    let unreadable =
        || Error::data(format!("the table's log has a path that cannot be read: {encoded}")).with_state(SqlState::DATA_CORRUPTED);
    match Path::from_url_path(encoded) {
        Ok(path) if path.is_root() => Err(unreadable().with_detail("it is the table's own folder")),
        Ok(path) => Ok(path),
        Err(error) => Err(unreadable().with_cause(error)),
    }
}

fn outside(what: &str, path: &str) -> Error {
    Error::unsupported(format!("the table names {what} outside its own folder")).with_detail(format!("one is {path}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::Kind;

    fn add(size: i64, vector: Value) -> serde_json::Result<Add> {
        serde_json::from_value(json!({ "path": "f", "size": size, "dataChange": true, "deletionVector": vector }))
    }

    #[test]
    fn a_file_has_no_less_than_no_bytes() {
        assert_eq!(add(0, Value::Null).unwrap().size, 0);
        assert!(add(-1, Value::Null).unwrap_err().to_string().contains("-1 bytes"));
        let removed = |size: i64| serde_json::from_value::<Remove>(json!({ "path": "f", "size": size })).unwrap().size;
        assert_eq!((removed(7), removed(-1)), (Some(7), None));
    }

    #[test]
    fn a_path_is_one_below_the_folder() {
        assert_eq!(data_path("kind=a%20b/f%2525").unwrap().as_ref(), "kind=a b/f%25");
        for broken in ["", "%2F", ".", "..", "a//b", "../x", "%2e%2e/x", "%ff"] {
            assert_eq!(data_path(broken).unwrap_err().kind(), Kind::Data, "{broken}");
        }
        for elsewhere in ["/", "/etc/passwd", "s3://bucket/x"] {
            assert_eq!(data_path(elsewhere).unwrap_err().kind(), Kind::Unsupported, "{elsewhere}");
        }
    }

    #[test]
    fn a_deletion_vector_is_in_the_folder_too() {
        let id = |kind: &str, offset: Value| {
            let vector = json!({ "storageType": kind, "pathOrInlineDv": "x", "offset": offset, "sizeInBytes": 1, "cardinality": 1 });
            add(1, vector).unwrap().deletion_vector.unwrap().unique_id()
        };
        assert_eq!(id("u", json!(4)).unwrap(), "ux@4");
        assert_eq!(id("i", Value::Null).unwrap(), "ix");
        assert_eq!(id("p", json!(4)).unwrap_err().kind(), Kind::Unsupported);
    }

    #[test]
    fn a_relative_deletion_vector_stays_in_the_folder() {
        const UUID: &str = "^-aqEH.-t@S}K{vb[*k^";
        let id = |kind: &str, folder: &str| DeletionVector::id_of(kind, &format!("{folder}{UUID}"), Some(4));
        for folder in ["", "ab", "A9", "a-b_c"] {
            assert_eq!(id("u", folder).unwrap(), format!("u{folder}{UUID}@4"));
        }
        let elsewhere =
            ["..", "../x", ".", "/", "/etc", "//host/x", "a/..", "..\\x", "%2e%2e", ".\t.", "s3://other/x", "c:", "?", "#", "ü"];
        for folder in elsewhere {
            assert_eq!(id("u", folder).unwrap_err().kind(), Kind::Unsupported, "{folder}");
        }
        // These are no names but the bits themselves.
        assert!(id("i", "/:").is_ok());
    }
}
