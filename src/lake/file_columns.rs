//! What a log says of data files, in columns: gathered from the actions of a commit, or as a checkpoint has them.

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, MapArray, RecordBatch, RecordBatchOptions, StringArray, StructArray};
use arrow::compute::{cast, min};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use arrow::json::LineDelimitedWriter;

use super::log::action::{Add, DeletionVector};
use crate::error::{Error, Result, SqlState};

/// One row per file. Partition values and statistics are the texts that stand in the log.
pub struct FileColumns {
    /// The paths as the log spells them.
    pub paths: StringArray,
    pub sizes: Int64Array,
    /// Milliseconds since 1970.
    pub modified: Int64Array,
    /// The unique id of the file's deletion vector.
    pub vectors: StringArray,
    /// For each partition column.
    pub partition_values: Vec<StringArray>,
    pub stats: StringArray,
}

impl FileColumns {
    pub fn of_adds(adds: &[&Add], partition_columns: &[String]) -> Result<FileColumns> {
        let value = |add: &Add, column: &String| add.partition_values.get(column).cloned().flatten();
        let vector = |add: &&Add| add.deletion_vector.as_ref().map(DeletionVector::unique_id).transpose();
        Ok(FileColumns {
            paths: StringArray::from_iter_values(adds.iter().map(|add| &add.path)),
            sizes: Int64Array::from_iter_values(adds.iter().map(|add| add.size)),
            modified: Int64Array::from_iter_values(adds.iter().map(|add| add.modification_time)),
            vectors: adds.iter().map(vector).collect::<Result<_>>()?,
            partition_values: partition_columns.iter().map(|column| adds.iter().map(|add| value(add, column)).collect()).collect(),
            stats: adds.iter().map(|add| add.stats_text()).collect(),
        })
    }

    /// `add` is the column of that name of a checkpoint, without the rows in which it is null.
    pub fn of_checkpoint(add: &StructArray, partition_columns: &[String]) -> Result<FileColumns> {
        let paths = typed(add, "path", &DataType::Utf8)?.filter(|paths| paths.null_count() == 0);
        let sizes = typed(add, "size", &DataType::Int64)?.filter(|sizes| sizes.null_count() == 0);
        let (Some(paths), Some(sizes)) = (paths, sizes) else { return Err(incomplete()) };
        let sizes = file_sizes(sizes.as_primitive())?;
        let modified = typed(add, "modificationTime", &DataType::Int64)?;
        let modified = modified.map_or_else(|| vec![None; add.len()].into(), |modified| modified.as_primitive::<Int64Type>().clone());
        let values = add.column_by_name("partitionValues").and_then(|values| values.as_map_opt());
        Ok(FileColumns {
            paths: paths.as_string().clone(),
            sizes,
            modified: modified.iter().map(Option::unwrap_or_default).map(Some).collect(),
            vectors: vector_ids(add)?,
            partition_values: partition_columns.iter().map(|column| partition_values(values, column, add.len())).collect::<Result<_>>()?,
            stats: stats_texts(add)?,
        })
    }
}

/// The statistics' JSON texts of an `add` or `remove` column, wherever they stand: checkpoints may have them as a struct alone.
pub fn stats_texts(action: &StructArray) -> Result<StringArray> {
    let texts = typed(action, "stats", &DataType::Utf8)?.map(|texts| texts.as_string::<i32>().clone());
    let parsed = action.column_by_name("stats_parsed").and_then(|parsed| parsed.as_struct_opt());
    match (texts, parsed) {
        (Some(texts), Some(parsed)) if texts.null_count() > 0 => {
            let written = as_json(parsed)?;
            Ok(texts.iter().zip(&written).map(|(text, written)| text.or(written)).collect())
        }
        (Some(texts), _) => Ok(texts),
        (None, Some(parsed)) => as_json(parsed),
        (None, None) => Ok(StringArray::new_null(action.len())),
    }
}

/// The unique ids of an action's deletion vectors, null where there is none.
pub fn vector_ids(action: &StructArray) -> Result<StringArray> {
    let Some(vectors) = action.column_by_name("deletionVector").and_then(|vectors| vectors.as_struct_opt()) else {
        return Ok(StringArray::new_null(action.len()));
    };
    let kinds = typed(vectors, "storageType", &DataType::Utf8)?;
    let paths = typed(vectors, "pathOrInlineDv", &DataType::Utf8)?;
    let (Some(kinds), Some(paths)) = (kinds, paths) else { return Err(incomplete()) };
    let (kinds, paths) = (kinds.as_string::<i32>(), paths.as_string::<i32>());
    let offsets = typed(vectors, "offset", &DataType::Int32)?;
    let id = |row: usize| {
        let is_there = vectors.is_valid(row) && kinds.is_valid(row) && paths.is_valid(row);
        let offsets = offsets.as_ref().map(|offsets| offsets.as_primitive::<Int32Type>());
        let offset = offsets.filter(|offsets| offsets.is_valid(row)).map(|offsets| offsets.value(row));
        is_there.then(|| DeletionVector::id_of(kinds.value(row), paths.value(row), offset)).transpose()
    };
    (0..action.len()).map(id).collect()
}

