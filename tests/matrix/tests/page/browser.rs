//! A headless Chromium, led by the DevTools protocol over a pair of pipes: its documented
//! `--remote-debugging-pipe`, JSON messages that end with a zero byte, read from descriptor 3 and
//! written to descriptor 4. So no port is opened, and nothing but the page is asked for.

use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// A browser that has not answered by then does not: a test must end.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program, its page's state, and what it said meanwhile.
pub struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    next: u64,
    session: String,
    /// What the pages reported since it was last emptied: requests, errors, messages.
    pub events: Vec<Value>,
    folder: PathBuf,
}

impl Browser {
    /// Starts it, with a profile in that folder.
    pub fn start(program: &Path, folder: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        let said = File::create(folder.join("said")).map_err(|error| error.to_string())?;
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null", "sh"])
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args(["--disable-background-networking", "--remote-debugging-pipe"])
            // No name has an address: what is not in the file cannot be had.
            .arg("--host-resolver-rules=MAP * ~NOTFOUND")
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(said)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("no pipes".into());
        };
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else { continue };
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let (folder, session, events) = (folder.to_owned(), String::new(), Vec::new());
        let mut browser = Self { child, input, messages, next: 0, session, events, folder };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attach)?;
        browser.session = session["sessionId"].as_str().unwrap_or_default().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network", "DOM"] {
            browser.call(&format!("{domain}.enable"), json!({}))?;
        }
        Ok(browser)
    }

    /// Calls a method of the protocol, of the page once there is one.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, String> {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input.write_all(&bytes).map_err(|error| self.gone(&error.to_string()))?;
        loop {
            let answer = self.message()?;
            if answer["id"] != self.next {
                self.events.push(answer);
            } else if answer["error"].is_null() {
                return Ok(answer["result"].clone());
            } else {
                return Err(format!("{method}: {}", answer["error"]));
            }
        }
    }

    fn message(&self) -> Result<Value, String> {
        self.messages.recv_timeout(PATIENCE).map_err(|error| match error {
            RecvTimeoutError::Timeout => self.gone("it does not answer"),
            RecvTimeoutError::Disconnected => self.gone("it has ended"),
        })
    }

    fn gone(&self, why: &str) -> String {
        let said = std::fs::read_to_string(self.folder.join("said")).unwrap_or_default();
        format!("the browser: {why}; it said:\n{said}")
    }

    /// Opens an address anew, whatever was open before, until it is loaded.
    pub fn open(&mut self, address: &str) -> Result<(), String> {
        for address in ["about:blank", address] {
            self.events.clear();
            let answer = self.call("Page.navigate", json!({ "url": address }))?;
            if let Some(error) = answer["errorText"].as_str() {
                return Err(format!("{address}: {error}"));
            }
            while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
                let event = self.message()?;
                self.events.push(event);
            }
        }
        Ok(())
    }

    /// The value of an expression of the page's own language.
    pub fn eval(&mut self, expression: &str) -> Result<Value, String> {
        let params = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
        });
        let answer = self.call("Runtime.evaluate", params)?;
        match &answer["exceptionDetails"] {
            Value::Null => Ok(answer["result"]["value"].clone()),
            error => Err(format!("{expression}: {error}")),
        }
    }

    /// Waits until the page has done what was asked of it so far, and drawn it.
    pub fn settle(&mut self) -> Result<(), String> {
        self.eval("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))").map(drop)
    }

    /// The document, as it is now.
    pub fn dom(&mut self) -> Result<String, String> {
        let root = self.call("DOM.getDocument", json!({ "depth": 0 }))?;
        let node = json!({ "nodeId": root["root"]["nodeId"] });
        let html = self.call("DOM.getOuterHTML", node)?;
        html["outerHTML"].as_str().map(str::to_owned).ok_or("no document".into())
    }

    /// Presses a key.
    pub fn key(&mut self, key: &str) -> Result<(), String> {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            "ArrowLeft" => 37,
            "ArrowUp" => 38,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            other => return Err(format!("the key {other} has no code here")),
        };
        let text = if key == "Enter" { "\r" } else { "" };
        let event = |kind| {
            json!({
                "type": kind, "key": key, "code": key, "text": text,
                "windowsVirtualKeyCode": code,
            })
        };
        let down = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
        self.call("Input.dispatchKeyEvent", event(down))?;
        self.call("Input.dispatchKeyEvent", event("keyUp"))?;
        self.settle()
    }

    /// What was asked of any place since the page was opened, and is not in the page itself.
    pub fn requests(&self) -> Vec<String> {
        let of = |event: &&Value| event["method"] == "Network.requestWillBeSent";
        let url = |event: &Value| event["params"]["request"]["url"].as_str().map(str::to_owned);
        self.events.iter().filter(of).filter_map(url).collect()
    }

    /// Errors and warnings since the page was opened: its script's, and the browser's about it.
    pub fn complaints(&self) -> Vec<String> {
        let bad = |event: &&Value| {
            let params = &event["params"];
            match event["method"].as_str() {
                Some("Runtime.exceptionThrown") => true,
                Some("Runtime.consoleAPICalled") => true,
                Some("Log.entryAdded") => params["entry"]["level"] != "verbose",
                _ => false,
            }
        };
        self.events.iter().filter(bad).map(|event| event["params"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may be gone already; its other processes end when it does.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
