//! A node's configuration: `node.toml` in its home. `docs/operating.md`.
//!
//! Says where the node is reached and how it works; what concerns one peer is in the store, where
//! `tacit peer` puts it. Every key may be left out. One that is not known is an error, with the known
//! one that is nearest.

use std::path::PathBuf;
use std::time::Duration;

use ring::digest::{SHA256, digest};
use serde::Deserialize;

use super::control::{ControlConfig, SOCKET_FILE};
use super::settings::Settings;
use identity::Schema;

/// The file's name in a node's home.
pub const CONFIG_FILE: &str = "node.toml";
/// Bytes of the file at most.
pub const CONFIG_BYTES_MAX: u64 = 64 * 1024;

/// Tables held ready for one peer, at most: each has 16 bytes an element of the ceilings.
const TABLES_MAX: u32 = 16;
const STOP_SECONDS_MAX: u64 = 600;
const STALL_SECONDS: std::ops::RangeInclusive<u64> = 1..=3600;
const TICK_SECONDS: std::ops::RangeInclusive<u64> = 1..=3600;
const RETRY_SECONDS: std::ops::RangeInclusive<u64> = 1..=86_400;

/// The keys of the file.
const KEYS: [&str; 14] = [
    "listen",
    "clients",
    "socket",
    "socket_mode",
    "metrics",
    "metrics_socket",
    "metrics_socket_mode",
    "schema",
    "prepared_tables",
    "tick_seconds",
    "stop_seconds",
    "stall_seconds",
    "retry_seconds",
    "retry_seconds_max",
];

/// How a node was told to run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// host:port at which paired peers come.
    pub listen: Option<String>,
    /// host:port for clients on other machines.
    pub clients: Option<String>,
    /// The socket of clients on this machine.
    pub socket: Option<PathBuf>,
    /// Who may open the socket, as an octal mode.
    pub socket_mode: String,
    /// host:port of /health, /metrics without sizes and gRPC health; an address that only this machine reaches.
    pub metrics: Option<String>,
    /// The socket of the same with the sizes of lists and budgets.
    pub metrics_socket: Option<PathBuf>,
    /// Who may open that socket, as an octal mode.
    pub metrics_socket_mode: String,
    pub schema: String,
    pub prepared_tables: u32,
    pub tick_seconds: u64,
    pub stop_seconds: u64,
    pub stall_seconds: u64,
    pub retry_seconds: u64,
    pub retry_seconds_max: u64,
}

/// What is wrong in a configuration. The text says where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigFault {
    /// The TOML library's own words, with the line.
    #[error("{0}")]
    Toml(String),
    #[error("line {line}: {key} is not a key of a node's configuration{}", meant(.nearest))]
    UnknownKey {
        line: usize,
        key: String,
        nearest: Option<&'static str>,
    },
    #[error("{key}: {what}")]
    Value {
        key: &'static str,
        what: &'static str,
    },
}

fn meant(key: &Option<&'static str>) -> String {
    key.map_or(String::new(), |key| format!("; did you mean {key}?"))
}

impl Default for Config {
    fn default() -> Self {
        let settings = Settings::default();
        Self {
            listen: None,
            clients: None,
            socket: None,
            socket_mode: "0600".into(),
            metrics: None,
            metrics_socket: None,
            metrics_socket_mode: "0600".into(),
            schema: Schema::default().name().into(),
            prepared_tables: settings.tables,
            tick_seconds: settings.tick.as_secs(),
            stop_seconds: settings.stop.as_secs(),
            stall_seconds: settings.patience.stall.as_secs(),
            retry_seconds: settings.retry_first.as_secs(),
            retry_seconds_max: settings.retry_max.as_secs(),
        }
    }
}

