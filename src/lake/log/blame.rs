//! Naming the object of a log in which something is wrong: whoever is told of it can go and look.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use object_store::path::Path;

use super::unreadable;
use crate::error::{Error, Kind, Result, SqlState};

/// The error of something that was read in this object. Whatever it was taken for, the data is wrong, unless it is only beyond us.
pub fn found_in(path: &Path, error: Error) -> Error {
    let detail = error.detail().map_or_else(|| format!("in {path}"), |detail| format!("in {path}: {detail}"));
    let is_told = error.kind() == Kind::Unsupported || error.sqlstate() == SqlState::DATA_CORRUPTED;
    let error = if is_told { error } else { unreadable(error) };
    error.with_detail(detail)
}

/// Reads what was fetched of this object, and answers for the libraries: some of them panic over broken bytes.
///
/// What `read` was about to change is of no use after an error.
pub fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T>) -> Result<T> {
    let outcome = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
    outcome.map_err(|error| found_in(path, error))
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string()).or_else(|| panic.downcast_ref::<String>().cloned());
    Error::data("the table's log cannot be read")
        .with_state(SqlState::DATA_CORRUPTED)
        .with_detail(format!("reading it panicked: {}", text.unwrap_or_else(|| "no message".to_string())))
}

#[cfg(test)]
mod tests {
    use arrow::error::ArrowError;

    use super::*;

    #[test]
    fn an_error_names_the_object_and_keeps_what_it_knows() {
        let path = Path::from("t/_delta_log/7.json");
        let beyond_us = found_in(&path, Error::unsupported("not yet").with_detail("one is x"));
        assert_eq!((beyond_us.kind(), beyond_us.message()), (Kind::Unsupported, "not yet"));
        assert_eq!(beyond_us.detail(), Some("in t/_delta_log/7.json: one is x"));

        let broken = found_in(&path, Error::data("no table").with_state(SqlState::DATA_CORRUPTED));
        assert_eq!((broken.message(), broken.detail()), ("no table", Some("in t/_delta_log/7.json")));

        let of_a_library = found_in(&path, ArrowError::JsonError("bad cast".into()).into());
        assert_eq!((of_a_library.kind(), of_a_library.sqlstate()), (Kind::Data, SqlState::DATA_CORRUPTED));
        let line = of_a_library.one_line();
        assert!(line.contains("in t/_delta_log/7.json") && line.contains("bad cast"), "{line}");
    }

    #[test]
    fn a_panic_is_the_fault_of_what_was_read() {
        let read = |nth: usize| guarded(&Path::from("t/_delta_log/7.json"), || Ok([1, 2][nth]));
        assert_eq!(read(1).unwrap(), 2);
        let error = read(2).unwrap_err();
        assert_eq!((error.kind(), error.sqlstate()), (Kind::Data, SqlState::DATA_CORRUPTED));
        assert!(error.detail().unwrap().starts_with("in t/_delta_log/7.json: reading it panicked: index out of bounds"), "{error:?}");
    }
}
