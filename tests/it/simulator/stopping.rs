//! Starting and stopping.

use std::time::Duration;

use aliyun_rds_import_exporter::simulator::{
    Effect, Fault, Instance, Scenario, Simulator, StartError,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{SECRET, instance, loopback, raw::Request, scenario, start};
use aliyun_rds_import_exporter::clock::{Clock, ManualClock};

#[tokio::test]
async fn stops_at_once_with_hung_and_idle_connections() {
    let clock = ManualClock::new(start()).clock();
    let faults = vec![Fault::always(Effect::Hang)];
    let simulator = Simulator::bind(scenario(vec![instance(1)], faults), clock, loopback());
    let simulator = simulator.await.unwrap();
    let (address, control) = (simulator.local_addr(), simulator.control());
    let stop = CancellationToken::new();
    let served = tokio::spawn(simulator.serve(stop.clone()));

    let mut idle = TcpStream::connect(address).await.unwrap();
    let mut hung = TcpStream::connect(address).await.unwrap();
    let request = Request::list(start()).signed(SECRET);
    hung.write_all(&request.bytes("keep-alive")).await.unwrap();
    control.wait_for_requests(1).await;
    assert_eq!(control.requests()[0].status, None);

    stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), served).await.unwrap().unwrap();
    for stream in [&mut idle, &mut hung] {
        // Closed, by FIN or by RST: nothing more will come.
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
    }
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn makes_up_keys_that_differ_and_tells_its_instances() {
    let bind = || Simulator::bind(Scenario::demo(), Clock::system(), loopback());
    let (one, two) = (bind().await.unwrap(), bind().await.unwrap());
    let [production, staging] = one.accounts() else { panic!("the demo has two accounts") };
    assert_eq!((production.account.as_str(), staging.account.as_str()), ("production", "staging"));
    assert_ne!(production.id, staging.id);
    assert_ne!(production.secret, two.accounts()[0].secret);
    assert!(production.id.starts_with("LTAI") && production.secret.len() == 30);
    assert!(!format!("{one:?}").contains(&production.secret));
    assert_eq!(one.base_url(), format!("http://{}", one.local_addr()));

    let ids: Vec<_> = one.instances().iter().map(|instance| instance.id.as_str()).collect();
    assert!(ids.is_sorted() && ids.len() == 7, "{ids:?}");
    assert!(one.instances().iter().all(|instance| !instance.account.is_empty()));
}

#[tokio::test]
async fn copies_are_instances_of_their_own() {
    let fleet = Instance { copies: Some(10_000), ..Instance::new("rm-fleet", Vec::new()) };
    let scenario = Scenario::of(vec![fleet]);
    let simulator = Simulator::bind(scenario, Clock::system(), loopback()).await.unwrap();
    assert_eq!(simulator.instances().len(), 10_000);
    assert!(simulator.instances().iter().any(|instance| instance.id == "rm-fleet-10000"));
}

#[tokio::test]
async fn does_not_start_with_a_bad_scenario_or_a_taken_address() {
    let twins = Scenario::of(vec![instance(1), instance(1)]);
    let refused = Simulator::bind(twins, Clock::system(), loopback()).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the scenario cannot be simulated:\ninstances[1].id: `rm-one` is taken"
    );

    let bind = |address| Simulator::bind(Scenario::default(), Clock::system(), address);
    let holder = bind(loopback()).await.unwrap();
    let error = bind(holder.local_addr()).await.unwrap_err();
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
    assert!(error.to_string().contains(&holder.local_addr().to_string()), "{error}");
}
