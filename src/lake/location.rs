//! Where a table is, below the lake's root. A user's text never reaches outside of it, nor into another's own folders.

use object_store::path::Path;
use url::Url;

use crate::error::{Error, Result};

/// The lake's own folder beside the tables.
const RESERVED: &str = "_lakewire";
/// Within it, the folder of the server's own tables.
const RESERVED_TABLES: &str = "tables";
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
        parts.push(part);
    }
    if parts.is_empty() {
        return Err(Error::invalid("a table location cannot be empty"));
    }
    if parts.first() == Some(&RESERVED) && parts.get(1) != Some(&RESERVED_TABLES) {
        return Err(
            Error::invalid(format!("'{location}' is not a table location")).with_detail(format!("{RESERVED} is the lake's own folder"))
        );
    }
    Path::parse(parts.join("/")).map_err(|error| Error::invalid(format!("'{location}' is not a table location")).with_cause(error))
}

/// The path in the store that a root's URL means.
pub fn path_of(root: &Url) -> Path {
    let segments = root.path().split('/').filter(|segment| !segment.is_empty());
    segments.fold(Path::default(), |path, segment| match Path::from_url_path(segment) {
        Ok(decoded) => joined(&path, &decoded),
        Err(_) => path.join(segment),
    })
}

/// `below` under `above`, letter for letter: the parts of a path are names already and are not encoded once more.
pub fn joined(above: &Path, below: &Path) -> Path {
    match (above.as_ref(), below.as_ref()) {
        ("", _) => below.clone(),
        (_, "") => above.clone(),
        (above, below) => Path::parse(format!("{above}/{below}")).expect("two paths make a path"),
    }
}

/// Where a URL or an absolute path leads, seen from the root.
fn below_root(location: &str, root: &Url) -> Option<String> {
    let root_path = path_of(root);
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
        assert_eq!(relative("100% ünï#1").as_deref(), Some("100% ünï#1"));
        assert_eq!(relative("s3://bucket/some/lake/a%23b").as_deref(), Some("a#b"));
        assert_eq!(relative("s3://bucket/some/lake/a/b").as_deref(), Some("a/b"));
        assert_eq!(relative("/a//b/"), None, "an absolute path means nothing in a bucket");
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
            "",
            "/",
        ] {
            assert_eq!(relative(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_root_is_never_the_whole_bucket_by_mistake() {
        let path = |root: &str| path_of(&Url::parse(root).unwrap()).to_string();
        assert_eq!(path("s3://bucket/a//b%20c/"), "a/b c");
        assert_eq!(path("s3://bucket"), "");
    }

    #[test]
    fn a_local_root_takes_absolute_paths() {
        let root = Url::parse("file:///data/lake/").unwrap();
        assert_eq!(parse("/data/lake/a", &root).unwrap().as_ref(), "a");
        assert!(parse("/data/other/a", &root).is_err());
    }
}
