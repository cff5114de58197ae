//! The command line: commands, flags, and what is allowed in them.
//!
//! Nothing is done here; `main` acts on what was asked for.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::LazyLock;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::Shard;
use crate::config::shard::ShardError;
use crate::domain::TaskStatus;
use crate::instruments::BUILD;
use crate::logging::{Format, Level};
use crate::web::{ListenAddress, TelemetryPath};

/// Where the daemon listens if nothing else is asked for: on every address of the machine.
const DEFAULT_PORT: u16 = 10_525;
/// Where the simulator listens if nothing else is asked for.
const SIMULATOR_ADDRESS: &str = "127.0.0.1:10526";

/// Prometheus exporter for the migration (import) tasks of ApsaraDB RDS instances.
#[derive(Clone, Debug, Parser)]
#[command(name = "aliyun-rds-import-exporter", version = version(), max_term_width = 100)]
pub struct Cli {
    /// The flags.
    #[command(flatten)]
    pub options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run the daemon (what is done without a command)
    Run,
    /// Run simulator and daemon in one process on loopback: no configuration, no account
    Demo,
    /// Run only the simulated Alibaba Cloud
    Simulate(Simulate),
    /// Check the configuration and list every problem; exit 1 if there is any
    Check(Check),
    /// Walk every instance once and print its tasks; exit 1 if an instance cannot be asked
    Tasks(Tasks),
    /// Print the least RAM policy that the keys of an account need, as JSON
    Policy(Policy),
}

/// Which tasks are printed, and how.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Tasks {
    /// How to print them
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub output: Output,
    /// Only tasks in this status; may be repeated
    #[arg(long, value_name = "STATUS", ignore_case = true, value_parser = statuses())]
    pub status: Vec<String>,
    /// Only tasks of this instance, by its ID or name; may be repeated. The others are not asked
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Vec<String>,
    /// Walk again every interval of the configuration and print anew, until interrupted
    #[arg(long)]
    pub watch: bool,
    /// Exit with 3 if a task that is printed is Failed, even if an instance cannot be asked
    #[arg(long, conflicts_with = "watch")]
    pub exit_status: bool,
}

/// How tasks are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table for people, as wide as the terminal
    Table,
    /// JSON in the shape of /api/v1/tasks
    Json,
}

/// What is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct Check {
    /// Also try the credentials, the discovery and one call for each instance, within the
    /// accounts' budgets, and say what to do about each failure
    #[arg(long)]
    pub online: bool,
}

/// Whose policy is printed.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Policy {
    /// Account of the configuration; may be left out if there is only one
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
}

/// What the simulator is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Simulate {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = SIMULATOR_ADDRESS)]
    pub listen: SocketAddr,
    /// YAML file that describes the fleet, the speed of its life and its faults [default: the
    /// scenario of demo]
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
}

/// The flags that every command takes.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Configuration file
    #[arg(long = "config.file", global = true, value_name = "FILE", default_value = "config.yaml")]
    pub config_file: PathBuf,

    #[arg(
        long = "web.listen-address",
        global = true,
        value_name = "ADDRESS",
        help = "Address to listen on, as HOST:PORT, [IPV6]:PORT or :PORT for every address; may be \
                repeated [default: :10525, for demo 127.0.0.1:10525]"
    )]
    web_listen_address: Vec<ListenAddress>,

    /// File with TLS, users and headers for the daemon's HTTP server, in the format of
    /// Prometheus's exporter-toolkit [default: none: plain HTTP for everybody]
    #[arg(long = "web.config.file", global = true, value_name = "FILE")]
    pub web_config_file: Option<PathBuf>,

    /// Listen on the sockets of systemd, and fail if there are none; without this flag they are
    /// used if there are any
    #[arg(long = "web.systemd-socket", global = true)]
    pub web_systemd_socket: bool,

    /// Path of the metrics
    #[arg(
        long = "web.telemetry-path",
        global = true,
        value_name = "PATH",
        default_value = "/metrics"
    )]
    pub web_telemetry_path: TelemetryPath,

    /// Which of the shards this process is, from 0 [default: the number that ends the host name]
    #[arg(long, global = true, value_name = "NUMBER")]
    shard: Option<u32>,

    /// How many processes split the instances, and each account's requests_per_second, evenly
    #[arg(long, global = true, value_name = "NUMBER", default_value_t = 1)]
    total_shards: u32,

    /// Least important events to log [default: info; warn for `tasks`]
    #[arg(long = "log.level", global = true, value_name = "LEVEL")]
    log_level: Option<Level>,

    /// How to write the log
    #[arg(long = "log.format", global = true, value_name = "FORMAT", default_value = "logfmt")]
    pub log_format: Format,
}

