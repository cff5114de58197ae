//! Several accounts in one process: budget, keys and errors are each account's own. What a broken
//! key does is in `discovery`.

use aliyun_rds_import_exporter::simulator::{
    Account, Effect, Fault, Hint, Instance, Kind, Scenario, Status, Task,
};

use super::{Pipeline, is_up};
use crate::exposition::Page;

const ACCOUNTS: [&str; 3] = ["one", "three", "two"];
const BUDGET: &str = "aliyun_rds_import_exporter_api_budget_requests_per_second";
const THROTTLED: &str = "aliyun_rds_import_exporter_api_throttled_total";
const LAST_SUCCESS: &str = "aliyun_rds_import_instance_last_success_timestamp_seconds";

/// An instance `rm-NAME` for each account.
fn scenario() -> Scenario {
    let instances = ACCOUNTS.map(|name| Instance {
        account: Some(name.to_owned()),
        ..Instance::new(
            format!("rm-{name}"),
            vec![Task::steady(1, Kind::Full, Status::FullImporting)],
        )
    });
    Scenario { accounts: ACCOUNTS.map(Account::new).into(), ..Scenario::of(instances.into()) }
}

async fn all_well() -> Pipeline {
    let pipeline = Pipeline::start(scenario()).await;
    for name in ACCOUNTS {
        pipeline.until_up(&format!("rm-{name}"), true).await;
    }
    pipeline
}

#[tokio::test]
async fn each_account_signs_with_its_own_key() {
    let pipeline = all_well().await;

    let requests = pipeline.control.requests();
    let mut keys: Vec<_> = ACCOUNTS
        .iter()
        .map(|name| {
            let own = requests
                .iter()
                .filter(|request| request.parameter("DBInstanceId") == Some(&format!("rm-{name}")));
            let mut keys: Vec<_> = own.filter_map(|r| r.parameter("AccessKeyId")).collect();
            keys.dedup();
            assert_eq!(keys.len(), 1, "{name}");
            keys[0]
        })
        .collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), ACCOUNTS.len());
}

#[tokio::test]
async fn an_account_that_is_throttled_slows_no_other() {
    let pipeline = all_well().await;
    let faults = vec![Fault::on("rm-one", Effect::Throttle(Hint::default()))];
    pipeline.control.set_faults(faults);

    let page = pipeline
        .until("a lower budget", |page| page.value(BUDGET, &[("account", "one")]) < Some(30.0))
        .await;

    for name in ["two", "three"] {
        assert_eq!(page.value(BUDGET, &[("account", name)]), Some(100.0));
        assert_eq!(page.value(THROTTLED, &[("account", name)]), Some(0.0));
    }
    assert!(page.value(THROTTLED, &[("account", "one")]) >= Some(2.0));
    others_go_on(&pipeline, &page).await;
}

#[tokio::test]
async fn an_account_whose_calls_never_end_delays_no_other() {
    let pipeline = all_well().await;
    pipeline.control.set_faults(vec![Fault::on("rm-one", Effect::Hang)]);

    others_go_on(&pipeline, &pipeline.page().await).await;
}

#[tokio::test]
async fn an_account_whose_key_is_disabled_backs_off_alone() {
    let pipeline = all_well().await;
    assert!(pipeline.control.set_key_active("one", false));
    let page = pipeline.until_up("rm-one", false).await;

    for name in ["two", "three"] {
        assert_eq!(is_up(&page, &format!("rm-{name}")), Some(1.0));
    }
    others_go_on(&pipeline, &page).await;
    assert!(pipeline.control.set_key_active("one", true));
    pipeline.until_up("rm-one", true).await;
}

/// The other accounts are polled again, and again.
async fn others_go_on(pipeline: &Pipeline, page: &Page) {
    let good = |page: &Page, name: &str| {
        page.value(LAST_SUCCESS, &[("db_instance_id", &format!("rm-{name}"))]).unwrap()
    };
    for name in ["two", "three"] {
        let mut before = good(page, name);
        for _ in 0..2 {
            let later = pipeline.until(name, |page| good(page, name) > before).await;
            before = good(&later, name);
        }
    }
}
