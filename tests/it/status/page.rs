//! The page: what it says, where it leads, what it allows the browser.

use aliyun_rds_import_exporter::api::Error;
use aliyun_rds_import_exporter::domain::TaskStatus;

use crate::web::Server;

use super::fleet::{account, failed, key, lagging, mixed, polled, task};

async fn server() -> Server {
    let server = Server::start().await;
    mixed(&server);
    server
}

/// The text between the tags, with single spaces.
fn text(html: &str) -> String {
    let mut text = String::new();
    let body = html.split_once("<body>").unwrap().1;
    for part in body.split('<').skip(1) {
        text.push_str(part.split_once('>').unwrap().1);
        text.push(' ');
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn links(html: &str) -> Vec<String> {
    let links = html.split(" href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    links.map(|link| link.replace("&amp;", "&")).collect()
}

#[tokio::test]
async fn says_in_one_sentence_whether_everything_is_fine() {
    let server = Server::start().await;
    let sentence = |html: &str| {
        let text = text(html);
        text.split_once("RDS migrations ")
            .unwrap()
            .1
            .split(" Tasks Instances")
            .next()
            .unwrap()
            .to_owned()
    };
    let empty = server.get("/").await;
    assert_eq!(sentence(empty.text()), "… No instance is being watched yet.");

    let one = key("default", "cn-hangzhou", "rm-1");
    polled(&server.store, &one, "", vec![task(1, TaskStatus::SUCCESS)]);
    let fine = server.get("/").await;
    assert_eq!(
        sentence(fine.text()),
        "✓ Everything is fine: 1 migration task, none under way on 1 instance."
    );

    mixed(&server);
    let mixed = server.get("/").await;
    assert_eq!(
        sentence(mixed.text()),
        "✗ 2 migration tasks failed (1 of them in the last 24 hours), 1 instance cannot be polled, \
         1 task is 5 minutes or more behind and 1 task is in a status that this exporter does not \
         know."
    );
}

#[tokio::test]
async fn tells_of_a_task_what_since_when_and_how_long_still() {
    let server = server().await;
    let page = text(server.get("/").await.text());
    for told in [
        "Failed just now orders rm-orders Full task 1 · cn-hangzhou · production failed: refused",
        "IncrementalImporting before the first poll orders rm-orders Incremental task 4",
        // It falls by 100 s a minute.
        "13 min 20 s caught up in about 8 min",
        "Failed before the first poll orders rm-orders Full task 2 · cn-hangzhou · production \
         failed: the disk is full",
        "Seen 10 min ago ; polls fail since",
    ] {
        assert!(page.contains(told), "{told:?} is not in {page}");
    }
}

#[tokio::test]
async fn tells_of_an_instance_how_its_polls_go_and_what_to_do() {
    let server = server().await;
    let page = text(server.get("/").await.text());
    for told in [
        "failing ledger rm-ledger MySQL · ap-southeast-1 · production 1 task Good 10 min ago \
         Next in 5 min 1 page · 3 calls · 420 ms ServiceUnavailable just now The service is down. \
         RequestId 6E4A1A1C-5C6D-4A59-9D3F-6F2B3E0A1B2C What to do: check network",
        "active orders rm-orders MySQL · cn-hangzhou · production 5 tasks, 2 failed Good just now Next in 1 min \
         1 page · 1 call · 420 ms",
        // Its polls succeed again: there is nothing to do about the error.
        "idle rm-trial MySQL · cn-hangzhou · staging 1 task Good just now Next in 1 min \
         1 page · 1 call · 420 ms ServiceUnavailable 1 min 30 s ago , over The service is down. RequestId \
         6E4A1A1C-5C6D-4A59-9D3F-6F2B3E0A1B2C API budget",
        "pending new rm-new MySQL · cn-hangzhou · staging not known None was good yet",
        "production Needs 0.03 of 5 calls a second",
        "2 failed, 10 good; failures are kept longer",
    ] {
        assert!(page.contains(told), "{told:?} is not in {page}");
    }
}

#[tokio::test]
async fn tells_why_an_account_cannot_call() {
    let server = Server::start().await;
    let id = Some("8A1B".to_owned());
    let error = Error::answered("InvalidAccessKeyId.Inactive", 400, "It is disabled.", id);
    account(&server, "production", Some(&error));
    failed(&server.store, &key("production", "cn-hangzhou", "rm-1"), "", &error);
    let page = text(server.get("/").await.text());
    assert!(page.contains("The account production cannot call the API and 1 instance"), "{page}");
    let told = "InvalidAccessKeyId.Inactive no instance is polled since 7 min ago It is disabled. \
                RequestId 8A1B What to do: check that the access key exists";
    assert!(page.contains(told), "{page}");
}

#[tokio::test]
async fn every_link_is_relative_and_leads_somewhere() {
    let server = server().await;
    let page = server.get("/?status=Failed&instance=orders").await;
    let links = links(page.text());
    assert!(links.len() > 20, "{links:?}");
    for link in links.iter().filter(|link| !link.starts_with("data:")) {
        let target = match link.as_bytes() {
            [b'?', ..] => format!("/{link}"),
            [b'.', b'/', ..] => link[1..].to_owned(),
            [b'#', ..] => {
                let anchor = format!("id=\"{}\"", &link[1..]);
                assert!(page.text().contains(&anchor), "{link}");
                continue;
            }
            _ => panic!("not relative: {link}"),
        };
        let target = target.split('#').next().unwrap();
        assert_eq!(server.get(target).await.status(), 200, "{link}");
    }
    for path in ["./metrics", "./api/v1/tasks", "./api/v1/instances", "./-/healthy", "./-/ready"] {
        assert!(links.contains(&path.to_owned()), "{path}");
    }
    assert!(page.text().contains(env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn filters_show_what_they_say() {
    let server = server().await;
    for (query, shown, hidden) in [
        ("?status=Success", "Full task 3 ", "Full task 2 "),
        ("?concern=failed", "Full task 2 ", "Full task 3 "),
        ("?instance=LEDG", "Full task 1 ", "Full task 3 "),
        ("?state=idle", "Full task 9 ", "task 4 "),
        ("?instance=nothing", "No task matches the filters.", " task 1 "),
        ("?tasks_page=9", "There is no task on this page.", " task 1 "),
    ] {
        let page = text(server.get(&format!("/{query}")).await.text());
        assert!(page.contains(shown), "{query}: {page}");
        assert!(!page.contains(hidden), "{query}: {page}");
    }
}

#[tokio::test]
async fn failed_tasks_and_those_behind_have_lists_of_their_own() {
    let server = Server::start().await;
    let mut tasks: Vec<_> = (1..=30).map(|id| task(id, TaskStatus::FAILED)).collect();
    tasks.extend((31..=32).map(|id| lagging(id, 300)));
    tasks.push(task(33, TaskStatus::SUCCESS));
    polled(&server.store, &key("default", "cn-hangzhou", "rm-1"), "", tasks);

    let page = text(server.get("/").await.text());
    let titles = ["Failed tasks 30", "Show all 30", "Tasks that are behind 2", "Other tasks 1"];
    let places = titles.map(|title| page.find(title).unwrap_or_else(|| panic!("{title}: {page}")));
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(page.matches("Failed before").count(), 6);

    let all = server.get("/?concern=failed").await;
    assert!(text(all.text()).contains("Tasks 1 to 25 of 30"), "{}", text(all.text()));
}

#[tokio::test]
async fn pages_through_thousands() {
    let server = Server::start().await;
    for n in 0..200 {
        let tasks = (1..=50).map(|id| task(id, TaskStatus::SUCCESS)).collect();
        polled(&server.store, &key("default", "cn-hangzhou", &format!("rm-{n:03}")), "", tasks);
    }
    let first = server.get("/").await;
    assert!(first.text().len() < 100_000, "{} bytes", first.text().len());
    let page = text(first.text());
    assert!(page.contains("Tasks 1 to 25 of 10,000"), "{page}");
    assert!(page.contains("Instances 1 to 25 of 200"), "{page}");
    let last = text(server.get("/?tasks_page=400&instances_page=8").await.text());
    assert!(last.contains("Tasks 9,976 to 10,000 of 10,000"), "{last}");
    assert!(last.contains("rm-199 Full task 1 "), "{last}");
}

#[tokio::test]
async fn loads_itself_again_unless_told_not_to() {
    let server = Server::start().await;
    assert_eq!(server.get("/").await.header("refresh"), Some("30"));
    let paused = server.get("/?refresh=off").await;
    assert_eq!(paused.header("refresh"), None);
    assert!(links(paused.text()).contains(&"?".to_owned()), "there is a way back");
}

#[tokio::test]
async fn the_page_runs_loads_and_tells_nothing() {
    let page = Server::start().await.get("/").await;

    let policy = page.header("content-security-policy").unwrap();
    let (hash, rest) = policy
        .strip_prefix("default-src 'none'; style-src 'sha256-")
        .and_then(|rest| rest.split_once("'; "))
        .unwrap_or_else(|| panic!("{policy}"));
    assert_eq!(hash.len(), 44, "one hash and nothing else: {policy}");
    assert_eq!(rest, "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'");
    for (header, value) in [
        ("cache-control", "no-store"),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(page.header(header), Some(value));
    }
    for forbidden in ["<script", " style=", "javascript:", "onload=", "src=", "<link rel=\"style"] {
        assert!(!page.text().contains(forbidden), "{forbidden}");
    }
}