impl Config {
    /// Reads a configuration and checks every value.
    ///
    /// # Errors
    /// The first fault.
    pub fn parse(text: &str) -> Result<Self, ConfigFault> {
        let table: toml::Table =
            toml::from_str(text).map_err(|error| ConfigFault::Toml(error.to_string()))?;
        if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(ConfigFault::UnknownKey {
                line: line_of(text, key),
                key: key.clone(),
                nearest: nearest_key(key),
            });
        }
        let config: Self =
            toml::from_str(text).map_err(|error| ConfigFault::Toml(error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigFault> {
        let fault = |key, what| Err(ConfigFault::Value { key, what });
        let address = "write host:port, as in 127.0.0.1:9447";
        for (key, value) in [
            ("listen", &self.listen),
            ("clients", &self.clients),
            ("metrics", &self.metrics),
        ] {
            if value.as_deref().is_some_and(|value| !is_address(value)) {
                return fault(key, address);
            }
        }
        if self.mode().is_none() {
            return fault("socket_mode", "write 0600, 0660 or 0666, in quotes");
        }
        if self.metrics_mode().is_none() {
            return fault("metrics_socket_mode", "write 0600 or 0660, in quotes");
        }
        if Schema::named(&self.schema).is_none() {
            return fault(
                "schema",
                "is not a schema of this version; tacit schema lists them",
            );
        }
        if !(1..=TABLES_MAX).contains(&self.prepared_tables) {
            return fault("prepared_tables", "is 1 to 16");
        }
        if !TICK_SECONDS.contains(&self.tick_seconds) {
            return fault("tick_seconds", "is 1 to 3600");
        }
        if self.stop_seconds > STOP_SECONDS_MAX {
            return fault("stop_seconds", "is at most 600");
        }
        if !STALL_SECONDS.contains(&self.stall_seconds) {
            return fault("stall_seconds", "is 1 to 3600");
        }
        if !RETRY_SECONDS.contains(&self.retry_seconds)
            || !RETRY_SECONDS.contains(&self.retry_seconds_max)
            || self.retry_seconds > self.retry_seconds_max
        {
            return fault(
                "retry_seconds",
                "is 1 to 86400, and at most retry_seconds_max",
            );
        }
        Ok(())
    }

    fn mode(&self) -> Option<u32> {
        match self.socket_mode.as_str() {
            "0600" => Some(0o600),
            "0660" => Some(0o660),
            "0666" => Some(0o666),
            _ => None,
        }
    }

    /// Never everybody's: lists' sizes are told there.
    fn metrics_mode(&self) -> Option<u32> {
        match self.metrics_socket_mode.as_str() {
            "0600" => Some(0o600),
            "0660" => Some(0o660),
            _ => None,
        }
    }

    /// Where sizes are told, and the mode of that socket.
    pub fn metrics_socket(&self) -> Option<(&std::path::Path, u32)> {
        let path = self.metrics_socket.as_deref()?;
        Some((path, self.metrics_mode().unwrap_or(0o600)))
    }

    /// The schema it matches under.
    pub fn schema(&self) -> Schema {
        Schema::named(&self.schema).unwrap_or_default()
    }

    /// For the daemon.
    pub fn settings(&self) -> Settings {
        let defaults = Settings::default();
        Settings {
            listen: self.listen.clone(),
            tables: self.prepared_tables,
            tick: Duration::from_secs(self.tick_seconds),
            patience: super::Patience {
                stall: Duration::from_secs(self.stall_seconds),
                ..defaults.patience
            },
            retry_first: Duration::from_secs(self.retry_seconds),
            retry_max: Duration::from_secs(self.retry_seconds_max),
            stop: Duration::from_secs(self.stop_seconds),
            limits: defaults.limits,
        }
    }

    /// For the control service of the node in `home`.
    pub fn control(&self, home: &std::path::Path) -> ControlConfig {
        let socket = self.socket.clone();
        ControlConfig {
            socket_mode: self.mode().unwrap_or(0o600),
            listen: self.clients.clone(),
            ..ControlConfig::at(socket.unwrap_or_else(|| home.join(SOCKET_FILE)))
        }
    }

    /// SHA-256 of what counts in it, in hexadecimal: for the audit log.
    pub fn digest(&self) -> String {
        hex::encode(digest(&SHA256, format!("{self:?}").as_bytes()))
    }
}

fn is_address(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

/// The line on which a top-level key stands, from 1.
fn line_of(text: &str, key: &str) -> usize {
    let begins = |line: &str| {
        let line = line.trim_start().trim_start_matches(['[', '"', '\'']);
        line.starts_with(key)
    };
    text.lines().position(begins).map_or(1, |at| at + 1)
}

fn nearest_key(key: &str) -> Option<&'static str> {
    let distance = |known: &&'static str| strsim::damerau_levenshtein(key, known);
    KEYS.into_iter()
        .min_by_key(distance)
        .filter(|known| distance(known) <= 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default_and_every_key_is_read() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
        let text = r#"
            listen = "0.0.0.0:7447"
            clients = "0.0.0.0:7449"
            socket = "/run/tacit/control.sock"
            socket_mode = "0660"
            metrics = "127.0.0.1:9447"
            metrics_socket = "/run/tacit/metrics.sock"
            metrics_socket_mode = "0660"
            schema = "persons-v1"
            prepared_tables = 2
            tick_seconds = 30
            stop_seconds = 10
            stall_seconds = 20
            retry_seconds = 1
            retry_seconds_max = 600
        "#;
        let config = Config::parse(text).unwrap();
        for key in KEYS {
            let without: String = text
                .lines()
                .filter(|line| line.trim_start().split(' ').next() != Some(key))
                .map(|line| format!("{line}\n"))
                .collect();
            assert_ne!(
                Config::parse(&without).unwrap(),
                config,
                "{key} makes a difference"
            );
        }
        let settings = config.settings();
        assert_eq!(settings.tables, 2);
        assert_eq!(settings.stop, Duration::from_secs(10));
        assert_eq!(config.schema(), Schema::PersonsV1);
        assert_eq!(config.metrics_socket().unwrap().1, 0o660);
        assert_eq!(
            config.control(std::path::Path::new("/h")).socket_mode,
            0o660
        );
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_the_nearest_known_one() {
        let fault = Config::parse("\n# peers\nlisen = \"0.0.0.0:7447\"\n").unwrap_err();
        assert_eq!(
            fault.to_string(),
            "line 3: lisen is not a key of a node's configuration; did you mean listen?"
        );
        let fault = Config::parse("[colour]\nof = 1\n").unwrap_err();
        assert_eq!(
            fault.to_string(),
            "line 1: colour is not a key of a node's configuration"
        );
    }

    #[test]
    fn values_out_of_bounds_are_refused_by_their_key() {
        for (text, key) in [
            ("listen = \"7447\"", "listen"),
            ("socket_mode = \"0777\"", "socket_mode"),
            ("metrics_socket_mode = \"0666\"", "metrics_socket_mode"),
            ("schema = \"people\"", "schema"),
            ("prepared_tables = 0", "prepared_tables"),
            ("tick_seconds = 0", "tick_seconds"),
            ("stop_seconds = 601", "stop_seconds"),
            ("stall_seconds = 0", "stall_seconds"),
            ("retry_seconds = 400", "retry_seconds"),
        ] {
            let fault = Config::parse(text).unwrap_err();
            assert!(
                matches!(fault, ConfigFault::Value { key: k, .. } if k == key),
                "{text}"
            );
        }
        for text in [
            "listen = 7447",
            "listen = \"a:1\"\nlisten = \"a:1\"",
            "= 1",
            "prepared_tables = -1",
        ] {
            assert!(
                matches!(Config::parse(text), Err(ConfigFault::Toml(_))),
                "{text}"
            );
        }
    }
}
