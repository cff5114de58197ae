//! Files that hold what an output has to be.

use std::path::{Path, PathBuf};

/// The package's root directory.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares `actual` with the file at `path` in the repository, or writes the file when
/// `UPDATE_GOLDEN` is set.
pub(crate) fn assert_golden(path: impl Into<PathBuf>, actual: &str) {
    let path = path.into();
    let file = root().join(&path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, actual).unwrap();
    }
    let golden = std::fs::read_to_string(&file).unwrap_or_default();
    if golden == actual {
        return;
    }
    let line = golden.lines().zip(actual.lines()).take_while(|(want, got)| want == got).count();
    let shown = |text: &str| text.lines().nth(line).unwrap_or("<end of the text>").to_owned();
    panic!(
        "{}, line {}, has\n  {}\nand now there is\n  {}\nif that is meant: UPDATE_GOLDEN=1 cargo test",
        path.display(),
        line + 1,
        shown(&golden),
        shown(actual),
    );
}
