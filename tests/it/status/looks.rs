//! What a browser makes of the page: at phone and desktop width, in light and dark.
//!
//! Pictures of all of it are left in the build directory, in `tmp/status`, to be looked at.

use std::path::{Path, PathBuf};

use aliyun_rds_import_exporter::api::Error;
use aliyun_rds_import_exporter::domain::TaskStatus;
use serde_json::Value;

use crate::golden::root;
use crate::web::Server;

use super::browser::{Browser, View};
use super::fleet::{NOW, account, failed, key, lagging, mixed, polled, polled_at, task};

const VIEWS: [View; 4] = [
    View { width: 1280, height: 800, scheme: "light" },
    View { width: 1280, height: 800, scheme: "dark" },
    View { width: 360, height: 740, scheme: "light" },
    View { width: 360, height: 740, scheme: "dark" },
];

/// Looks at a page in every view; nothing may be wrong with it.
async fn look(name: &str, fill: impl FnOnce(&Server)) {
    let server = Server::start().await;
    fill(&server);
    let axe = axe();
    let mut browser = Browser::start().await;
    let url = format!("http://{}/", server.address);
    for view in VIEWS {
        let what = format!("{name} at {view:?}");
        let (complaints, requests) = browser.load(&url, view).await;
        assert_eq!(complaints, [""; 0], "{what}");
        for request in requests {
            let is_own = request == url || request.starts_with("data:image/svg+xml,");
            assert!(is_own, "{what} asked for {request}");
        }
        // What is folded has to fit as well.
        let unfold = "document.querySelectorAll('details').forEach(one => one.open = true)";
        browser.evaluate(unfold).await;
        let width = browser.evaluate("document.documentElement.scrollWidth").await;
        assert_eq!(width, view.width, "{what} is wider than the screen");
        browser.evaluate(&axe).await;
        let found = browser.evaluate("axe.run().then(found => JSON.stringify(found.violations))");
        let found: Value = serde_json::from_str(found.await.as_str().unwrap()).unwrap();
        assert_eq!(found, Value::Array(Vec::new()), "{what}: {found:#}");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("status");
        std::fs::create_dir_all(&folder).unwrap();
        let file = format!("{name}-{}-{}.png", view.width, view.scheme);
        browser.screenshot(&folder.join(file)).await;
    }
}

/// The accessibility checker.
fn axe() -> String {
    let file: PathBuf = root().join(".axe/axe.min.js");
    std::fs::read_to_string(file).expect("axe-core is missing: run tests/setup")
}

fn down() -> Error {
    let id = Some("6E4A1A1C-5C6D-4A59-9D3F-6F2B3E0A1B2C".to_owned());
    Error::answered("ServiceUnavailable", 503, "The service is down.", id)
}

#[tokio::test(flavor = "multi_thread")]
async fn something_of_everything() {
    look("mixed", mixed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_at_all() {
    look("empty", |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_descriptions_by_an_enemy() {
    look("hostile", |server| {
        let long = "long".repeat(120);
        let texts = [
            "<script>document.title='owned'</script><img src=x onerror=alert(1)>",
            "\u{202e}gnp.exe \u{2067}مرحبا بالعالم\u{2066} — שלום עולם",
            &long,
            "🚀🚀🚀 👩‍👩‍👧‍👦 \u{0000}\u{0007}\u{001b}[31m z̸̢̛͖a̵l̷g̶o̸",
            "</td></tr></table></main><h1>gone</h1>&lt;&amp;\"'`{{7*7}}",
            "数据库迁移失败：源实例拒绝连接。",
        ];
        for (n, text) in texts.into_iter().enumerate() {
            let key = key(text, "cn-hangzhou", &format!("rm-{n}{text:.40}"));
            account(server, text, Some(&down()));
            let tasks = vec![
                task(1, TaskStatus::FAILED),
                task(3, TaskStatus::parse(&text.chars().take(12).collect::<String>()).unwrap()),
                lagging(u64::from(u32::MAX), 86_400 * 20),
            ];
            let words = [(1, text), (u64::from(u32::MAX), text), (3, text)];
            for ago in [180, 120, 60, 0] {
                polled_at(&server.store, &key, text, tasks.clone(), NOW - ago, &words);
            }
            failed(&server.store, &key, text, &Error::answered(text, 500, text, Some(text.into())));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_tasks() {
    look("many", |server| {
        for n in 0..1_000 {
            let key = key("default", "cn-hangzhou", &format!("rm-{n:04}"));
            let tasks = (1..=10).map(|id| task(id, TaskStatus::SUCCESS)).collect();
            polled(&server.store, &key, &format!("instance {n}"), tasks);
        }
        account(server, "default", None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_failing() {
    look("failing", |server| {
        account(server, "default", Some(&down()));
        for n in 0..40 {
            let key = key("default", "cn-hangzhou", &format!("rm-{n:04}"));
            let tasks = (1..=3).map(|id| task(id, TaskStatus::FAILED)).collect();
            polled(&server.store, &key, &format!("instance {n}"), tasks);
            failed(&server.store, &key, "", &down());
        }
    })
    .await;
}
