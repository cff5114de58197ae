//! `profile`: a profile of the Alibaba Cloud CLI or of a credentials file.
//!
//! Which of the two a file is, its content tells. It is read again each time keys are needed, so
//! that a change in it is taken up.

use std::path::{Path, PathBuf};

use crate::auth::provider::file::{self, Problem};
use crate::auth::provider::session::Keys;
use crate::auth::provider::source::{Context, Source};
use crate::auth::provider::{cli_profile, ini_profile};

const PROFILE: &str = "ALIBABA_CLOUD_PROFILE";
const CLI_DISABLED: &str = "ALIBABA_CLOUD_CLI_PROFILE_DISABLED";
const CLI_FILE: &str = "ALIBABA_CLOUD_CONFIG_FILE";
const CREDENTIALS_FILE: &str = "ALIBABA_CLOUD_CREDENTIALS_FILE";

/// The CLI's own file, from the home directory.
const DEFAULT_CLI_FILE: &str = ".aliyun/config.json";
/// The SDKs for Go and Node read the one, those for Python and Java the other.
const DEFAULT_CREDENTIALS_FILES: [&str; 2] =
    [".alibabacloud/credentials", ".alibabacloud/credentials.ini"];

/// A profile in one of some files.
#[derive(Debug)]
pub(super) struct Profile {
    /// Without it, the environment's, or the file's own choice.
    name: Option<String>,
    files: Files,
}

#[derive(Debug)]
enum Files {
    Given(PathBuf),
    OfCli,
    OfCredentials,
    Usual,
}

/// What a file says of a profile.
pub(super) enum Lookup {
    /// It describes where keys come from.
    Found(Source),
    /// It has no such profile, but others.
    Absent(String),
}

impl Profile {
    /// The profile that a configuration names, in the file that it names or in the usual places.
    pub(super) fn configured(name: Option<String>, file: Option<PathBuf>) -> Self {
        Self { name, files: file.map_or(Files::Usual, Files::Given) }
    }

    /// The profile of the CLI's own file.
    pub(super) fn of_cli() -> Self {
        Self { name: None, files: Files::OfCli }
    }

    /// The profile of the SDKs' own file.
    pub(super) fn of_credentials_file() -> Self {
        Self { name: None, files: Files::OfCredentials }
    }

    /// What messages call it.
    pub(super) fn name(&self) -> &'static str {
        match self.files {
            Files::OfCli => "CLI profile",
            Files::OfCredentials => "credentials file",
            Files::Given(_) | Files::Usual => "profile",
        }
    }

    /// The keys of the first file that has the profile.
    pub(super) async fn keys(&self, context: &Context) -> Result<Keys, String> {
        if matches!(self.files, Files::OfCli) && context.is_on(CLI_DISABLED) {
            return Err(format!("the CLI's profiles are disabled by {CLI_DISABLED}"));
        }
        let name = self.name.as_deref().or_else(|| context.variable(PROFILE));
        let mut problems = Vec::new();
        for path in self.paths(context)? {
            match look_up(&path, name).await? {
                Lookup::Found(source) => {
                    let keys = source.keys(context).await;
                    return keys.map_err(|error| format!("{}: {error}", path.display()));
                }
                Lookup::Absent(problem) => problems.push(problem),
            }
        }
        Err(problems.join(", "))
    }

    fn paths(&self, context: &Context) -> Result<Vec<PathBuf>, String> {
        let cli = || places(context, CLI_FILE, &[DEFAULT_CLI_FILE]);
        let credentials = || places(context, CREDENTIALS_FILE, &DEFAULT_CREDENTIALS_FILES);
        match &self.files {
            Files::Given(path) => Ok(vec![path.clone()]),
            Files::OfCli => cli(),
            Files::OfCredentials => credentials(),
            Files::Usual => Ok([cli()?, credentials()?].concat()),
        }
    }
}

/// The file that a variable names, or those at the usual places in the home directory.
fn places(context: &Context, variable: &str, usual: &[&str]) -> Result<Vec<PathBuf>, String> {
    if let Some(path) = context.variable(variable) {
        return Ok(vec![path.into()]);
    }
    let home = context.variable("HOME").map(Path::new);
    let home = home.ok_or_else(|| format!("neither {variable} nor HOME is set"))?;
    Ok(usual.iter().map(|path| home.join(path)).collect())
}

/// Reads a file. One that does not exist has no profile.
async fn look_up(path: &Path, name: Option<&str>) -> Result<Lookup, String> {
    let text = match file::read(path).await {
        Ok(text) => text,
        Err(Problem::Missing(problem)) => return Ok(Lookup::Absent(problem)),
        Err(Problem::Unusable(problem)) => return Err(problem),
    };
    let text = text.expose();
    let lookup = if text.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
        cli_profile::look_up(text, name)
    } else {
        ini_profile::look_up(text, name, path)
    };
    match lookup {
        Ok(Lookup::Absent(problem)) => Ok(Lookup::Absent(format!("{} {problem}", path.display()))),
        lookup => lookup.map_err(|problem| format!("{}: {problem}", path.display())),
    }
}

/// A file's answer when it has no profile `name`, but `others`.
pub(super) fn absent<'a>(name: &str, others: impl Iterator<Item = &'a str>) -> Lookup {
    let others: Vec<_> = others.map(|other| format!("{other:?}")).collect();
    let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
    Lookup::Absent(format!("has no profile {name:?}; there is: {others}"))
}

/// A key and its secret that a profile must have, both.
pub(super) fn required<T>(value: Option<T>, field: &str, profile: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("profile {profile:?} has no {field}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn profile_like() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("{\"current\": \"a\", \"profiles\": ["),
            Just("{\"name\": \"a\", \"mode\": \"AK\"}"),
            Just("]}"),
            Just("{"),
            Just("["),
            Just("]"),
            Just("[default]"),
            Just("[a"),
            Just("\n"),
            Just("\r"),
            Just("type = sts"),
            Just("access_key_id"),
            Just(" = "),
            Just("#"),
            Just(";"),
            Just("\\"),
            Just("\""),
            Just("'"),
            Just("\u{feff}"),
            Just("\0"),
            Just("é"),
            Just("  x"),
        ];
        proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_file_is_read_or_refused(text in prop_oneof![".*", profile_like()]) {
            let _ = cli_profile::look_up(&text, Some("a"));
            let _ = ini_profile::look_up(&text, None, Path::new("file"));
        }
    }
}
