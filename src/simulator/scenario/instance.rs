//! Instances and the regions that they stand in.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::duration;
use crate::simulator::life::task::{Generator, Task};

/// An RDS instance.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an instance: a mapping with `id`")]
pub struct Instance {
    /// `DBInstanceId`.
    pub id: String,
    /// Name of the account that owns it; the first one if there is none.
    #[serde(default)]
    pub account: Option<String>,
    /// Region ID.
    #[serde(default = "hangzhou")]
    pub region: String,
    /// Database engine.
    #[serde(default)]
    pub engine: Engine,
    /// `DBInstanceDescription`, for people.
    #[serde(default)]
    pub name: String,
    /// `DBInstanceType`.
    #[serde(default, rename = "type")]
    pub kind: InstanceType,
    /// `DBInstanceStatus`; `Running` if there is none.
    #[serde(default)]
    pub status: Option<String>,
    /// `EngineVersion`; a usual one if there is none.
    #[serde(default)]
    pub version: Option<String>,
    /// `ZoneId`; the region's first if there is none.
    #[serde(default)]
    pub zone: Option<String>,
    /// `MasterInstanceId`, of a read-only instance.
    #[serde(default)]
    pub master: Option<String>,
    /// `ResourceGroupId`.
    #[serde(default)]
    pub resource_group: String,
    /// Tags; answers do not tell them, but requests can ask for them.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// From this time after the start on, in real time, it exists.
    #[serde(default, deserialize_with = "duration::optional")]
    pub from: Option<Duration>,
    /// Before this time after the start, in real time, it exists.
    #[serde(default, deserialize_with = "duration::optional")]
    pub until: Option<Duration>,
    /// How it answers.
    #[serde(default)]
    pub state: State,
    /// Tasks, one by one.
    #[serde(default)]
    pub tasks: Vec<Task>,
    /// Tasks by rule.
    #[serde(default)]
    pub generate: Option<Generator>,
    /// Makes so many instances of it: `-1` to `-N` is appended to the ID.
    #[serde(default)]
    pub copies: Option<u32>,
}

/// Database engines. `DescibeImportsFromDatabase` takes the first two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the API's words")]
pub enum Engine {
    #[default]
    MySQL,
    SQLServer,
    PostgreSQL,
    MariaDB,
}

/// `DBInstanceType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum InstanceType {
    /// An instance of its own.
    #[default]
    Primary,
    /// Follows a primary instance. Like the others below, it has no imports.
    Readonly,
    /// A disaster recovery instance.
    Guard,
    /// A temporary instance.
    Temp,
}

/// How an instance answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// With its tasks.
    #[default]
    Normal,
    /// `InvalidDBInstanceId.NotFound`, as if it were released.
    Missing,
    /// `OperationDenied.DBInstanceType`, as a read-only instance does.
    UnsupportedType,
    /// `Forbidden.RAM`, as if no policy allowed it.
    Denied,
}

/// A region, as `DescribeRegions` tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a region: a mapping with `id`")]
pub struct Region {
    /// `RegionId`.
    pub id: String,
    /// `ZoneId`s, each an entry of the answer; `-a` and `-b` of the region if there are none.
    #[serde(default)]
    pub zones: Vec<String>,
    /// `LocalName`; the ID if there is none.
    #[serde(default)]
    pub name: Option<String>,
    /// `RegionEndpoint`; the public host if there is none.
    #[serde(default)]
    pub endpoint: Option<String>,
}

impl Instance {
    /// A MySQL instance in `cn-hangzhou`, of the first account, with these tasks.
    pub fn new(id: impl Into<String>, tasks: Vec<Task>) -> Self {
        Self { id: id.into(), region: hangzhou(), tasks, ..Self::default() }
    }

    /// A MySQL instance in `cn-hangzhou`, of the first account, with tasks made by rule.
    pub fn generated(id: impl Into<String>, generate: Generator) -> Self {
        Self { generate: Some(generate), ..Self::new(id, Vec::new()) }
    }
}

impl Engine {
    /// The API's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MySQL => "MySQL",
            Self::SQLServer => "SQLServer",
            Self::PostgreSQL => "PostgreSQL",
            Self::MariaDB => "MariaDB",
        }
    }
}

impl InstanceType {
    /// The API's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "Primary",
            Self::Readonly => "Readonly",
            Self::Guard => "Guard",
            Self::Temp => "Temp",
        }
    }
}

impl Instance {
    /// Whether it exists after so much real time.
    pub(crate) fn exists(&self, elapsed: Duration) -> bool {
        self.from.is_none_or(|from| elapsed >= from)
            && self.until.is_none_or(|until| elapsed < until)
    }
}

fn hangzhou() -> String {
    "cn-hangzhou".to_owned()
}
