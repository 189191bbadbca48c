//! Where a table is, below the lake's root. A user's text never reaches outside of it, nor into another's own folders.

use object_store::path::{Path, PathPart};
use url::Url;

use crate::error::{Error, Result};

/// The lake's own folder beside the tables.
const RESERVED: &str = "_lakewire";
const LOG_FOLDER: &str = "_delta_log";

/// The path below the root that `location` means: `events`, `a/b`, `s3://bucket/prefix/a/b`, `/data/lake/a/b`.
pub fn parse(location: &str, root: &Url) -> Result<Path> {
    let relative = match location.contains("://") || location.starts_with('/') {
        true => below_root(location, root).ok_or_else(|| outside(location, root))?,
        false => location.to_string(),
    };
    let mut parts = Vec::new();
    for part in relative.split('/').filter(|part| !part.is_empty()) {
        if [".", "..", LOG_FOLDER].contains(&part) || part.chars().any(char::is_control) {
            return Err(Error::invalid(format!("'{}' is not a table location", location.escape_debug()))
                .with_detail(format!("'{}' cannot be part of it", part.escape_debug())));
        }
        parts.push(PathPart::from(part));
    }
    if parts.first().is_some_and(|part| part.as_ref() == RESERVED) {
        return Err(
            Error::invalid(format!("'{location}' is not a table location")).with_detail(format!("{RESERVED} is the lake's own folder"))
        );
    }
    Ok(Path::from_iter(parts))
}

/// Where a URL or an absolute path leads, seen from the root.
fn below_root(location: &str, root: &Url) -> Option<String> {
    let root_path = Path::from_url_path(root.path()).ok()?;
    let path = match location.starts_with('/') {
        true if root.scheme() == "file" => Path::parse(location).ok()?,
        true => return None,
        false => {
            let url = Url::parse(location).ok()?;
            if (url.scheme(), url.host_str(), url.port()) != (root.scheme(), root.host_str(), root.port()) {
                return None;
            }
            Path::from_url_path(url.path()).ok()?
        }
    };
    let parts = path.prefix_match(&root_path)?.map(|part| part.as_ref().to_string()).collect::<Vec<_>>();
    (!parts.is_empty()).then(|| parts.join("/"))
}

fn outside(location: &str, root: &Url) -> Error {
    Error::unsupported(format!("'{location}' is not below the lake's root"))
        .with_detail(format!("the root is {root}"))
        .with_hint("give a path relative to the root, or leave the location out")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relative(location: &str) -> Option<String> {
        parse(location, &Url::parse("s3://bucket/some/lake").unwrap()).ok().map(String::from)
    }

    #[test]
    fn stays_below_the_root() {
        assert_eq!(relative("events").as_deref(), Some("events"));
        assert_eq!(relative("a/b").as_deref(), Some("a/b"));
        assert_eq!(relative("s3://bucket/some/lake/a/b").as_deref(), Some("a/b"));
        for bad in [
            "../x",
            "a/../../x",
            "a/./b",
            "s3://bucket/other",
            "s3://else/some/lake/a",
            "s3://bucket/some/lake/../x",
            "/etc",
            "_lakewire/x",
            "a/_delta_log",
        ] {
            assert_eq!(relative(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_local_root_takes_absolute_paths() {
        let root = Url::parse("file:///data/lake/").unwrap();
        assert_eq!(parse("/data/lake/a", &root).unwrap().as_ref(), "a");
        assert!(parse("/data/other/a", &root).is_err());
    }
}
