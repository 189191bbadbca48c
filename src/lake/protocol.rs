//! What a table asks of its readers and writers, and whether we can give it.

use arrow::datatypes::Schema;

use super::log::action::{Metadata, Protocol};
use super::schema::has_timestamp_without_zone;
use crate::error::{Error, Result};

const READER_VERSION_MAX: i32 = 3;
const WRITER_VERSION_MAX: i32 = 7;
/// From these on, features are listed by name.
const READER_VERSION_NAMED: i32 = 3;
const WRITER_VERSION_NAMED: i32 = 7;

const TIMESTAMP_NTZ: &str = "timestampNtz";
const COLUMN_MAPPING_MODE: &str = "delta.columnMapping.mode";
const APPEND_ONLY: &str = "delta.appendOnly";
const CHANGE_DATA_FEED: &str = "delta.enableChangeDataFeed";
const CONSTRAINT_PREFIX: &str = "delta.constraints.";

/// Features that ask nothing of a plain scan. Column mapping and deletion vectors do if they are used, which is looked at elsewhere.
const READER_FEATURES_PLAIN: [&str; 5] = [TIMESTAMP_NTZ, "columnMapping", "deletionVectors", "v2Checkpoint", "vacuumProtocolCheck"];

/// Features that ask nothing of a blind append unless a column or a setting uses them.
const WRITER_FEATURES_APPENDABLE: [&str; 13] = [
    "appendOnly",
    "invariants",
    "checkConstraints",
    "changeDataFeed",
    "generatedColumns",
    "columnMapping",
    "identityColumns",
    "deletionVectors",
    "domainMetadata",
    "v2Checkpoint",
    "vacuumProtocolCheck",
    "checkpointProtection",
    TIMESTAMP_NTZ,
];

/// What a column's metadata says if a writer must do more with it than write it.
const COLUMN_DUTIES: [(&str, &str); 3] =
    [("delta.invariants", "an invariant"), ("delta.generationExpression", "a generated value"), ("delta.identity.start", "an identity")];

/// The features that a writer version without names stands for.
const LEGACY_WRITER_FEATURES: [(i32, &str); 7] = [
    (2, "appendOnly"),
    (2, "invariants"),
    (3, "checkConstraints"),
    (4, "changeDataFeed"),
    (4, "generatedColumns"),
    (5, "columnMapping"),
    (6, "identityColumns"),
];

impl Protocol {
    /// The least that every reader knows.
    pub fn lowest() -> Protocol {
        Protocol { min_reader_version: 1, min_writer_version: 2, reader_features: None, writer_features: None }
    }

    /// This protocol, raised as far as the columns need.
    pub fn raised_for(&self, schema: &Schema) -> Protocol {
        match schema.fields().iter().any(|field| has_timestamp_without_zone(field.data_type())) {
            true => self.with_timestamp_ntz(),
            false => self.clone(),
        }
    }

    fn with_timestamp_ntz(&self) -> Protocol {
        let mut raised = self.with_named_features();
        for features in [&mut raised.reader_features, &mut raised.writer_features].into_iter().flatten() {
            if !features.iter().any(|feature| feature == TIMESTAMP_NTZ) {
                features.push(TIMESTAMP_NTZ.to_string());
            }
        }
        raised
    }

    /// The same duties, spelled as lists of features.
    fn with_named_features(&self) -> Protocol {
        let reader = match self.min_reader_version {
            2 => vec!["columnMapping".to_string()],
            _ => self.reader_features.clone().unwrap_or_default(),
        };
        let writer = match &self.writer_features {
            Some(named) => named.clone(),
            None => {
                let implied = LEGACY_WRITER_FEATURES.iter().filter(|(version, _)| *version <= self.min_writer_version);
                implied.map(|(_, feature)| feature.to_string()).collect()
            }
        };
        Protocol {
            min_reader_version: READER_VERSION_NAMED,
            min_writer_version: WRITER_VERSION_NAMED,
            reader_features: Some(reader),
            writer_features: Some(writer),
        }
    }

    /// Whether the data files are to be read as they are, without translating names.
    pub fn reads_plainly(&self, metadata: &Metadata) -> bool {
        let known = |feature: &String| READER_FEATURES_PLAIN.contains(&feature.as_str());
        self.min_reader_version <= READER_VERSION_MAX && self.reader_features.iter().flatten().all(known) && !metadata.maps_columns()
    }

    /// Fails by name on what a writer of this table would have to do and we do not.
    pub fn check_appendable(&self, metadata: &Metadata, schema: &Schema) -> Result<()> {
        if self.min_writer_version > WRITER_VERSION_MAX || self.min_reader_version > READER_VERSION_MAX {
            return Err(refused(format!("it asks for writer version {}", self.min_writer_version)));
        }
        let features = self.writer_features.iter().chain(&self.reader_features).flatten();
        if let Some(unknown) = features.into_iter().find(|feature| !WRITER_FEATURES_APPENDABLE.contains(&feature.as_str())) {
            return Err(refused(format!("it has the table feature {unknown}")));
        }
        if metadata.maps_columns() {
            return Err(refused("it has column mapping".to_string()));
        }
        if let Some(constraint) = metadata.configuration.keys().find_map(|key| key.strip_prefix(CONSTRAINT_PREFIX)) {
            return Err(refused(format!("it has the constraint {constraint}")));
        }
        for field in schema.fields() {
            if let Some((_, duty)) = COLUMN_DUTIES.iter().find(|(key, _)| field.metadata().contains_key(*key)) {
                return Err(refused(format!("its column \"{}\" has {duty}", field.name())));
            }
        }
        Ok(())
    }
}

impl Metadata {
    /// Fails by name on what forbids us to take rows out of the table.
    pub fn check_removable(&self) -> Result<()> {
        if self.is_set(APPEND_ONLY) {
            return Err(Error::state("rows of this table cannot be changed or deleted")
                .with_detail(format!("it has the property {APPEND_ONLY}"))
                .with_hint("rows can be added to it"));
        }
        match self.is_set(CHANGE_DATA_FEED) {
            true => Err(refused(format!("it has the property {CHANGE_DATA_FEED}: each change would have to be written a second time"))),
            false => Ok(()),
        }
    }

    fn is_set(&self, property: &str) -> bool {
        self.configuration.get(property).and_then(Option::as_deref).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn maps_columns(&self) -> bool {
        let mode = self.configuration.get(COLUMN_MAPPING_MODE).and_then(Option::as_deref);
        mode.is_some_and(|mode| mode != "none")
    }
}

fn refused(why: String) -> Error {
    Error::unsupported("cannot write to this table")
        .with_detail(why)
        .with_hint("another engine made the table so; it can be read, and written by that engine")
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, TimeUnit};

    use super::*;

    fn schema(data_type: DataType) -> Schema {
        Schema::new(vec![Field::new("a", data_type, true)])
    }

    #[test]
    fn only_a_timestamp_without_zone_raises_the_protocol() {
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        assert_eq!(Protocol::lowest().raised_for(&schema(zoned)), Protocol::lowest());

        let raised = Protocol::lowest().raised_for(&schema(DataType::Timestamp(TimeUnit::Microsecond, None)));
        assert_eq!((raised.min_reader_version, raised.min_writer_version), (3, 7));
        assert_eq!(raised.reader_features.as_deref(), Some(["timestampNtz".to_string()].as_slice()));
        assert_eq!(raised.writer_features.unwrap(), ["appendOnly", "invariants", "timestampNtz"]);
    }
}
