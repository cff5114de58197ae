//! `DescribeDBInstances`: its filters and its two ways of paging.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Request;
use super::paging::{Next, Paging, slice};
use super::parameters::{check_owners, check_token, page_of};
use super::regions::{Regions, zones};
use crate::simulator::faults::Effect;
use crate::simulator::life::world::Moment;
use crate::simulator::scenario::{Engine, Instance, InstanceType, State};
use crate::simulator::wire::call::Call;
use crate::simulator::wire::refusal::Refusal;

/// The operation's name.
pub(super) const ACTION: &str = "DescribeDBInstances";
/// Tags that one request may ask for.
const MOST_TAGS: usize = 5;

/// Parameters of the operation.
#[derive(Debug)]
struct Query<'a> {
    region: &'a str,
    engine: Option<Engine>,
    kind: Option<InstanceType>,
    /// Any of them makes an instance fit; all instances do if there are none.
    tags: BTreeMap<String, String>,
    /// Filters whose values must be equal, and what they are compared with.
    equal: Vec<(&'a str, Attribute)>,
    /// Part of the ID or of the description.
    search: Option<&'a str>,
    paging: Paging,
}

/// What a filter looks at.
type Attribute = fn(&Instance) -> &str;

/// Answers a request that has passed the gate.
pub(super) fn answer(request: &Request<'_>, regions: &Regions) -> Result<Value, Refusal> {
    request.authorise(ACTION)?;
    let query = Query::read(request.call)?;
    let region = regions.get(query.region).ok_or_else(|| {
        let message = "The specified RegionId does not exist.";
        Refusal::new(404, "InvalidRegionId.NotFound", message)
    })?;
    let account = request.identity.account.name.as_str();
    let mut list = request.world.instances();
    list.retain(|instance| query.finds(instance, account, request.moment));

    let (page, size) = query.paging.page();
    let stranger = |number| {
        let instance = Instance::new(format!("rm-stranger{number}"), Vec::new());
        Arc::new(Instance { region: query.region.to_owned(), ..instance })
    };
    request.damage.move_list(&mut list, page, stranger);
    let endless = request.damage.endless(size, page, stranger);
    let first_zone = zones(region).into_iter().next().unwrap_or_default();
    let tell = |list: &[Arc<Instance>]| -> Vec<_> {
        list.iter().map(|instance| to_json(instance, &first_zone)).collect()
    };
    Ok(match query.paging {
        Paging::Number { size, number } => {
            let (found, total) = endless
                .unwrap_or_else(|| (page_of(&list, size, number).to_vec(), list.len() as u64));
            json!({
                "PageNumber": number,
                "PageRecordCount": found.len(),
                "TotalRecordCount": total,
                "Items": { "DBInstance": tell(&found) },
            })
        }
        Paging::Token { size, next } => {
            let after = Next { page: next.page + 1, offset: next.offset.saturating_add(size) };
            let more = endless.is_some() || after.offset < list.len() as u64;
            let found = endless.map_or_else(|| slice(&list, next.offset, size), |(found, _)| found);
            let token = match request.damage.holds(&Effect::RepeatedToken) {
                true => next.token(),
                false if more => after.token(),
                false => String::new(),
            };
            json!({
                "NextToken": token,
                "PageNumber": 1,
                "PageRecordCount": found.len(),
                // The whole list's count is not told to those who page by token.
                "TotalRecordCount": found.len(),
                "Items": { "DBInstance": tell(&found) },
            })
        }
    })
}

