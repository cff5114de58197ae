//! Every metric family there is, in one table.
//!
//! The registry, the exposition, the metric reference in `docs/metrics.md` and the tests all read
//! it, so that none of them can say something else.

/// A metric family.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Full name.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// Label names, in the order in which they are written and sorted by.
    pub labels: &'static [&'static str],
    /// One sentence or two: what it is, when it is absent, which API field it comes from.
    pub help: &'static str,
}

/// Type of a metric family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows, until the process restarts.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Distribution in buckets.
    Histogram,
}

impl Kind {
    /// The word after `# TYPE name`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

const fn family(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { name, kind, labels, help }
}

use Kind::{Counter, Gauge, Histogram};

/// `aliyun_rds_import_exporter_api_budget_requests_per_second`
pub const API_BUDGET: Family = family(
    "aliyun_rds_import_exporter_api_budget_requests_per_second",
    Gauge,
    &["account"],
    "API call rate now in force for the account: the configured one, or less after throttling.",
);
/// `aliyun_rds_import_exporter_api_request_duration_seconds`
pub const API_REQUEST_DURATION: Family = family(
    "aliyun_rds_import_exporter_api_request_duration_seconds",
    Histogram,
    &["account", "action", "region_id"],
    "Time from sending an API request to the end of its answer or its failure.",
);
/// `aliyun_rds_import_exporter_api_request_failures_total`
pub const API_REQUEST_FAILURES: Family = family(
    "aliyun_rds_import_exporter_api_request_failures_total",
    Counter,
    &["account", "action", "code", "region_id"],
    "API requests that failed, by documented error code, timeout, connect, tls, http_NNN, bad_response, no_credentials or other. Absent until there was one.",
);
/// `aliyun_rds_import_exporter_api_requests_total`
pub const API_REQUESTS: Family = family(
    "aliyun_rds_import_exporter_api_requests_total",
    Counter,
    &["account", "action", "region_id"],
    "API requests sent, retries and failures included.",
);
/// `aliyun_rds_import_exporter_api_throttled_total`
pub const API_THROTTLED: Family = family(
    "aliyun_rds_import_exporter_api_throttled_total",
    Counter,
    &["account"],
    "API requests that were answered by throttling.",
);
/// `aliyun_rds_import_exporter_build_info`
pub const BUILD_INFO: Family = family(
    "aliyun_rds_import_exporter_build_info",
    Gauge,
    &["revision", "rustc", "version"],
    "Always 1; the labels tell which build is running.",
);
/// `aliyun_rds_import_exporter_clock_skew_seconds`
pub const CLOCK_SKEW: Family = family(
    "aliyun_rds_import_exporter_clock_skew_seconds",
    Gauge,
    &["account", "region_id"],
    "This machine's clock minus the API's, by the Date header of the last answer; 0 when the answer's whole second agrees. Absent until there was an answer.",
);
/// `aliyun_rds_import_exporter_config_last_reload_success_timestamp_seconds`
pub const CONFIG_RELOAD_SUCCESS: Family = family(
    "aliyun_rds_import_exporter_config_last_reload_success_timestamp_seconds",
    Gauge,
    &[],
    "When the configuration now in force was loaded.",
);
/// `aliyun_rds_import_exporter_config_last_reload_successful`
pub const CONFIG_RELOAD_SUCCESSFUL: Family = family(
    "aliyun_rds_import_exporter_config_last_reload_successful",
    Gauge,
    &[],
    "1 if the last attempt to load the configuration succeeded, else 0: an older one is in force then.",
);
/// `aliyun_rds_import_exporter_credentials_expiration_timestamp_seconds`
pub const CREDENTIALS_EXPIRATION: Family = family(
    "aliyun_rds_import_exporter_credentials_expiration_timestamp_seconds",
    Gauge,
    &["account"],
    "When the account's temporary keys expire, as their source tells it. They are renewed 15 minutes before; in the past, renewing fails. Absent for keys without an end.",
);
/// `aliyun_rds_import_exporter_discovered_instances`
pub const DISCOVERED_INSTANCES: Family = family(
    "aliyun_rds_import_exporter_discovered_instances",
    Gauge,
    &["account", "region_id"],
    "Instances that the last good discovery found, excluded ones left out. Of several shards each finds them all. Absent until there was one.",
);
/// `aliyun_rds_import_exporter_discovery_last_success_timestamp_seconds`
pub const DISCOVERY_LAST_SUCCESS: Family = family(
    "aliyun_rds_import_exporter_discovery_last_success_timestamp_seconds",
    Gauge,
    &["account", "region_id"],
    "When the last good discovery ended; of several in a region the oldest. An empty region_id stands for the list of regions. Absent until there was one.",
);
/// `aliyun_rds_import_exporter_http_request_duration_seconds`
pub const HTTP_REQUEST_DURATION: Family = family(
    "aliyun_rds_import_exporter_http_request_duration_seconds",
    Histogram,
    &["handler"],
    "Time from the head of an HTTP request to the answer being ready to send.",
);
/// `aliyun_rds_import_exporter_http_requests_total`
pub const HTTP_REQUESTS: Family = family(
    "aliyun_rds_import_exporter_http_requests_total",
    Counter,
    &["code", "handler"],
    "HTTP requests answered, by handler and status code.",
);
/// `aliyun_rds_import_exporter_instances`
pub const INSTANCES: Family = family(
    "aliyun_rds_import_exporter_instances",
    Gauge,
    &["account", "region_id", "state"],
    "Instances being polled: active (a task is not final), idle, failing (the last walk failed) or pending (not walked yet).",
);
/// `aliyun_rds_import_exporter_schedule_delay_seconds`
pub const SCHEDULE_DELAY: Family = family(
    "aliyun_rds_import_exporter_schedule_delay_seconds",
    Histogram,
    &[],
    "How much later than due polls started, for want of API budget or of a free slot.",
);
/// `aliyun_rds_import_exporter_unknown_values_total`
pub const UNKNOWN_VALUES: Family = family(
    "aliyun_rds_import_exporter_unknown_values_total",
    Counter,
    &["field"],
    "Values that the API's reference does not know, each time one was read, by API field. An undocumented status or type is shown as it is; a time that makes no sense costs the task its lag.",
);
/// `aliyun_rds_import_exporter_walk_failures_total`
pub const WALK_FAILURES: Family = family(
    "aliyun_rds_import_exporter_walk_failures_total",
    Counter,
    &["account", "code", "region_id"],
    "Walks through an instance's task list that failed, by the code of the error that ended them. Absent until there was one.",
);
/// `aliyun_rds_import_exporter_walk_restarts_total`
pub const WALK_RESTARTS: Family = family(
    "aliyun_rds_import_exporter_walk_restarts_total",
    Counter,
    &["account", "reason", "region_id"],
    "Walks that began again because the list moved under them, by what showed it: page_number, total_changed, duplicate or count.",
);
/// `aliyun_rds_import_exporter_walks_total`
pub const WALKS: Family = family(
    "aliyun_rds_import_exporter_walks_total",
    Counter,
    &["account", "region_id"],
    "Walks through an instance's task list that ended, failures included.",
);
/// `aliyun_rds_import_instance_info`
pub const INSTANCE_INFO: Family = family(
    "aliyun_rds_import_instance_info",
    Gauge,
    &["account", "region_id", "db_instance_id", "engine", "name"],
    "Always 1; the labels tell the instance's engine and its name for people.",
);
/// `aliyun_rds_import_instance_last_success_timestamp_seconds`
pub const INSTANCE_LAST_SUCCESS: Family = family(
    "aliyun_rds_import_instance_last_success_timestamp_seconds",
    Gauge,
    &["account", "region_id", "db_instance_id"],
    "When the last good walk of the instance ended; its tasks are as old as that. Absent until there was one.",
);
/// `aliyun_rds_import_instance_next_poll_timestamp_seconds`
pub const INSTANCE_NEXT_POLL: Family = family(
    "aliyun_rds_import_instance_next_poll_timestamp_seconds",
    Gauge,
    &["account", "region_id", "db_instance_id"],
    "When the next walk of the instance is due. Absent until it is scheduled.",
);
/// `aliyun_rds_import_instance_up`
pub const INSTANCE_UP: Family = family(
    "aliyun_rds_import_instance_up",
    Gauge,
    &["account", "region_id", "db_instance_id"],
    "1 if the last walk of the instance succeeded, else 0. Absent until the first one ended.",
);
/// `aliyun_rds_import_instance_walk_duration_seconds`
pub const INSTANCE_WALK_DURATION: Family = family(
    "aliyun_rds_import_instance_walk_duration_seconds",
    Gauge,
    &["account", "region_id", "db_instance_id"],
    "How long the last good walk took, waits for API budget and retries included. Absent until there was one.",
);
/// `aliyun_rds_import_instance_walk_pages`
pub const INSTANCE_WALK_PAGES: Family = family(
    "aliyun_rds_import_instance_walk_pages",
    Gauge,
    &["account", "region_id", "db_instance_id"],
    "How many pages the last good walk read, restarts included. Absent until there was one.",
);
/// `aliyun_rds_import_task_incremental_lag_seconds`
pub const TASK_LAG: Family = family(
    "aliyun_rds_import_task_incremental_lag_seconds",
    Gauge,
    &["account", "region_id", "db_instance_id", "import_id"],
    "How far the incremental task was behind when the API answered: the answer's time minus IncrementalImportingTime, never negative. Absent when unknown, outside IncrementalWaiting and IncrementalImporting, and when task_status is.",
);
/// `aliyun_rds_import_task_incremental_position_timestamp_seconds`
pub const TASK_POSITION: Family = family(
    "aliyun_rds_import_task_incremental_position_timestamp_seconds",
    Gauge,
    &["account", "region_id", "db_instance_id", "import_id"],
    "IncrementalImportingTime: the time up to which the task has synchronised incremental data. Absent when unknown, outside IncrementalWaiting and IncrementalImporting, and when task_status is.",
);
/// `aliyun_rds_import_task_status`
pub const TASK_STATUS: Family = family(
    "aliyun_rds_import_task_status",
    Gauge,
    &["account", "region_id", "db_instance_id", "import_id", "type", "status"],
    "Always 1; the labels tell the migration task's type (ImportDataType) and its status (ImportDataStatus) at the last good walk. Absent while the instance has been unreachable for longer than stale_after.",
);
/// `aliyun_rds_import_task_transitions_total`
pub const TASK_TRANSITIONS: Family = family(
    "aliyun_rds_import_task_transitions_total",
    Counter,
    &["account", "region_id", "db_instance_id", "status"],
    "Tasks seen to enter the status, after the instance's first good walk; a new task enters its first.",
);
/// `aliyun_rds_import_tasks`
pub const TASKS: Family = family(
    "aliyun_rds_import_tasks",
    Gauge,
    &["account", "region_id", "db_instance_id", "type", "status"],
    "Number of migration tasks by type and status, 0 for every documented pair without one. Absent until the first good walk, and while the instance has been unreachable for longer than stale_after.",
);

/// All families, in the order of their names, which is also their order on the page.
pub const FAMILIES: [Family; 31] = [
    API_BUDGET,
    API_REQUEST_DURATION,
    API_REQUEST_FAILURES,
    API_REQUESTS,
    API_THROTTLED,
    BUILD_INFO,
    CLOCK_SKEW,
    CONFIG_RELOAD_SUCCESS,
    CONFIG_RELOAD_SUCCESSFUL,
    CREDENTIALS_EXPIRATION,
    DISCOVERED_INSTANCES,
    DISCOVERY_LAST_SUCCESS,
    HTTP_REQUEST_DURATION,
    HTTP_REQUESTS,
    INSTANCES,
    SCHEDULE_DELAY,
    UNKNOWN_VALUES,
    WALK_FAILURES,
    WALK_RESTARTS,
    WALKS,
    INSTANCE_INFO,
    INSTANCE_LAST_SUCCESS,
    INSTANCE_NEXT_POLL,
    INSTANCE_UP,
    INSTANCE_WALK_DURATION,
    INSTANCE_WALK_PAGES,
    TASK_LAG,
    TASK_POSITION,
    TASK_STATUS,
    TASK_TRANSITIONS,
    TASKS,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_stand_in_the_order_of_their_names() {
        assert!(FAMILIES.map(|family| family.name).is_sorted());
    }

    #[test]
    fn counters_and_only_counters_end_in_total() {
        for family in FAMILIES {
            let total = family.name.ends_with("_total");
            assert_eq!(total, family.kind == Kind::Counter, "{}", family.name);
        }
    }
}
