//! A real Chromium without a window, driven by its DevTools protocol.
//!
//! <https://chromedevtools.github.io/devtools-protocol/>. One message is one command or event; what
//! this needs of it is a dozen of them, where client libraries bring thousands.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

const MISSING: &str = "chromium does not start: install the Debian package chromium (tests/setup)";
/// Longest time for anything that the browser has to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// A browser with one tab.
pub(super) struct Browser {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: Option<String>,
    last_id: u64,
    /// Events that nobody looked at yet.
    events: VecDeque<Value>,
    _process: Child,
    _profile: tempfile::TempDir,
}

/// What a tab shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) scheme: &'static str,
}

impl Browser {
    pub(super) async fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut process = Command::new("chromium")
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect(MISSING);
        let address = address(&mut process).await;
        // The rest of what it says must not fill the pipe, and is of no use.
        let mut rest = process.stderr.take().unwrap();
        tokio::spawn(async move { tokio::io::copy(&mut rest, &mut tokio::io::sink()).await });
        let (socket, _) = tokio_tungstenite::connect_async(address).await.unwrap();
        let mut browser = Self {
            socket,
            session: None,
            last_id: 0,
            events: VecDeque::new(),
            _process: process,
            _profile: profile,
        };
        let tab = browser.call("Target.createTarget", json!({"url": "about:blank"})).await;
        let attach = json!({"targetId": tab["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", attach).await;
        browser.session = Some(session["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({})).await;
        }
        browser
    }

    /// Loads a page, and gives everything that went wrong with it and every URL that it asked for.
    pub(super) async fn load(&mut self, url: &str, view: View) -> (Vec<String>, Vec<String>) {
        let View { width, height, scheme } = view;
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.call("Emulation.setDeviceMetricsOverride", metrics).await;
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features})).await;
        self.events.clear();
        let navigated = self.call("Page.navigate", json!({"url": url})).await;
        assert_eq!(navigated["errorText"], Value::Null, "{url}");
        self.event("Page.loadEventFired").await;
        (self.complaints(), self.requests())
    }

    /// What the page's console was told, and what was thrown.
    fn complaints(&self) -> Vec<String> {
        let events = self.events.iter().filter(|event| {
            let method = event["method"].as_str().unwrap_or_default();
            ["Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"]
                .contains(&method)
        });
        events.map(ToString::to_string).collect()
    }

    fn requests(&self) -> Vec<String> {
        let events = self.events.iter().filter(|e| e["method"] == "Network.requestWillBeSent");
        events.map(|e| e["params"]["request"]["url"].as_str().unwrap().to_owned()).collect()
    }

    /// The value of an expression; promises are waited for.
    pub(super) async fn evaluate(&mut self, expression: &str) -> Value {
        let parameters =
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.call("Runtime.evaluate", parameters).await;
        assert_eq!(answer["exceptionDetails"], Value::Null, "{expression:.80}");
        answer["result"]["value"].take()
    }

    /// Saves a picture of the whole page.
    pub(super) async fn screenshot(&mut self, file: &Path) {
        let parameters = json!({"format": "png", "captureBeyondViewport": true});
        let shot = self.call("Page.captureScreenshot", parameters).await;
        let data = shot["data"].as_str().unwrap();
        let png = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
        std::fs::write(file, png).unwrap();
    }

    async fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.socket.send(Message::text(message.to_string())).await.unwrap();
        loop {
            let mut message = self.receive().await;
            if message["id"] == id {
                assert_eq!(message["error"], Value::Null, "{method}");
                return message["result"].take();
            }
            self.events.push_back(message);
        }
    }

    /// Waits for an event; it stays among the others.
    async fn event(&mut self, method: &str) {
        while !self.events.iter().any(|event| event["method"] == method) {
            let message = self.receive().await;
            self.events.push_back(message);
        }
    }

    async fn receive(&mut self) -> Value {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            let message = message.expect("the browser is silent").expect("the browser ended");
            if let Message::Text(text) = message.unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }
}

/// Reads where the browser listens.
async fn address(process: &mut Child) -> String {
    let mut lines = BufReader::new(process.stderr.as_mut().unwrap()).lines();
    let reading = async {
        let mut said = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(address) = line.strip_prefix("DevTools listening on ") {
                return address.to_owned();
            }
            said += &line;
        }
        panic!("{MISSING}: {said}");
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("chromium does not tell its address")
}