fn to_json(instance: &Instance, first_zone: &str) -> Value {
    let version = instance.version.as_deref().unwrap_or(match instance.engine {
        Engine::MySQL => "8.0",
        Engine::SQLServer => "2022_std_ha",
        Engine::PostgreSQL => "16.0",
        Engine::MariaDB => "10.6",
    });
    let mut fields = json!({
        "DBInstanceId": instance.id,
        "DBInstanceDescription": instance.name,
        "Engine": instance.engine.as_str(),
        "EngineVersion": version,
        "RegionId": instance.region,
        "ZoneId": instance.zone.as_deref().unwrap_or(first_zone),
        "ResourceGroupId": instance.resource_group,
        "DBInstanceStatus": status(instance),
        "DBInstanceType": instance.kind.as_str(),
        "DBInstanceClass": "mysql.n2.medium.1",
        "DBInstanceMemory": 4096,
        "DBInstanceCPU": "2",
        "Category": "Basic",
        "PayType": "Postpaid",
        "ConnectionMode": "Standard",
        "InstanceNetworkType": "VPC",
        "LockMode": "Unlock",
        "CreateTime": "2024-01-01T00:00:00Z",
        "ReadOnlyDBInstanceIds": { "ReadOnlyDBInstanceId": [] },
    });
    if let Some(master) = &instance.master {
        fields["MasterInstanceId"] = json!(master);
    }
    fields
}

fn status(instance: &Instance) -> &str {
    instance.status.as_deref().unwrap_or("Running")
}

impl<'a> Query<'a> {
    fn read(call: &'a Call) -> Result<Self, Refusal> {
        let region = call.required("RegionId")?;
        let mut equal = Vec::new();
        let filters: [(&str, Attribute); 5] = [
            ("DBInstanceId", |instance| &instance.id),
            ("DBInstanceStatus", status),
            ("ResourceGroupId", |instance| &instance.resource_group),
            ("EngineVersion", |instance| instance.version.as_deref().unwrap_or_default()),
            ("ZoneId", |instance| instance.zone.as_deref().unwrap_or_default()),
        ];
        for (name, of) in filters {
            equal.extend(call.get(name).map(|value| (value, of)));
        }
        let query = Self {
            region,
            engine: word(call, "Engine", &ENGINES, Engine::as_str)?,
            kind: word(call, "DBInstanceType", &TYPES, InstanceType::as_str)?,
            tags: call.get("Tags").map(tags).transpose()?.unwrap_or_default(),
            equal,
            search: call.get("SearchKey"),
            paging: Paging::read(call)?,
        };
        check_token(call)?;
        check_owners(call)?;
        Ok(query)
    }

    fn finds(&self, instance: &Instance, account: &str, moment: &Moment) -> bool {
        instance.account.as_deref() == Some(account)
            && instance.region == self.region
            && instance.state != State::Missing
            && instance.exists(moment.elapsed)
            && self.engine.is_none_or(|engine| instance.engine == engine)
            && self.kind.is_none_or(|kind| instance.kind == kind)
            && self.equal.iter().all(|(value, of)| of(instance) == *value)
            && self
                .search
                .is_none_or(|part| instance.id.contains(part) || instance.name.contains(part))
            && (self.tags.is_empty()
                || self.tags.iter().any(|(key, value)| instance.tags.get(key) == Some(value)))
    }
}

const ENGINES: [Engine; 4] =
    [Engine::MySQL, Engine::SQLServer, Engine::PostgreSQL, Engine::MariaDB];
const TYPES: [InstanceType; 4] =
    [InstanceType::Primary, InstanceType::Readonly, InstanceType::Guard, InstanceType::Temp];

fn word<T: Copy>(
    call: &Call,
    name: &str,
    known: &[T],
    spelling: fn(T) -> &'static str,
) -> Result<Option<T>, Refusal> {
    let Some(text) = call.get(name) else { return Ok(None) };
    let found = known.iter().copied().find(|word| spelling(*word) == text);
    found.map(Some).ok_or_else(|| {
        let words: Vec<_> = known.iter().map(|word| spelling(*word)).collect();
        Refusal::malformed(name, &format!("valid values are {}", words.join(", ")))
    })
}

/// Tags are an object of texts, written in JSON; one without a value asks for an empty one.
fn tags(text: &str) -> Result<BTreeMap<String, String>, Refusal> {
    let tags = serde_json::from_str::<BTreeMap<String, Option<String>>>(text).ok();
    let tags = tags.filter(|tags| (1..=MOST_TAGS).contains(&tags.len()));
    let tags = tags.ok_or_else(|| {
        Refusal::malformed("Tags", "a JSON object of up to 5 keys with text values is expected")
    })?;
    Ok(tags.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect())
}
