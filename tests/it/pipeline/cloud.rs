//! A cloud with instances to find, that can be told to answer wrongly: the wire alone, without the
//! rules that the simulator keeps. Every instance has one task that stands still.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aliyun_rds_import_exporter::config::{
    AccessKey, Account, Config, CredentialsSource, Discovery, Endpoints, Polling, Regions,
    SecretSource,
};
use aliyun_rds_import_exporter::domain::Engine;
use aliyun_rds_import_exporter::secret::Secret;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub(super) const LIST_INSTANCES: &str = "DescribeDBInstances";
pub(super) const LIST_REGIONS: &str = "DescribeRegions";
pub(super) const LIST_IMPORTS: &str = "DescibeImportsFromDatabase";

/// An instance to find.
#[derive(Clone)]
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) region: &'static str,
    pub(super) engine: &'static str,
    pub(super) kind: &'static str,
    pub(super) description: String,
    pub(super) tags: Vec<(&'static str, &'static str)>,
}

impl Instance {
    pub(super) fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        Self {
            region: "cn-hangzhou",
            engine: "MySQL",
            kind: "Primary",
            description: format!("name of {id}"),
            tags: vec![],
            id,
        }
    }
}

/// What the cloud does wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wrong {
    /// This status and body, for this page of the operation.
    Answer { action: &'static str, page: usize, status: u16, body: &'static str },
    /// Half of the right body, with the length of the whole, for this page of instances.
    Cut { page: usize },
    /// A well-formed answer that was cut before it was sent, likewise.
    Half { page: usize },
    /// Every page of instances names the same next page.
    Endless,
    /// No answer to a poll of this instance.
    Hang(&'static str),
}

/// The cloud's side of the wire.
#[derive(Clone)]
pub(super) struct Cloud {
    pub(super) url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    instances: Vec<Instance>,
    /// Most instances a page, whatever is asked for.
    page_size: usize,
    regions: Vec<&'static str>,
    wrong: Vec<Wrong>,
    requests: Vec<BTreeMap<String, String>>,
}

impl Cloud {
    pub(super) async fn start(instances: Vec<Instance>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = State { instances, page_size: 100, ..State::default() };
        let cloud = Self { url, state: Arc::new(Mutex::new(state)) };
        let own = cloud.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let cloud = own.clone();
                tokio::spawn(async move { cloud.serve(stream).await });
            }
        });
        cloud
    }

    pub(super) fn set_instances(&self, instances: Vec<Instance>) {
        self.state.lock().unwrap().instances = instances;
    }

    pub(super) fn set_page_size(&self, size: usize) {
        self.state.lock().unwrap().page_size = size;
    }

    pub(super) fn set_regions(&self, regions: Vec<&'static str>) {
        self.state.lock().unwrap().regions = regions;
    }

    pub(super) fn set_wrong(&self, wrong: Vec<Wrong>) {
        self.state.lock().unwrap().wrong = wrong;
    }

    /// The parameters of every request of an operation so far.
    pub(super) fn requests(&self, action: &str) -> Vec<BTreeMap<String, String>> {
        let state = self.state.lock().unwrap();
        state.requests.iter().filter(|request| request["Action"] == action).cloned().collect()
    }

    /// The operations that were asked for so far, in order.
    pub(super) fn actions(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.requests.iter().map(|request| request["Action"].clone()).collect()
    }

    /// A configuration with one account that finds every instance in `regions`.
    pub(super) fn config(&self, regions: &[&str]) -> Config {
        Config {
            accounts: [(Arc::from("default"), self.account("key"))].into(),
            discovery: vec![discovery(regions)],
            polling: Polling {
                interval: Duration::from_secs(10),
                idle_interval: Duration::from_secs(20),
                request_timeout: Duration::from_secs(5),
                stale_after: Duration::from_secs(30 * 86_400),
                // Regular walks only.
                deep_lookback: Polling::default().lookback,
                ..Polling::default()
            },
            ..Config::default()
        }
    }

    pub(super) fn account(&self, key: &str) -> Account {
        Account {
            credentials: CredentialsSource::AccessKey(AccessKey {
                id: key.to_owned(),
                secret: SecretSource::Inline(Secret::new("secret")),
            }),
            endpoints: Endpoints { rds: Some(self.url.clone()), ..Endpoints::default() },
            requests_per_second: 100.0,
            ..Account::default()
        }
    }

    async fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        loop {
            let mut target = String::new();
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                    return;
                }
                if target.is_empty() {
                    target = line.split(' ').nth(1).unwrap().to_owned();
                }
            }
            let query = target.strip_prefix("/?").unwrap().as_bytes();
            let request: BTreeMap<String, String> =
                form_urlencoded::parse(query).into_owned().collect();
            let Some((head, body)) = self.answer(request) else {
                // The connection stays, and nothing comes.
                std::future::pending::<()>().await;
                return;
            };
            if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
                return;
            }
            if !head.contains(&format!("length: {}\r\n", body.len())) {
                return;
            }
        }
    }

    /// Head and body; none for an answer that never comes.
    fn answer(&self, request: BTreeMap<String, String>) -> Option<(String, String)> {
        let mut state = self.state.lock().unwrap();
        let action = request["Action"].clone();
        let page = request.get("NextToken").map_or(1, |token| token.parse().unwrap());
        let mut body = match action.as_str() {
            LIST_REGIONS => state.list_regions(),
            LIST_INSTANCES => state.list_instances(&request, page),
            _ => list_imports(),
        };
        let instance = request.get("DBInstanceId").cloned();
        state.requests.push(request);
        let mut status = 200;
        let mut sent = None;
        for wrong in &state.wrong {
            match *wrong {
                Wrong::Answer { action: of, page: at, status: other, body: text }
                    if of == action && at == page =>
                {
                    status = other;
                    sent = Some(text.to_owned());
                }
                Wrong::Half { page: at } if action == LIST_INSTANCES && at == page => {
                    let text = body.to_string();
                    sent = Some(text[..text.len() / 2].to_owned());
                }
                Wrong::Cut { page: at } if action == LIST_INSTANCES && at == page => {
                    let text = body.to_string();
                    return Some((head(200, text.len()), text[..text.len() / 2].to_owned()));
                }
                Wrong::Endless if action == LIST_INSTANCES => body["NextToken"] = json!("7"),
                Wrong::Hang(id) if instance.as_deref() == Some(id) => return None,
                _ => {}
            }
        }
        let text = sent.unwrap_or_else(|| body.to_string());
        Some((head(status, text.len()), text))
    }
}

