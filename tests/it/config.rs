//! Configuration files and overrides, good and bad, from outside.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aliyun_rds_import_exporter::config::load::{LoadError, Loaded, from_file, from_str};
use aliyun_rds_import_exporter::config::{
    AccessKey, CredentialsSource, Environment, OVERRIDE_PREFIX, Polling, Regions, SecretSource,
};
use proptest::prelude::*;

use crate::golden::{assert_golden, root};

/// Part of every secret in the corpus.
const CANARY: &str = "c4nary";

const MINIMAL: &str = "instances: [{id: rm-1, region: cn-hangzhou, engine: MySQL}]\n";

fn corpus(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new("tests/config").join(folder);
    let entries = fs::read_dir(root().join(&folder)).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| folder.join(entry.unwrap().file_name()))
        .filter(|file| file.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() > 5, "{} has lost its files", folder.display());
    files
}

/// Loads a file under its bare name, so that messages do not depend on where the tests run.
fn load(file: &Path) -> Result<Loaded, LoadError> {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    // Cargo runs tests in the package's root, so the relative directory can be opened.
    from_str(&text, name, file.parent().unwrap(), &Environment::default())
}

fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, LoadError> {
    let variables =
        variables.iter().map(|(path, value)| (format!("{OVERRIDE_PREFIX}{path}"), *value));
    from_str(text, "config.yaml", Path::new(""), &variables.collect())
}

fn errors(text: &str, variables: &[(&str, &str)]) -> String {
    load_text(text, variables).unwrap_err().to_string().replace(OVERRIDE_PREFIX, "...")
}

#[test]
fn every_bad_file_is_refused_with_all_its_problems() {
    for file in corpus("bad") {
        let error = load(&file).expect_err(&file.display().to_string());
        assert_golden(file.with_extension("txt"), &format!("{error}\n"));
    }
}

#[test]
fn every_good_file_is_understood() {
    for file in corpus("good") {
        let loaded = load(&file).unwrap_or_else(|error| panic!("{error}"));
        let warnings: String =
            loaded.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
        let text = format!("{:#?}\n{warnings}", loaded.config);
        assert_golden(file.with_extension("txt"), &text);
    }
}

#[test]
fn every_good_file_is_shown_as_one_that_says_the_same() {
    for file in corpus("good") {
        let config = load(&file).unwrap().config;
        let shown = config.to_yaml();
        assert!(!shown.contains(CANARY), "{}: {shown}", file.display());
        // Paths of files are shown as they are opened.
        let again = load_text(&shown, &[]).unwrap_or_else(|error| panic!("{error}\n{shown}"));
        assert_eq!(again.config.to_yaml(), shown, "{}", file.display());
        let has_secret = shown.contains("<secret>") || shown.contains("%3Csecret%3E");
        assert!(has_secret || again.config == config, "{}: {shown}", file.display());
    }
    let example = root().join("config.example.yaml");
    let shown = from_file(&example, &Environment::default()).unwrap().config.to_yaml();
    assert_golden("tests/golden/config.yaml", &shown);
}

#[test]
fn no_secret_of_the_corpus_is_told() {
    for file in [corpus("good"), corpus("bad")].concat() {
        let (debug, display) = match load(&file) {
            Ok(loaded) => (format!("{loaded:?}"), String::new()),
            Err(error) => (format!("{error:?}"), error.to_string()),
        };
        assert!(!debug.contains(CANARY), "{}: {debug}", file.display());
        assert!(!display.contains(CANARY), "{}: {display}", file.display());
    }
}

#[test]
fn the_example_says_what_the_defaults_are() {
    let example = from_file(&root().join("config.example.yaml"), &Environment::default()).unwrap();
    let minimal = load_text(MINIMAL, &[]).unwrap();

    assert_eq!(example.warnings, Vec::<String>::new());
    assert_eq!(format!("{:?}", example.config.accounts), format!("{:?}", minimal.config.accounts));
    assert_eq!(format!("{:?}", example.config.polling), format!("{:?}", minimal.config.polling));
    assert_eq!(format!("{:?}", minimal.config.polling), format!("{:?}", Polling::default()));
    let intervals = |loaded: &Loaded| {
        let instance = &loaded.config.instances[0];
        (instance.interval, instance.idle_interval, instance.lookback)
    };
    assert_eq!(intervals(&example), intervals(&minimal));
}

