//! The simulator over its wire: raw requests, signed here, and the official SDKs.

mod accounts;
mod acs3;
mod discovery;
mod faults;
mod life;
mod lists;
mod metadata;
mod parameters;
mod raw;
mod scenarios;
mod sdks;
mod signing;
mod stopping;
mod sts;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use aliyun_rds_import_exporter::clock::{Clock, ManualClock};
use aliyun_rds_import_exporter::simulator::{
    Account, Control, Fault, Instance, Kind, Scenario, Simulator, Status, Task,
};
use chrono::{DateTime, Utc};
use tokio_util::sync::{CancellationToken, DropGuard};

use raw::{Answer, Request};

/// A simulator that serves until it is dropped, whose time stands still unless it is moved.
struct Fixture {
    hands: ManualClock,
    address: SocketAddr,
    control: Control,
    _stop: DropGuard,
}

const KEY: &str = "LTAI_EXAMPLE_NOT_REAL";
const SECRET: &str = "testsecret";
const INSTANCE: &str = "rm-one";

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// The time of the signature vectors.
fn start() -> DateTime<Utc> {
    "2024-01-02T03:04:05Z".parse().unwrap()
}

/// An account with the key of the signature vectors.
fn account() -> Account {
    Account {
        access_key_id: Some(KEY.to_owned()),
        access_key_secret: Some(SECRET.to_owned()),
        ..Account::new("default")
    }
}

/// An instance with tasks 1 to `count`, each created a second after the one before.
fn instance(count: u32) -> Instance {
    let tasks = (1..=count).map(|id| Task {
        created: chrono::TimeDelta::seconds(i64::from(id) - i64::from(count)),
        ..Task::steady(id, Kind::Incremental, Status::IncrementalImporting)
    });
    Instance::new(INSTANCE, tasks.collect())
}

fn scenario(instances: Vec<Instance>, faults: Vec<Fault>) -> Scenario {
    Scenario { accounts: vec![account()], faults, ..Scenario::of(instances) }
}

impl Fixture {
    async fn start(scenario: Scenario) -> Self {
        let hands = ManualClock::new(start());
        let simulator = serve(scenario, hands.clock()).await;
        Self { hands, address: simulator.0, control: simulator.1, _stop: simulator.2 }
    }

    /// One instance with `count` tasks, and faults.
    async fn with(count: u32, faults: Vec<Fault>) -> Self {
        Self::start(scenario(vec![instance(count)], faults)).await
    }

    fn advance(&self, seconds: u64) {
        self.hands.advance(Duration::from_secs(seconds));
    }

    /// A request for the first page of the instance's tasks, in JSON, that would be answered.
    fn request(&self) -> Request {
        Request::list(self.hands.clock().now())
    }

    /// An operation of RDS, in JSON.
    fn operation(&self, action: &str) -> Request {
        Request::operation(action, self.hands.clock().now())
    }

    /// Sends a request as it is.
    async fn send_plain(&self, request: &Request) -> Answer {
        request.send(self.address).await.unwrap()
    }

    async fn send(&self, request: &Request) -> Answer {
        request.signed(SECRET).send(self.address).await.unwrap()
    }

    async fn page(&self, number: u32) -> Answer {
        self.send(&self.request().with("PageNumber", &number.to_string())).await
    }
}

async fn serve(scenario: Scenario, clock: Clock) -> (SocketAddr, Control, DropGuard) {
    let simulator = Simulator::bind(scenario, clock, loopback()).await.unwrap();
    let (address, control) = (simulator.local_addr(), simulator.control());
    let stop = CancellationToken::new();
    tokio::spawn(simulator.serve(stop.clone()));
    (address, control, stop.drop_guard())
}
