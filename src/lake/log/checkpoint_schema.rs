//! The columns of a checkpoint: one per kind of action, as the protocol spells them. All may be null, for a row is one action.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};

pub const ADD: &str = "add";
pub const REMOVE: &str = "remove";
pub const PROTOCOL: &str = "protocol";
pub const METADATA: &str = "metaData";
pub const TXN: &str = "txn";
pub const DOMAIN_METADATA: &str = "domainMetadata";
/// What a checkpoint in one file has no use for.
pub const LEFT_OUT: [&str; 4] = ["sidecar", "checkpointMetadata", "commitInfo", "cdc"];

/// The columns that we know.
pub fn known() -> SchemaRef {
    let actions = [
        (PROTOCOL, protocol()),
        (METADATA, metadata()),
        (TXN, group(&[("appId", DataType::Utf8), ("version", DataType::Int64), ("lastUpdated", DataType::Int64)])),
        (DOMAIN_METADATA, group(&[("domain", DataType::Utf8), ("configuration", DataType::Utf8), ("removed", DataType::Boolean)])),
        (ADD, add()),
        (REMOVE, remove()),
    ];
    Arc::new(Schema::new(actions.map(|(name, fields)| Field::new(name, fields, true)).to_vec()))
}

/// The columns that we know, and behind them those of an earlier checkpoint that we do not: they are kept as they are.
pub fn with_unknown(earlier: &Schema) -> SchemaRef {
    let known = known();
    let is_unknown = |field: &&Arc<Field>| known.field_with_name(field.name()).is_err() && !LEFT_OUT.contains(&field.name().as_str());
    let unknown = earlier.fields().iter().filter(is_unknown).cloned();
    Arc::new(Schema::new(known.fields().iter().cloned().chain(unknown).collect::<Vec<_>>()))
}

fn protocol() -> DataType {
    group(&[
        ("minReaderVersion", DataType::Int32),
        ("minWriterVersion", DataType::Int32),
        ("readerFeatures", texts()),
        ("writerFeatures", texts()),
    ])
}

fn metadata() -> DataType {
    group(&[
        ("id", DataType::Utf8),
        ("name", DataType::Utf8),
        ("description", DataType::Utf8),
        ("format", group(&[("provider", DataType::Utf8), ("options", text_map())])),
        ("schemaString", DataType::Utf8),
        ("partitionColumns", texts()),
        ("configuration", text_map()),
        ("createdTime", DataType::Int64),
    ])
}

fn add() -> DataType {
    group(&[
        ("path", DataType::Utf8),
        ("partitionValues", text_map()),
        ("size", DataType::Int64),
        ("modificationTime", DataType::Int64),
        ("dataChange", DataType::Boolean),
        ("stats", DataType::Utf8),
        ("tags", text_map()),
        ("deletionVector", deletion_vector()),
        ("baseRowId", DataType::Int64),
        ("defaultRowCommitVersion", DataType::Int64),
        ("clusteringProvider", DataType::Utf8),
    ])
}

fn remove() -> DataType {
    group(&[
        ("path", DataType::Utf8),
        ("deletionTimestamp", DataType::Int64),
        ("dataChange", DataType::Boolean),
        ("extendedFileMetadata", DataType::Boolean),
        ("partitionValues", text_map()),
        ("size", DataType::Int64),
        ("tags", text_map()),
        ("deletionVector", deletion_vector()),
        ("baseRowId", DataType::Int64),
        ("defaultRowCommitVersion", DataType::Int64),
    ])
}

fn deletion_vector() -> DataType {
    group(&[
        ("storageType", DataType::Utf8),
        ("pathOrInlineDv", DataType::Utf8),
        ("offset", DataType::Int32),
        ("sizeInBytes", DataType::Int32),
        ("cardinality", DataType::Int64),
    ])
}

fn group(fields: &[(&str, DataType)]) -> DataType {
    DataType::Struct(fields.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect())
}

/// The names within are those that Parquet gives them.
fn texts() -> DataType {
    DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)))
}

fn text_map() -> DataType {
    let entry = Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)]);
    DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entry), false)), false)
}
