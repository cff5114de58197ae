//! Mode `External` of a CLI profile: a command that prints keys as JSON.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::auth::Credentials;
use crate::auth::provider::session::{Expiration, Keys, json};
use crate::auth::provider::source::Context;
use crate::secret::Secret;

/// Longest time that the command may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest output that is read.
const MAX_OUTPUT: u64 = 1 << 20;

/// A command to run.
#[derive(Debug)]
pub(super) struct External {
    /// Words as a shell splits them; no shell runs. Its arguments may be secrets.
    pub(super) command: Secret,
}

#[derive(Deserialize)]
struct Output {
    #[serde(default)]
    access_key_id: String,
    access_key_secret: Option<Secret>,
    sts_token: Option<Secret>,
    expiration: Option<String>,
}

impl External {
    pub(super) async fn keys(&self, context: &Context) -> Result<Keys, String> {
        let words = shlex::split(self.command.expose())
            .ok_or("process_command has a quote that does not end")?;
        let [program, arguments @ ..] = words.as_slice() else {
            return Err("process_command is empty".to_owned());
        };
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(context.environment.as_map());
        let run = tokio::time::timeout(TIMEOUT, run(&mut command)).await;
        let (output, status) = run
            .map_err(|_| format!("process_command, {program}, did not end in {TIMEOUT:?}"))?
            .map_err(|error| format!("cannot run process_command, {program}: {error}"))?;
        if output.len() as u64 > MAX_OUTPUT {
            return Err(format!("process_command, {program}, prints more than 1 MiB"));
        }
        if !status.success() {
            return Err(format!("process_command, {program}, failed: {status}"));
        }
        let handed_out = context.clock.now();
        let keys = json::<Output>(&output).and_then(|output| {
            let filled = |secret: &Secret| !secret.expose().is_empty();
            let secret = output.access_key_secret.filter(filled);
            if output.access_key_id.is_empty() {
                return Err("has no access_key_id".to_owned());
            }
            let expiration = output.expiration.filter(|text| !text.is_empty());
            Ok(Keys {
                credentials: Credentials {
                    access_key_id: output.access_key_id,
                    access_key_secret: secret.ok_or("has no access_key_secret")?,
                    security_token: output.sts_token.filter(filled),
                },
                expiration: expiration
                    .map(|text| Expiration::parse(&text, handed_out))
                    .transpose()?,
                provider: "",
            })
        });
        keys.map_err(|problem| format!("what process_command, {program}, prints {problem}"))
    }
}

/// Runs a command: what it prints, up to the limit, and how it ended. It ends with the future.
async fn run(command: &mut Command) -> io::Result<(Vec<u8>, ExitStatus)> {
    // What it says on stderr may hold anything.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        // With its pipe closed, a command that prints more ends by itself.
        stdout.take(MAX_OUTPUT + 1).read_to_end(&mut output).await?;
    }
    Ok((output, child.wait().await?))
}
