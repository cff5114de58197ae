//! The daemon's binary: arguments, logging, command, exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use aliyun_rds_import_exporter::check::check;
use aliyun_rds_import_exporter::cli::{Cli, Command};
use aliyun_rds_import_exporter::config::Environment;
use aliyun_rds_import_exporter::config::load::LoadError;
use aliyun_rds_import_exporter::logging;
use clap::Parser;

/// Something failed.
const FAILED: u8 = 1;
/// Bad usage or configuration; `clap` exits with it, too.
const BAD_CONFIGURATION: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(code) => code,
        Err(error) => report(&error),
    }
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    logging::init(cli.options.log_level, cli.options.log_format)?;
    let environment = Environment::of_process();
    match cli.command() {
        Command::Check => {
            let ok = check(&cli.options.config_file, &environment, &mut io::stdout().lock())?;
            Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
        }
        Command::Run | Command::Demo | Command::Simulate(_) => anyhow::bail!("not wired yet"),
    }
}

/// Tells why the command ended, to people: a log's line has no room for a list of problems.
fn report(error: &anyhow::Error) -> ExitCode {
    let (code, message) = match error.downcast_ref::<LoadError>() {
        Some(problems) => (BAD_CONFIGURATION, problems.to_string()),
        None => (FAILED, format!("error: {error:#}")),
    };
    // Without stderr the exit code alone has to do.
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::from(code)
}
