//! The path of the metrics.

use std::str::FromStr;

/// The path of the metrics; starts with a slash, and is none that the exporter needs for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryPath(String);

/// A path that the metrics cannot have.
#[derive(Debug, thiserror::Error)]
#[error(
    "{path:?} cannot be the path of the metrics: {problem}; choose one such as /metrics with --web.telemetry-path"
)]
pub struct TelemetryPathError {
    path: String,
    problem: &'static str,
}

impl TelemetryPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TelemetryPath {
    fn default() -> Self {
        Self("/metrics".to_owned())
    }
}

impl FromStr for TelemetryPath {
    type Err = TelemetryPathError;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "/-._~!$&'()*+,;=:@".contains(c);
        let problem = if !path.starts_with('/') {
            "it does not start with a slash"
        } else if !path.chars().all(legal) {
            "it has characters that a path cannot have"
        } else if path.starts_with("/-/") || path.starts_with("/api/") || path == "/config" {
            "the exporter needs it for itself"
        } else {
            return Ok(Self(path.to_owned()));
        };
        Err(TelemetryPathError { path: path.to_owned(), problem })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_can_have_a_path_of_their_own() {
        for path in ["/metrics", "/", "/a/b-c_d.e~f", "/metrics/"] {
            assert_eq!(path.parse::<TelemetryPath>().unwrap().as_str(), path);
        }
    }

    #[test]
    fn the_metrics_cannot_have_a_path_that_is_none_or_taken() {
        for path in [
            "",
            "metrics",
            "/a b",
            "/a?b",
            "/a#b",
            "/%41",
            "/ü",
            "/-/ready",
            "/api/v1/tasks",
            "/config",
        ] {
            let error = path.parse::<TelemetryPath>().unwrap_err().to_string();
            assert!(error.contains("--web.telemetry-path"), "{error}");
        }
    }
}
