//! `DescibeImportsFromDatabase`: its parameters, checked one by one, and its answer.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::call::{self, Call};
use super::damage::Damage;
use super::gate::Member;
use super::refusal::Refusal;
use super::scenario::{Engine, State};
use super::world::{Entry, Item, Moment, World};

/// The operation's name, in the spelling of its reference.
pub(crate) const ACTION: &str = "DescibeImportsFromDatabase";

/// The reference's integers have 32 bits.
const LARGEST: u64 = i32::MAX as u64;

/// Parameters of the operation.
#[derive(Debug)]
struct Query<'a> {
    instance: &'a str,
    engine: Engine,
    window: (DateTime<Utc>, DateTime<Utc>),
    import_id: Option<u64>,
    page_size: u64,
    page_number: u64,
}

/// Answers a request that has passed the gate.
pub(crate) fn answer(
    call: &Call,
    member: &Member,
    world: &World,
    moment: &Moment,
    damage: &Damage<'_>,
) -> Result<Value, Refusal> {
    let query = Query::read(call)?;
    let instance = world
        .instance(query.instance)
        .filter(|instance| instance.account.as_deref() == Some(member.name.as_str()))
        .ok_or_else(Refusal::no_such_instance)?;
    match instance.state {
        State::Normal => {}
        State::Missing => return Err(Refusal::no_such_instance()),
        State::UnsupportedType => return Err(Refusal::unsupported_type()),
        State::Denied => return Err(Refusal::not_authorised(ACTION)),
    }
    if instance.engine != query.engine {
        return Err(Refusal::unsupported_type());
    }

    let mut entries = world.list(&instance, moment, query.window);
    damage.move_list(&mut entries, query.page_number, moment);
    if let Some(id) = query.import_id {
        entries.retain(|entry| entry.import_id == id);
    }
    let total = entries.len() as u64;
    let page = page_of(&entries, query.page_size, query.page_number);
    let (page, total) = damage.endless(query.page_size, query.page_number, moment).map_or_else(
        || (page.to_vec(), total),
        |(strangers, endless_total)| (strangers, endless_total),
    );
    let items: Vec<_> = page.iter().map(|entry| to_json(&entry.item(moment))).collect();
    Ok(json!({
        "PageNumber": query.page_number,
        "PageRecordCount": items.len(),
        "TotalRecordCount": total,
        "Items": { "ImportResultFromDB": items },
    }))
}

fn page_of<'a, 'b>(entries: &'b [Entry<'a>], size: u64, number: u64) -> &'b [Entry<'a>] {
    let index =
        |place: u64| usize::try_from(place).map_or(entries.len(), |at| at.min(entries.len()));
    &entries[index((number - 1).saturating_mul(size))..index(number.saturating_mul(size))]
}

fn to_json(item: &Item<'_>) -> Value {
    let mut fields = json!({
        "ImportId": item.import_id,
        "ImportDataType": item.kind.as_str(),
        "ImportDataStatus": item.status.as_str(),
        "ImportDataStatusDescription": item.description,
    });
    if let Some(time) = &item.importing_time {
        fields["IncrementalImportingTime"] = json!(time);
    }
    fields
}

impl<'a> Query<'a> {
    fn read(call: &'a Call) -> Result<Self, Refusal> {
        let instance = call.required("DBInstanceId")?;
        let engine = match call.required("Engine")? {
            "MySQL" => Engine::MySQL,
            "SQLServer" => Engine::SQLServer,
            _ => return Err(Refusal::malformed("Engine", "valid values are MySQL and SQLServer")),
        };
        let window = (time(call, "StartTime")?, time(call, "EndTime")?);
        let import_id = integer(call, "ImportId", "ImportId", 0..=LARGEST)?;
        let page_size = integer(call, "PageSize", "PageSize", 0..=LARGEST)?.unwrap_or(30);
        if ![30, 50, 100].contains(&page_size) {
            return Err(Refusal::malformed("PageSize", "valid values are 30, 50 and 100"));
        }
        // The reference spells this code with an s.
        let pages = 1..=LARGEST;
        let page_number = integer(call, "PageNumber", "PageNumbers", pages)?.unwrap_or(1);
        check_token(call)?;
        check_owners(call)?;
        Ok(Self { instance, engine, window, import_id, page_size, page_number })
    }
}

fn time(call: &Call, name: &str) -> Result<DateTime<Utc>, Refusal> {
    let allowed = "the format is yyyy-MM-ddTHH:mmZ, in UTC";
    call::minutes(call.required(name)?).ok_or_else(|| Refusal::malformed(name, allowed))
}

fn integer(
    call: &Call,
    name: &str,
    code: &str,
    range: std::ops::RangeInclusive<u64>,
) -> Result<Option<u64>, Refusal> {
    let Some(text) = call.get(name) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| range.contains(number) && is_digits(text));
    let allowed = || format!("it must be an integer from {} to {}", range.start(), range.end());
    number.map(Some).ok_or_else(|| Refusal::malformed(code, &allowed()))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn check_token(call: &Call) -> Result<(), Refusal> {
    let token = call.get("ClientToken").unwrap_or_default();
    if token.is_ascii() && token.len() <= 64 {
        return Ok(());
    }
    Err(Refusal::malformed("ClientToken", "at most 64 characters, all of them ASCII"))
}

fn check_owners(call: &Call) -> Result<(), Refusal> {
    for name in ["OwnerId", "ResourceOwnerId"] {
        integer(call, name, name, 0..=i64::MAX as u64)?;
    }
    if call.get("OwnerId").is_some() && call.get("OwnerAccount").is_some() {
        let message = "OwnerId and OwnerAccount can not be used together.";
        return Err(Refusal::new(400, "InvalidOwner", message));
    }
    Ok(())
}

/// How long the window of a request is, as far as it can be told.
pub(crate) fn window(call: &Call) -> Option<TimeDelta> {
    Some(call::minutes(call.get("EndTime")?)? - call::minutes(call.get("StartTime")?)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::ManualClock;
    use crate::simulator::Scenario;

    proptest! {
        #[test]
        fn pages_partition_the_list(length in 0..500_u64, size in prop::sample::select(vec![30_u64, 50, 100])) {
            let clock = ManualClock::new(DateTime::UNIX_EPOCH).clock();
            let moment = World::new(&Scenario::default(), clock).moment();
            let list: Vec<_> = (0..length).map(|id| Entry::stranger(id, &moment)).collect();
            let pages = length.div_ceil(size);
            let ids = (1..=pages).flat_map(|number| {
                let page = page_of(&list, size, number);
                assert_eq!(page.len() as u64, if number < pages { size } else { length - size * (pages - 1) });
                page.iter().map(|entry| entry.import_id)
            });
            prop_assert_eq!(ids.collect::<Vec<_>>(), (0..length).collect::<Vec<_>>());
            prop_assert!(page_of(&list, size, pages + 1).is_empty());
            prop_assert!(page_of(&list, size, u64::MAX).is_empty());
        }
    }
}
