//! Golden files: text that only changes with a reason.

use std::path::{Path, PathBuf};

/// The package's root directory.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares `actual` to the file at `path`; with `UPDATE_GOLDEN=1` in the environment it rewrites
/// the file instead.
pub(crate) fn assert_golden(path: impl Into<PathBuf>, actual: &str) {
    let path = root().join(path.into());
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        std::fs::write(&path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "{} differs; UPDATE_GOLDEN=1 rewrites it", path.display());
}
