//! The two text formats, and where they differ.
//!
//! Samples are the same bytes in both: only the headers of counters and the end of the page differ.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>,
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>

use crate::instruments::catalog::Kind;

/// A format that Prometheus reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// Both, in the order of their variants.
    pub(super) const ALL: [Self; 2] = [Self::Text, Self::OpenMetrics];

    /// The media type, as it stands in `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What stands after the last sample.
    pub(super) fn end(self) -> &'static str {
        match self {
            Self::Text => "",
            Self::OpenMetrics => "# EOF\n",
        }
    }

    /// The name that the headers give the family of samples `name`: OpenMetrics leaves out the
    /// `_total` of counters there.
    pub(super) fn family_name(self, name: &str, kind: Kind) -> &str {
        match (self, kind) {
            (Self::OpenMetrics, Kind::Counter) => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        }
    }
}

/// Whether the headers of a family are the same in both formats.
pub(super) fn has_common_header(kind: Kind) -> bool {
    kind != Kind::Counter
}
