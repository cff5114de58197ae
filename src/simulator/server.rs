//! The simulator's address and its connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::control::Control;
use super::endpoint::Endpoint;
use super::scenario::{Engine, Scenario, ScenarioError};
use super::wire::delivery::Abort;
use crate::clock::Clock;

/// A simulated Alibaba Cloud endpoint that has its address and waits to serve.
#[derive(Debug)]
pub struct Simulator {
    listener: TcpListener,
    address: SocketAddr,
    control: Control,
    accounts: Vec<AccessKey>,
    instances: Vec<KnownInstance>,
}

/// An account's first access key.
#[derive(Clone)]
pub struct AccessKey {
    /// Name of the account.
    pub account: String,
    /// Access key ID.
    pub id: String,
    /// Access key secret.
    pub secret: String,
}

/// An instance that the simulator knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownInstance {
    /// `DBInstanceId`.
    pub id: String,
    /// Name of the account that owns it.
    pub account: String,
    /// Region ID.
    pub region: String,
    /// Database engine.
    pub engine: Engine,
    /// `DBInstanceDescription`.
    pub name: String,
}

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The scenario cannot be simulated.
    #[error("the scenario cannot be simulated:\n{0}")]
    Scenario(#[from] ScenarioError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; is it in use?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// Shows everything but the secret.
impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey")
            .field("account", &self.account)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Simulator {
    /// Listens on `address` (port 0 takes a free one). The world's life starts now.
    ///
    /// # Errors
    ///
    /// When the scenario has problems, or the address cannot be listened on.
    pub async fn bind(
        scenario: Scenario,
        clock: Clock,
        address: SocketAddr,
    ) -> Result<Self, StartError> {
        let problems = scenario.problems();
        if !problems.is_empty() {
            return Err(ScenarioError { problems }.into());
        }
        let failed = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let endpoint = Arc::new(Endpoint::new(&scenario, clock));
        Ok(Self {
            listener,
            address,
            accounts: keys(&endpoint),
            instances: instances(&endpoint),
            control: Control::new(endpoint),
        })
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Its endpoint, such as `http://127.0.0.1:10526`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The first key of every account, in the scenario's order.
    pub fn accounts(&self) -> &[AccessKey] {
        &self.accounts
    }

    /// The instances, sorted by ID. Missing and denied ones are among them.
    pub fn instances(&self) -> &[KnownInstance] {
        &self.instances
    }

    /// A handle that outlives [`serve`](Self::serve).
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Answers requests until told to stop. Then it closes every connection at once, answered or
    /// not.
    pub async fn serve(self, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
                Some(ended) = connections.join_next() => {
                    if let Err(error) = ended {
                        warn!(%error, "A connection to the simulator failed; this is a bug");
                    }
                    continue;
                }
            };
            match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, self.control.endpoint()));
                }
                Err(error) => {
                    warn!(%error, "The simulator cannot accept a connection");
                    // Out of descriptors, most likely: some must close first.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        connections.shutdown().await;
    }
}

async fn connection(stream: TcpStream, endpoint: Arc<Endpoint>) {
    // Small answers should not wait for more; without the option they are merely slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| Box::pin(Arc::clone(&endpoint).answer(request)));
    // The `Date` of an answer is the simulator's, which may be off on purpose.
    let mut connection = http1::Builder::new()
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service);
    let served = std::future::poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    let mut stream = connection.into_parts().io.into_inner();
    let Err(error) = served else {
        // The peer may be gone already.
        let _ = stream.shutdown().await;
        return;
    };
    let abort = std::error::Error::source(&error).and_then(|source| source.downcast_ref());
    if abort == Some(&Abort::Reset) {
        let _ = stream.set_zero_linger();
    }
    debug!(%error, "A connection to the simulator ended early");
}

fn keys(endpoint: &Endpoint) -> Vec<AccessKey> {
    let members = endpoint.gate.members().iter();
    let keys = members.filter_map(|member| {
        let key = endpoint.gate.keys.get(&member.access_key_id)?;
        Some(AccessKey {
            account: member.name.clone(),
            id: key.id.clone(),
            secret: key.secret.0.clone(),
        })
    });
    keys.collect()
}

fn instances(endpoint: &Endpoint) -> Vec<KnownInstance> {
    let instances = endpoint.world.instances().into_iter();
    let instances = instances.map(|instance| KnownInstance {
        id: instance.id.clone(),
        account: instance.account.clone().unwrap_or_default(),
        region: instance.region.clone(),
        engine: instance.engine,
        name: instance.name.clone(),
    });
    instances.collect()
}