impl Cli {
    /// The command; `run` if none was given.
    pub fn command(&self) -> Command {
        self.command.clone().unwrap_or(Command::Run)
    }

    /// Least important events to log: a command that prints for people says only what is amiss.
    pub fn log_level(&self) -> Level {
        let usual = match self.command() {
            Command::Tasks(_) => Level::Warn,
            _ => Level::Info,
        };
        self.options.log_level.unwrap_or(usual)
    }

    /// Which share of the instances is this process's. `host_name` is asked for if the flags alone
    /// do not tell.
    ///
    /// # Errors
    ///
    /// When there is no such shard.
    pub fn shard(&self, host_name: impl FnOnce() -> String) -> Result<Shard, ShardError> {
        let Options { shard, total_shards, .. } = self.options;
        let needs_name = shard.is_none() && total_shards > 1;
        Shard::new(shard, total_shards, &if needs_name { host_name() } else { String::new() })
    }

    /// Where to listen: what was asked for, else the command's default.
    pub fn listen_addresses(&self) -> Vec<ListenAddress> {
        if !self.options.web_listen_address.is_empty() {
            return self.options.web_listen_address.clone();
        }
        let demo = self.command() == Command::Demo;
        let host = if demo { "127.0.0.1" } else { "" };
        vec![ListenAddress::new(host, DEFAULT_PORT)]
    }
}

/// The documented statuses, in any case on the command line and in the API's spelling after it.
fn statuses() -> impl TypedValueParser<Value = String> {
    let words = TaskStatus::DOCUMENTED.map(TaskStatus::as_str);
    PossibleValuesParser::new(words).map(move |typed| {
        let word = words.into_iter().find(|word| word.eq_ignore_ascii_case(&typed));
        word.map_or(typed, str::to_owned)
    })
}

fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        format!("{} (revision {}, rustc {})", BUILD.version, BUILD.revision, BUILD.rustc)
    });
    &VERSION
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from([&["aliyun-rds-import-exporter"], arguments].concat())
    }

    fn listening(arguments: &[&str]) -> Vec<String> {
        let addresses = parse(arguments).unwrap().listen_addresses();
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_definition_is_sound() {
        <Cli as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_runs() {
        let cli = parse(&[]).unwrap();
        assert_eq!(cli.command(), Command::Run);
        assert_eq!(cli.options.config_file, PathBuf::from("config.yaml"));
        assert_eq!(cli.options.web_telemetry_path.as_str(), "/metrics");
        assert_eq!((cli.log_level(), cli.options.log_format), (Level::Info, Format::Logfmt));
        assert_eq!((cli.options.web_config_file, cli.options.web_systemd_socket), (None, false));
    }

    #[test]
    fn flags_work_before_and_after_the_command() {
        for arguments in [
            ["--config.file", "a.yaml", "--log.level=debug", "--web.telemetry-path=/m", "check"],
            ["check", "--config.file", "a.yaml", "--log.level=debug", "--web.telemetry-path=/m"],
        ] {
            let cli = parse(&arguments).unwrap();
            assert_eq!(cli.command(), Command::Check(Check::default()), "{arguments:?}");
            assert_eq!(cli.options.config_file, PathBuf::from("a.yaml"), "{arguments:?}");
            assert_eq!(cli.log_level(), Level::Debug, "{arguments:?}");
            assert_eq!(cli.options.web_telemetry_path.as_str(), "/m", "{arguments:?}");
        }
    }

    #[test]
    fn listens_where_it_is_told_to_and_else_where_the_command_does() {
        assert_eq!(listening(&[]), [":10525"]);
        assert_eq!(listening(&["run"]), [":10525"]);
        assert_eq!(listening(&["demo"]), ["127.0.0.1:10525"]);
        let two = ["--web.listen-address=[::1]:9", "--web.listen-address", "localhost:0"];
        assert_eq!(listening(&two), ["[::1]:9", "localhost:0"]);
        let after = [&["demo"], two.as_slice()].concat();
        assert_eq!(listening(&after), ["[::1]:9", "localhost:0"]);
    }

    #[test]
    fn the_simulator_stays_on_loopback_unless_told_otherwise() {
        let Command::Simulate(simulate) = parse(&["simulate"]).unwrap().command() else {
            panic!("not simulate")
        };
        assert_eq!(simulate.listen.to_string(), "127.0.0.1:10526");
        assert_eq!(simulate.scenario, None);
    }
}