impl State {
    /// As the API does: an entry for each zone.
    fn list_regions(&self) -> Value {
        let zones = self.regions.iter().flat_map(|region| {
            ["a", "b"].map(|zone| json!({"RegionId": region, "ZoneId": format!("{region}-{zone}")}))
        });
        json!({"RequestId": "R", "Regions": {"RDSRegion": zones.collect::<Vec<_>>()}})
    }

    fn list_instances(&self, request: &BTreeMap<String, String>, page: usize) -> Value {
        let size = self.page_size.min(request["MaxResults"].parse().unwrap());
        let tags: BTreeMap<String, String> = request
            .get("Tags")
            .map_or_else(BTreeMap::new, |tags| serde_json::from_str(tags).unwrap());
        let fits = |instance: &&Instance| {
            let engine = request.get("Engine");
            let any = |(key, value): &(&str, &str)| tags.get(*key).is_some_and(|tag| tag == value);
            instance.region == request["RegionId"]
                && engine.is_none_or(|engine| engine == instance.engine)
                && (tags.is_empty() || instance.tags.iter().any(any))
        };
        let list: Vec<_> = self.instances.iter().filter(fits).collect();
        let shown = list.iter().skip((page - 1) * size).take(size).map(|instance| {
            json!({
                "DBInstanceId": instance.id,
                "Engine": instance.engine,
                "DBInstanceType": instance.kind,
                "DBInstanceDescription": instance.description,
                "RegionId": instance.region,
            })
        });
        let shown: Vec<_> = shown.collect();
        let token = if page * size < list.len() { (page + 1).to_string() } else { String::new() };
        json!({
            "RequestId": "R",
            "TotalRecordCount": shown.len(),
            "NextToken": token,
            "Items": {"DBInstance": shown},
        })
    }
}

fn list_imports() -> Value {
    let task = json!({
        "ImportId": 1, "ImportDataType": "Full", "ImportDataStatus": "Success",
    });
    json!({
        "RequestId": "R", "PageNumber": 1, "TotalRecordCount": 1,
        "Items": {"ImportResultFromDB": [task]},
    })
}

fn head(status: u16, length: usize) -> String {
    format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {length}\r\n\r\n")
}

/// A search for every instance in `regions`.
pub(super) fn discovery(regions: &[&str]) -> Discovery {
    Discovery {
        account: "default".into(),
        regions: match regions {
            ["all"] => Regions::All,
            named => Regions::Named(named.iter().copied().map(Arc::from).collect()),
        },
        engines: [Engine::MySQL, Engine::SQLServer].into(),
        tags: BTreeMap::new(),
        resource_group_id: None,
        exclude: [].into(),
        refresh_interval: Duration::from_secs(10),
    }
}
