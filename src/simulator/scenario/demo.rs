//! The built-in world: alive within seconds, different every minute, bounded for as long as it runs.

use std::time::Duration;

use super::{Account, Engine, Instance, Order, Scenario, State, Throttle};
use crate::simulator::faults::{ApiError, Effect, Fault, When};
use crate::simulator::life::task::{Generator, Kind, Lag, Life, Precision, Status, Step, Task};

impl Scenario {
    /// Two accounts, two regions, both engines, seven instances. Within two minutes it shows every
    /// status, lists of several pages that move, lag that grows and shrinks, new failures, an
    /// instance that fails for a minute of every five, one that does not exist, and an account that
    /// is throttled.
    pub fn demo() -> Self {
        Self {
            speed: 1.0,
            order: Order::NewestFirst,
            accounts: vec![
                Account::new("production"),
                Account {
                    throttle: Some(Throttle { rate: 0.25, burst: 1, hint: true }),
                    ..Account::new("staging")
                },
            ],
            instances: instances(),
            faults: vec![
                Fault {
                    when: When {
                        instance: Some(LEDGER.to_owned()),
                        from: Some(Duration::from_secs(30)),
                        until: Some(Duration::from_secs(90)),
                        cycle: Some(Duration::from_secs(300)),
                        ..When::default()
                    },
                    effect: Effect::Error(ApiError {
                        status: 503,
                        code: "ServiceUnavailable".to_owned(),
                        message: "The request has failed due to a temporary failure of the server."
                            .to_owned(),
                        retry_after: None,
                    }),
                },
                Fault::on(REPORTS, Effect::Latency(Duration::from_millis(300))),
            ],
            ..Self::default()
        }
    }
}

const LEDGER: &str = "rm-demo3ledger";
const REPORTS: &str = "rm-demo4reports";

fn instances() -> Vec<Instance> {
    let of = |account: &str, region: &str, name: &str, instance: Instance| Instance {
        account: Some(account.to_owned()),
        region: region.to_owned(),
        name: name.to_owned(),
        ..instance
    };
    // Tasks leave a minute's worth at once: a client that wants proof that a task is gone reads a long
    // list twice, and should not have to at each poll.
    let moving = |id: &str, count, seconds: u64| {
        let (lives, batch) = (lives(), u32::try_from(60 / seconds).unwrap_or(1));
        let generator = Generator { lives, batch, first_id: 1_001, ..Generator::standing(count) };
        Instance::generated(id, generator.moving(Duration::from_secs(seconds)))
    };
    let payments = Instance::new("rm-demo2payments", followers());
    let reports = Instance { engine: Engine::SQLServer, ..moving(REPORTS, 40, 15) };
    let gone = Instance { state: State::Missing, ..Instance::new("rm-demo5retired", Vec::new()) };
    vec![
        of("production", "cn-hangzhou", "orders", moving("rm-demo1orders", 230, 4)),
        of("production", "cn-hangzhou", "payments", payments),
        of("production", "ap-southeast-1", "ledger", moving(LEDGER, 60, 10)),
        of("production", "ap-southeast-1", "reports", reports),
        of("staging", "cn-hangzhou", "retired", gone),
        of("staging", "cn-hangzhou", "trial", moving("rm-demo6trial", 120, 10)),
        of("staging", "ap-southeast-1", "rehearsal", moving("rm-demo7rehearsal", 130, 20)),
    ]
}

/// Lives that pass through every status in a minute or two; one in six ends as a failure.
fn lives() -> Vec<Life> {
    let steps = |steps: &[(Status, u64)], end| {
        let steps = steps.iter().map(|&(status, seconds)| Step::lasting(status, seconds));
        steps.chain([Step::last(end)]).collect::<Vec<_>>()
    };
    let full = [(Status::NotStart, 8), (Status::FullExporting, 16), (Status::FullImporting, 24)];
    let with = |more: &[(Status, u64)]| [&full[..], more].concat();
    let stopped = with(&[(Status::IncrementalWaiting, 20), (Status::IncrementalImporting, 40)]);
    let finish = |life| Life { lag: Some(wave(4, 24, 48)), ..life };
    vec![
        Life::new(Kind::Full, steps(&full, Status::Success)),
        finish(Life::new(Kind::Incremental, steps(&stopped, Status::StopSyncing))),
        Life::new(Kind::Full, steps(&full[..2], Status::Failed)),
        Life::new(Kind::Full, steps(&full, Status::Success)),
        Life::new(Kind::Full, steps(&with(&[(Status::Canceling, 12)]), Status::Canceled)),
        finish(Life::new(Kind::Incremental, steps(&stopped, Status::Success))),
    ]
}

/// Tasks that follow their source for ever.
fn followers() -> Vec<Task> {
    let follow = |lag| Life {
        repeat: true,
        lag: Some(lag),
        ..Life::new(
            Kind::Incremental,
            vec![
                Step::lasting(Status::IncrementalWaiting, 30),
                Step::lasting(Status::IncrementalImporting, 90),
            ],
        )
    };
    let lags = [wave(2, 2, 60), wave(5, 65, 120), wave(20, 110, 180), wave(280, 460, 360)];
    let mut tasks: Vec<_> = (1..).zip(lags).map(|(id, lag)| Task::new(id, follow(lag))).collect();
    for task in &mut tasks {
        task.created = chrono::TimeDelta::minutes(-90);
    }
    // One written without seconds, as the reference's sample is.
    if let Some(task) = tasks.last_mut() {
        task.life.importing_time = Precision::Minutes;
    }
    tasks
}

fn wave(low: u64, high: u64, period: u64) -> Lag {
    let [low, high, period] = [low, high, period].map(Duration::from_secs);
    Lag { low, high, period }
}