/// A field of an action, cast to what it should be.
pub fn typed(action: &StructArray, name: &str, data_type: &DataType) -> Result<Option<ArrayRef>> {
    match action.column_by_name(name) {
        Some(column) if column.data_type() == data_type => Ok(Some(column.clone())),
        Some(column) => Ok(Some(cast(column, data_type)?)),
        None => Ok(None),
    }
}

fn partition_values(maps: Option<&MapArray>, column: &str, rows: usize) -> Result<StringArray> {
    let Some(maps) = maps else { return Ok(StringArray::new_null(rows)) };
    let (keys, values) = (cast(maps.keys(), &DataType::Utf8)?, cast(maps.values(), &DataType::Utf8)?);
    let (keys, values) = (keys.as_string::<i32>(), values.as_string::<i32>());
    let value = |row: usize| {
        let entries = maps.value_offsets()[row] as usize..maps.value_offsets()[row + 1] as usize;
        let found = entries.into_iter().find(|entry| keys.value(*entry) == column);
        found.filter(|entry| maps.is_valid(row) && values.is_valid(*entry)).map(|entry| values.value(entry))
    };
    Ok((0..rows).map(value).collect())
}

/// Each row as a JSON object.
fn as_json(rows: &StructArray) -> Result<StringArray> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let schema = arrow::datatypes::Schema::new(rows.fields().clone());
    let mut lines = LineDelimitedWriter::new(Vec::new());
    lines.write(&RecordBatch::try_new_with_options(schema.into(), rows.columns().to_vec(), &options)?)?;
    lines.finish()?;
    let text = String::from_utf8(lines.into_inner()).map_err(|error| Error::internal("JSON is not UTF-8").with_cause(error))?;
    let texts = text.lines().enumerate().map(|(row, line)| rows.is_valid(row).then_some(line));
    Ok(texts.collect())
}

fn file_sizes(sizes: &Int64Array) -> Result<Int64Array> {
    match min(sizes) {
        Some(..0) => Err(broken("a checkpoint of the table has files of less than no bytes")),
        _ => Ok(sizes.clone()),
    }
}

fn incomplete() -> Error {
    broken("a checkpoint of the table has files without path or size")
}

fn broken(what: &str) -> Error {
    Error::data(what).with_state(SqlState::DATA_CORRUPTED)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Field;

    use super::*;
    use crate::error::Kind;

    fn group(columns: Vec<(&str, ArrayRef)>) -> StructArray {
        let field = |name: &str, column: &ArrayRef| Arc::new(Field::new(name, column.data_type().clone(), true));
        StructArray::from(columns.into_iter().map(|(name, column)| (field(name, &column), column)).collect::<Vec<_>>())
    }

    fn sizes(values: Vec<Option<i64>>) -> Result<Int64Array> {
        let paths: ArrayRef = Arc::new(StringArray::from(vec!["f"; values.len()]));
        let add = group(vec![("path", paths), ("size", Arc::new(Int64Array::from(values)) as ArrayRef)]);
        FileColumns::of_checkpoint(&add, &[]).map(|files| files.sizes)
    }

    #[test]
    fn each_file_of_a_checkpoint_has_a_size_that_can_be() {
        assert_eq!(sizes(vec![Some(0), Some(i64::MAX)]).unwrap(), Int64Array::from(vec![0, i64::MAX]));
        for broken in [vec![Some(1), None], vec![Some(1), Some(-1)]] {
            assert_eq!(sizes(broken).err().unwrap().kind(), Kind::Data);
        }
    }

    #[test]
    fn a_deletion_vector_elsewhere_is_beyond_us() {
        let ids = |kinds: Vec<Option<&str>>| {
            let texts: ArrayRef = Arc::new(StringArray::from(vec!["x"; kinds.len()]));
            let kinds: ArrayRef = Arc::new(StringArray::from(kinds));
            let vectors: ArrayRef = Arc::new(group(vec![("storageType", kinds), ("pathOrInlineDv", texts)]));
            vector_ids(&group(vec![("deletionVector", vectors)]))
        };
        assert_eq!(ids(vec![Some("u"), None]).unwrap(), StringArray::from(vec![Some("ux"), None]));
        assert_eq!(ids(vec![Some("u"), Some("p")]).unwrap_err().kind(), Kind::Unsupported);
    }
}
