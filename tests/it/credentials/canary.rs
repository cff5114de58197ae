//! No secret shows anywhere: neither in what is printed of a provider nor in logs, errors and
//! `check`, over every provider, when all goes well and when services tell secrets back.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aliyun_rds_import_exporter::app::{App, Serving};
use aliyun_rds_import_exporter::check::{check, check_online};
use aliyun_rds_import_exporter::clock::{Clock, ManualClock};
use aliyun_rds_import_exporter::config::{
    Account, Config, CredentialsSource, Endpoints, Environment, Instance, SecretSource, Signature,
    load,
};
use aliyun_rds_import_exporter::domain::Engine;
use aliyun_rds_import_exporter::policy::Policy;
use aliyun_rds_import_exporter::secret::Secret;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::MakeWriter;

use crate::pipeline::{PATIENCE, ask};

use super::service::{Answer, Request, Service, keys};
use super::{ONE_O_CLOCK, ROLE, World, key, oidc, role_of};

/// Part of every secret. The slash is escaped in different ways on the way.
const CANARY: &str = "c4nary";
const SECRET: &str = "s/c4nary+secret";
const TOKEN: &str = "t/c4nary+token";

/// Everything that was logged, at every level down to debug, by any crate: more than the daemon
/// logs, which hears libraries from info on only.
#[derive(Clone, Default)]
struct Logs(Arc<Mutex<Vec<u8>>>);

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logs {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Logs {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// A service for every purpose that hands out keys.
async fn good() -> Service {
    Service::start(|request| {
        let keys = keys("STS.1", SECRET, TOKEN, ONE_O_CLOCK);
        match request.path() {
            "/latest/api/token" => Answer::ok("c4nary-metadata-token"),
            "/latest/meta-data/ram/security-credentials/" => Answer::ok("monitoring"),
            "/" => Answer::ok(format!("{{\"Credentials\": {keys}}}")),
            "/cloud-credentials" => Answer::ok(format!("{{\"CloudCredential\": {keys}}}")),
            _ => Answer::ok(keys),
        }
    })
    .await
}

/// One that tells whatever it was sent, in an error that is made by `answer`.
async fn echoing(answer: fn(String) -> Answer) -> Service {
    Service::start(move |request| {
        let Request { method, target, headers, body } = request;
        let form = request.form();
        answer(format!("{method} {target} {headers:?} {body} {form:?}"))
    })
    .await
}

/// An account with an instance for each source, whose keys come from `keys` and whose calls go to
/// `calls`.
fn config(sources: Vec<CredentialsSource>, keys: &str, calls: &str) -> Config {
    let mut config = Config::default();
    for (number, credentials) in sources.into_iter().enumerate() {
        let name: Arc<str> = format!("account-{number}").into();
        let endpoints = Endpoints {
            rds: Some(calls.to_owned()),
            sts: Some(keys.to_owned()),
            metadata: Some(keys.to_owned()),
        };
        let account = Account { credentials, endpoints, ..Account::default() };
        config.accounts.insert(Arc::clone(&name), account);
        config.instances.push(Instance {
            id: format!("rm-{number}").into(),
            region: "cn-hangzhou".into(),
            engine: Engine::MySQL,
            account: name,
            name: "".into(),
            interval: Duration::from_secs(60),
            idle_interval: Duration::from_secs(60),
            lookback: Duration::from_secs(86_400),
        });
    }
    config
}

/// Every type of credentials, and every mode of a profile, with secrets wherever one can be.
fn sources(folder: &Path, service: &str) -> Vec<CredentialsSource> {
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let uri = format!("{service}/keys?token=c4nary");
    let token = file("token", TOKEN);
    let printer = file(
        "printer",
        &format!("echo '{{\"access_key_id\": \"LTAI\", \"access_key_secret\": \"{SECRET}\"}}'"),
    );
    let profile = |name: &str, fields: serde_json::Value| {
        let mut profile = json!({
            "name": "p", "access_key_id": "LTAI", "access_key_secret": SECRET, "sts_token": TOKEN,
            "ram_role_arn": ROLE, "access_token": TOKEN, "oauth_access_token": TOKEN,
        });
        profile.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let text = json!({"current": "p", "profiles": [profile]}).to_string();
        CredentialsSource::Profile { name: None, file: Some(file(name, &text)) }
    };
    let sts = CredentialsSource::Sts {
        key: key("STS.1", SECRET),
        security_token: SecretSource::Inline(Secret::new(TOKEN)),
    };
    let ini = format!(
        "[default]\ntype = sts\naccess_key_id = STS.1\naccess_key_secret = {SECRET}\nsecurity_token = {TOKEN}\n"
    );
    vec![
        CredentialsSource::Default,
        CredentialsSource::AccessKey(key("LTAI", SECRET)),
        sts.clone(),
        CredentialsSource::EcsRamRole { role_name: None },
        oidc(&token),
        role_of(sts),
        CredentialsSource::Uri { uri: Some(Secret::new(uri.clone())) },
        CredentialsSource::Profile { name: None, file: Some(file("ini", &ini)) },
        CredentialsSource::Profile { name: None, file: Some(file("broken", &ini[1..])) },
        profile("ak", json!({"mode": "AK"})),
        profile("sts", json!({"mode": "StsToken"})),
        profile("role", json!({"mode": "RamRoleArn"})),
        profile("ecs", json!({"mode": "EcsRamRole"})),
        profile(
            "oidc",
            json!({"mode": "OIDC", "oidc_provider_arn": "p", "oidc_token_file": token}),
        ),
        profile("uri", json!({"mode": "CredentialsURI", "credentials_uri": uri})),
        profile(
            "external",
            json!({"mode": "External", "process_command": format!("sh '{}' c4nary", printer.display())}),
        ),
        profile("external-bad", json!({"mode": "External", "process_command": "echo c4nary"})),
        profile(
            "sso",
            json!({"mode": "CloudSSO", "cloud_sso_sign_in_url": service, "cloud_sso_account_id": "1", "cloud_sso_access_config": "ac", "cloud_sso_access_token_expire": 1_795_525_200}),
        ),
        profile("oauth", json!({"mode": "OAuth"})),
        profile("wrong", json!({"mode": "AK", "enable_vpc": SECRET})),
    ]
}

/// Everything that is logged until the guard is dropped. A test's runtime has one thread, so that
/// this holds for everything it does.
fn logs_of_this_test() -> (Logs, tracing::subscriber::DefaultGuard) {
    let logs = Logs::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(logs.clone())
        .finish();
    (logs, tracing::subscriber::set_default(subscriber))
}

#[tokio::test]
async fn no_secret_is_logged_or_printed_or_told_in_an_error() {
    let (logs, _guard) = logs_of_this_test();
    let services = [
        good().await,
        echoing(|text| Answer::error(400, "SignatureDoesNotMatch", &text)).await,
        echoing(|text| Answer::error(403, "NoPermission", &text)).await,
        echoing(|text| Answer::error(400, &text, &text)).await,
        echoing(|text| Answer { status: 500, ..Answer::ok(text) }).await,
        echoing(Answer::ok).await,
        echoing(|text| {
            Answer::ok(json!({"Code": text, "Credentials": {"Expiration": text}}).to_string())
        })
        .await,
        echoing(|text| Answer::ok(keys("id", SECRET, TOKEN, &text))).await,
    ];
    let mut yielded = 0;
    let mut refused = 0;
    for service in &services {
        let folder = tempfile::tempdir().unwrap();
        for source in sources(folder.path(), &service.url()) {
            for signature in [Signature::HmacSha1, Signature::Acs3HmacSha256] {
                let mut world = World::new(source.clone()).with_sts(service).with_metadata(service);
                world.account.signature = signature;
                let provider = world.provider();
                let result = provider.credentials().await;
                let shown = match &result {
                    Ok(_) => String::new(),
                    Err(error) => error.to_string(),
                };
                let all = format!("{shown} {result:?} {provider:?} {:?}", world.account);
                assert!(!all.contains(CANARY), "{source:?}: {all}");
                yielded += usize::from(result.is_ok());
                refused += usize::from(result.is_err());
            }
        }
    }
    assert!(yielded > 50 && refused > 50, "{yielded} {refused}");
    let logs = logs.text();
    assert!(logs.contains("found credentials") && logs.contains("API request"), "{logs}");
    let line = logs.lines().find(|line| line.contains(CANARY));
    assert_eq!(line, None);
}

#[tokio::test]
async fn a_daemon_with_every_provider_tells_no_secret_in_logs_or_pages() {
    let (logs, _guard) = logs_of_this_test();
    // Services that hand out keys and tasks are told apart from those that tell back what they get.
    let echo = echoing(|text| Answer::error(403, "Forbidden.RAM", &text)).await;
    for (keys, calls) in
        [(good().await, &echo), (good().await, &good().await), (echoing(Answer::ok).await, &echo)]
    {
        let folder = tempfile::tempdir().unwrap();
        let config = config(sources(folder.path(), &keys.url()), &keys.url(), &calls.url());
        let hands = ManualClock::new(super::NOON.parse().unwrap());
        let environment = Environment::default();
        let serving = Serving::openly(vec!["127.0.0.1:0".parse().unwrap()]);
        let app = App::bind(&config, serving, &environment, hands.clock()).await.unwrap();
        let app = app.reload_by(move || Ok(config.clone()));
        let base = format!("http://{}", app.local_addrs()[0]);
        let stop = CancellationToken::new();
        let daemon = tokio::spawn(app.run(stop.clone()));
        let asked = logs.text().matches("API request").count();
        let polled = async {
            while logs.text().matches("API request").count() < asked + 5 {
                hands.advance(Duration::from_secs(5));
                for (method, path) in
                    [("GET", "/metrics"), ("GET", "/config"), ("GET", "/"), ("POST", "/-/reload")]
                {
                    let (status, body) = ask(method, &format!("{base}{path}")).await.unwrap();
                    assert_eq!(status, 200, "{path}: {body}");
                    assert!(!body.contains(CANARY), "{path}: {body}");
                }
            }
        };
        tokio::time::timeout(PATIENCE, polled).await.expect("the daemon never called");
        stop.cancel();
        daemon.await.unwrap().unwrap();
    }
    let logs = logs.text();
    assert_eq!(logs.lines().find(|line| line.contains(CANARY)), None);
}

#[tokio::test]
async fn the_password_of_a_proxy_is_not_told_when_it_lets_nobody_through() {
    let refusing = Service::start(|_| Answer::status(407)).await;
    let proxy = refusing.url().replace("http://", "http://user:c4nary@");
    let source = role_of(CredentialsSource::AccessKey(key("LTAI", SECRET)));
    let mut world = World::new(source).with_variable("https_proxy", proxy);
    world.account.endpoints.sts = None;
    let error = world.error().await;
    assert!(error.contains("https://sts.aliyuncs.com: "), "{error}");
    assert!(!error.contains(CANARY), "{error}");
    assert!(refusing.requests()[0].headers.contains_key("proxy-authorization"));
}

#[tokio::test]
async fn check_and_policy_tell_no_secret_of_any_type() {
    // Everything that is asked for keys or tasks tells back what it was sent.
    let service = echoing(|text| Answer::error(400, "SignatureDoesNotMatch", &text)).await;
    let endpoints =
        format!("endpoints: {{rds: '{0}', sts: '{0}', metadata: '{0}'}}", service.url());
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    std::fs::write(folder.path().join("token"), TOKEN).unwrap();
    let key = format!("access_key_id: LTAI, access_key_secret: {SECRET}");
    let types = [
        format!("type: access_key, {key}"),
        format!("type: sts, {key}, security_token: {TOKEN}"),
        "type: oidc_role_arn, oidc_token_file: token".to_owned(),
        format!("type: ram_role_arn, role_arn: '{ROLE}', source: {{type: access_key, {key}}}"),
        "type: uri, uri: 'http://localhost:1/?token=c4nary'".to_owned(),
    ];
    let slips = ["security_token_file: token", "role_name: x", "uri: c4nary", "duration: 1h"];
    for credentials in types {
        for slip in [""].iter().chain(&slips) {
            let yaml = format!(
                "accounts: {{default: {{credentials: {{{credentials}, {slip}}}, {endpoints}}}}}\n\
                 instances: [{{id: rm-1, region: cn-hangzhou, engine: MySQL}}]\n"
            );
            std::fs::write(&config, &yaml).unwrap();
            let mut out = Vec::new();
            let ok = check(&config, &Environment::default(), &mut out).unwrap();
            let out = String::from_utf8(out).unwrap();
            assert!(ok || !slip.is_empty(), "{out}");
            assert!(!out.contains(CANARY), "{out}");
            let loaded = load::from_file(&config, &Environment::default());
            assert!(!format!("{loaded:?}").contains(CANARY));
            let Ok(load::Loaded { config: good, .. }) = loaded else { continue };
            let policy = format!("{:?}", Policy::new(&good, None).unwrap());
            assert!(!policy.contains(CANARY) && !good.to_yaml().contains(CANARY), "{policy}");
            let mut out = Vec::new();
            let (environment, clock) = (Environment::default(), Clock::system());
            let works = check_online(&config, &environment, &clock, &mut out, None).await.unwrap();
            let out = String::from_utf8(out).unwrap();
            assert!(!works && out.contains("problem: account default: "), "{out}");
            assert!(!out.contains(CANARY), "{out}");
        }
    }
}