#[test]
fn number_like_texts_stay_as_they_are_written() {
    let file = Path::new("tests/config/good/texts-that-look-like-numbers.yaml");
    let config = load(file).unwrap().config;

    assert_eq!(&*config.instances[0].id, "1e3");
    assert_eq!(&*config.instances[1].id, "0123");
    let secrets: Vec<_> = config
        .accounts
        .values()
        .map(|account| match &account.credentials {
            CredentialsSource::AccessKey(AccessKey {
                id,
                secret: SecretSource::Inline(secret),
            }) => (id.as_str(), secret.expose()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(secrets, [("0123", "1e3"), ("0x1F", "0o17")]);
}

#[test]
fn a_secret_may_be_a_block_of_text() {
    let yaml = format!(
        "accounts:\n  default:\n    credentials:\n      type: access_key\n      \
         access_key_id: id\n      access_key_secret: |\n        abc\n{MINIMAL}"
    );
    let config = load_text(&yaml, &[]).unwrap().config;
    let CredentialsSource::AccessKey(AccessKey { secret: SecretSource::Inline(secret), .. }) =
        &config.accounts["default"].credentials
    else {
        panic!("no inline secret")
    };
    assert_eq!(secret.expose(), "abc");
}

#[test]
fn the_environment_overrides_the_file() {
    let yaml = format!("polling: {{interval: 20s}}\n{MINIMAL}");
    let variables = [
        ("POLLING__INTERVAL", "30s"),
        ("polling__Idle_Interval", "2m"),
        ("ACCOUNTS__DEFAULT__REQUESTS_PER_SECOND", "0.5"),
        ("INSTANCES__0__NAME", "orders"),
    ];
    let config = load_text(&yaml, &variables).unwrap().config;

    assert_eq!(config.instances[0].interval, Duration::from_secs(30));
    assert_eq!(config.instances[0].idle_interval, Duration::from_secs(120));
    assert_eq!(&*config.instances[0].name, "orders");
    assert_eq!(&*config.instances[0].id, "rm-1");
    assert_eq!(config.accounts["default"].requests_per_second, 0.5);
}

#[test]
fn a_bad_value_that_is_overridden_does_no_harm() {
    let yaml = format!("polling: {{interval: soon}}\n{MINIMAL}");
    assert!(load_text(&yaml, &[("POLLING__INTERVAL", "30s")]).is_ok());
}

#[test]
fn variables_reach_an_account_whatever_its_case_and_punctuation() {
    let yaml = "accounts: {Prod-B: {}, other.one: {}}\n\
                instances: [{id: rm-1, region: cn-hangzhou, engine: MySQL, account: Prod-B}]\n";
    let variables = [
        ("ACCOUNTS__PROD_B__CREDENTIALS__TYPE", "access_key"),
        ("ACCOUNTS__prod-b__CREDENTIALS__ACCESS_KEY_ID", "0123"),
        ("ACCOUNTS__Prod_B__CREDENTIALS__ACCESS_KEY_SECRET", "0456"),
        ("ACCOUNTS__OTHER_ONE__NETWORK", "vpc"),
        ("ACCOUNTS__NEW__NETWORK", "vpc"),
    ];
    let config = load_text(yaml, &variables).unwrap().config;

    let names: Vec<_> = config.accounts.keys().map(|name| &**name).collect();
    assert_eq!(names, ["Prod-B", "new", "other.one"]);
    assert!(matches!(
        &config.accounts["Prod-B"].credentials,
        CredentialsSource::AccessKey(AccessKey { id, .. }) if id == "0123"
    ));
}

#[test]
fn variables_may_add_instances_after_those_of_the_file() {
    let variables = [
        ("INSTANCES__1__ID", "rm-2"),
        ("INSTANCES__1__REGION", "cn-beijing"),
        ("INSTANCES__1__ENGINE", "SQLServer"),
    ];
    let config = load_text(MINIMAL, &variables).unwrap().config;
    let ids: Vec<_> = config.instances.iter().map(|instance| &*instance.id).collect();
    assert_eq!(ids, ["rm-1", "rm-2"]);

    assert!(load_text("", &variables).is_err());
    let from_nothing = [
        ("INSTANCES__0__ID", "rm-2"),
        ("INSTANCES__0__REGION", "cn-beijing"),
        ("INSTANCES__0__ENGINE", "SQLServer"),
    ];
    assert_eq!(load_text("", &from_nothing).unwrap().config.instances.len(), 1);
}

#[test]
fn variables_reach_the_items_of_a_list_in_a_list() {
    let yaml = "discovery:\n- {regions: [cn-hangzhou, cn-beijing], tags: {Team: dba}}\n\
                - {regions: [cn-shanghai]}\n";
    let variables = [
        ("DISCOVERY__0__REGIONS__1", "cn-shenzhen"),
        ("DISCOVERY__0__REGIONS__2", "cn-qingdao"),
        ("DISCOVERY__1__REFRESH_INTERVAL", "1h"),
        ("DISCOVERY__2__REGIONS__0", "all"),
    ];
    let discovery = load_text(yaml, &variables).unwrap().config.discovery;

    let named = ["cn-hangzhou", "cn-qingdao", "cn-shenzhen"].map(Arc::from);
    assert_eq!(discovery[0].regions, Regions::Named(named.into()));
    assert_eq!(discovery[0].tags["Team"], "dba");
    assert_eq!(discovery[1].refresh_interval, Duration::from_secs(3_600));
    assert_eq!(discovery[2].regions, Regions::All);
}

#[test]
fn variables_that_lead_nowhere_are_named() {
    for (variable, error) in [
        (
            "POLLING__INTERVALL",
            "\"intervall\" is an unknown key; did you mean interval? allowed: interval, \
             idle_interval, lookback, deep_lookback, deep_interval, final_retention, page_size, \
             concurrency, request_timeout, stale_after",
        ),
        ("RULES", "\"rules\" is an unknown key; allowed: accounts, polling, instances, discovery"),
        ("", "\"\" is an unknown key; allowed: accounts, polling, instances, discovery"),
        ("POLLING__INTERVAL__X", "polling.interval has no keys of its own"),
        (
            "INSTANCES__0",
            "instances[0] is not one value; name one of its keys: id, region, engine, account, \
             name, interval, idle_interval, lookback",
        ),
        ("INSTANCES__X__ID", "instances takes a number here"),
        (
            "DISCOVERY__0__REGIONS",
            "discovery[0].regions is a list; name one of its items by number, from 0",
        ),
        ("DISCOVERY__0__REGIONS__ALL", "discovery[0].regions takes a number here"),
        (
            "DISCOVERY__0__REGIONS__2",
            "there is no discovery[0].regions[2]; the next one is discovery[0].regions[0]",
        ),
        ("DISCOVERY__0__TAGS", "discovery[0].tags can be set in the file only"),
        ("DISCOVERY__0__TAGS__TEAM", "discovery[0].tags can be set in the file only"),
        ("INSTANCES__2__ID", "there is no instances[2]; the next one is instances[1]"),
        (
            "INSTANCES__4000000000__ID",
            "there is no instances[4000000000]; the next one is instances[1]",
        ),
        (
            "ACCOUNTS__A B__NETWORK",
            "\"A B\" is not a name; allowed: 1 to 64 letters, digits, -, _ and .",
        ),
    ] {
        assert_eq!(errors(MINIMAL, &[(variable, "c4nary")]), format!("...{variable}: {error}"));
    }
}

#[test]
fn problems_of_overridden_values_name_the_variable() {
    assert_eq!(
        errors(MINIMAL, &[("INSTANCES__0__ENGINE", "mysql")]),
        "...INSTANCES__0__ENGINE: instances[0].engine: \"mysql\" is not known; did you mean MySQL? \
         allowed: MySQL, SQLServer"
    );
}

#[test]
fn two_variables_for_one_key_are_refused() {
    assert_eq!(
        errors(MINIMAL, &[("POLLING__INTERVAL", "30s"), ("polling__interval", "40s")]),
        "...polling__interval: sets polling.interval, which ...POLLING__INTERVAL sets already"
    );
}

#[test]
fn an_account_that_a_variable_may_mean_must_be_the_only_one() {
    let yaml = format!("accounts: {{default: {{}}, a-b: {{}}, A_B: {{}}}}\n{MINIMAL}");
    let error = errors(&yaml, &[("ACCOUNTS__A_B__NETWORK", "vpc")]);
    assert_eq!(error, "...ACCOUNTS__A_B__NETWORK: may mean the account \"A_B\" or \"a-b\"");
}

#[test]
fn other_variables_are_ignored() {
    let environment = Environment::from_iter([
        ("ALIYUN_RDS_IMPORT_EXPORTER_PORT", "tcp://10.0.0.1:10525"),
        ("ALIYUN_RDS_IMPORT_EXPORTER_SERVICE_HOST", "10.0.0.1"),
        ("POLLING__INTERVAL", "nonsense"),
    ]);
    assert!(from_str(MINIMAL, "config.yaml", Path::new(""), &environment).is_ok());
}

#[test]
fn no_value_of_a_variable_for_a_private_key_is_told() {
    let variables = [
        ("ACCOUNTS__DEFAULT__CREDENTIALS__TYPE", "access_key"),
        ("ACCOUNTS__DEFAULT__CREDENTIALS__ACCESS_KEY_ID", "c4nary c4nary"),
        ("ACCOUNTS__DEFAULT__CREDENTIALS__ACCESS_KEY_SECRET", "c4nary c4nary"),
        ("ACCOUNTS__DEFAULT__CREDENTIALS__ACCESS_KEY_SECRE", "c4nary"),
    ];
    assert!(!errors(MINIMAL, &variables).contains(CANARY));

    let environment: Environment = variables.into_iter().collect();
    assert!(!format!("{environment:?}").contains(CANARY));
}

#[test]
fn warns_of_a_secret_that_everybody_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let with = |credentials: &str| {
        format!("accounts: {{default: {{credentials: {{{credentials}}}}}}}\n{MINIMAL}")
    };
    let key = "type: access_key, access_key_id: id, access_key_secret: c4nary";
    let role = format!("type: ram_role_arn, role_arn: \"acs:ram::1:role/a\", source: {{{key}}}");
    let token = "type: sts, access_key_id: id, access_key_secret_file: s, security_token: c4nary";
    fs::write(folder.path().join("s"), "secret").unwrap();
    for (text, mode, warns) in [
        (with(key), 0o644, true),
        (with(key), 0o640, false),
        (with(&role), 0o644, true),
        (with(token), 0o644, true),
        (MINIMAL.to_owned(), 0o644, false),
    ] {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let warnings = from_file(&file, &Environment::default()).unwrap().warnings;
        let expected = format!(
            "{0}: holds a secret and can be read by every user; chmod o-r {0}",
            file.display()
        );
        assert_eq!(warnings, if warns { vec![expected] } else { vec![] }, "{mode:o}");
    }
}

#[test]
fn paths_in_the_file_start_from_its_directory() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret"), "abc\n").unwrap();
    let file = folder.path().join("config.yaml");
    let credentials = "{type: access_key, access_key_id: id, access_key_secret_file: secret}";
    let text = format!("accounts: {{default: {{credentials: {credentials}}}}}\n{MINIMAL}");
    fs::write(&file, text).unwrap();

    let config = from_file(&file, &Environment::default()).unwrap().config;
    assert!(matches!(
        &config.accounts["default"].credentials,
        CredentialsSource::AccessKey(AccessKey { secret: SecretSource::File(path), .. })
            if *path == folder.path().join("secret")
    ));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.yaml");
    let error = from_file(&missing, &Environment::default()).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: cannot be read: ", missing.display())), "{error}");

    let binary = folder.path().join("binary.yaml");
    fs::write(&binary, b"\xff\xfe\x00").unwrap();
    let error = from_file(&binary, &Environment::default()).unwrap_err().to_string();
    assert_eq!(error, format!("{}: is not UTF-8 text", binary.display()));
}

#[test]
fn ten_thousand_instances_load() {
    let mut yaml = "instances:\n".to_owned();
    for number in 0..10_000 {
        yaml.push_str(&format!("  - {{id: rm-{number}, region: cn-hangzhou, engine: MySQL}}\n"));
    }
    assert_eq!(load_text(&yaml, &[]).unwrap().config.instances.len(), 10_000);
}

/// A configuration with a secret in it, for slips to happen to.
const WITH_SECRET: &str = "\
accounts:
  default:
    credentials:
      type: access_key
      access_key_id: LTAI0123
      access_key_secret: c4nary
    network: vpc
  flow: {credentials: {type: access_key, access_key_id: id, access_key_secret: c4nary}}
instances:
  - {id: rm-1, region: cn-hangzhou, engine: MySQL}
";

fn yaml_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("accounts"),
        Just("polling"),
        Just("instances"),
        Just("discovery"),
        Just("regions"),
        Just("tags"),
        Just("credentials"),
        Just("id"),
        Just("interval"),
        Just("30s"),
        Just("default"),
        Just(": "),
        Just(":"),
        Just("\n"),
        Just("\n  "),
        Just("\n    "),
        Just("- "),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(", "),
        Just("\""),
        Just("'"),
        Just("|\n"),
        Just(">-\n"),
        Just("&a "),
        Just("*a"),
        Just("? "),
        Just("# "),
        Just("!!str "),
        Just("!x "),
        Just("---\n"),
        Just("...\n"),
        Just("%TAG ! x\n"),
        Just("~"),
        Just("\t"),
        Just("é"),
        Just("\u{feff}"),
        Just("\0"),
        Just("<<"),
        Just("[9999999999]"),
        Just("."),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn assert_answers(result: Result<Loaded, LoadError>) {
    match result {
        Ok(Loaded { config, .. }) => {
            assert!(!config.instances.is_empty() || !config.discovery.is_empty());
        }
        Err(error) => assert!(!error.problems().is_empty()),
    }
}

proptest! {
    #[test]
    fn any_text_is_loaded_or_refused(text in any::<String>()) {
        assert_answers(load_text(&text, &[]));
    }

    #[test]
    fn anything_like_yaml_is_loaded_or_refused(text in yaml_like()) {
        assert_answers(load_text(&text, &[]));
    }

    #[test]
    fn any_value_in_any_place_is_loaded_or_refused(value in any::<String>(), key in 0_usize..10) {
        let path = [
            "POLLING__INTERVAL", "POLLING__PAGE_SIZE", "POLLING__CONCURRENCY", "INSTANCES__0__ID",
            "INSTANCES__0__REGION", "ACCOUNTS__DEFAULT__ENDPOINTS__RDS",
            "ACCOUNTS__DEFAULT__REQUESTS_PER_SECOND", "ACCOUNTS__DEFAULT__CA_FILE",
            "INSTANCES__0__NAME", "INSTANCES__0__ACCOUNT",
        ][key];
        assert_answers(load_text(MINIMAL, &[(path, &value)]));
    }

    #[test]
    fn any_override_is_taken_or_refused(name in "[A-Za-z0-9_.\\[\\]-]{0,40}", value in ".{0,10}") {
        assert_answers(load_text(MINIMAL, &[(&name, &value)]));
    }

    #[test]
    fn two_slips_of_the_finger_tell_no_secret(
        slips in proptest::collection::vec((any::<proptest::sample::Index>(), "[ :\n,a]?"), 2)
    ) {
        let mut text = WITH_SECRET.to_owned();
        for (at, typed) in slips {
            let at = at.index(text.len());
            text.replace_range(at..=at, &typed);
        }
        let told = match load_text(&text, &[]) {
            Ok(loaded) => format!("{loaded:?}"),
            Err(error) => error.to_string(),
        };
        prop_assert!(!told.contains(CANARY), "{text}\n{told}");
    }
}
