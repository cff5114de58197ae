//! What the faults that a request meets do to its answer, stage by stage: its list, its fields, its
//! bytes. What they do to the connection is `delivery`'s.

use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use super::fault::{Drift, Effect, Endless, Field};
use super::refusal::Refusal;
use super::world::{Entry, Moment};

/// The effects that a request meets.
#[derive(Debug)]
pub(crate) struct Damage<'a>(pub(crate) Vec<&'a Effect>);

/// `ImportId`s of tasks that faults make up.
const STRANGERS: u64 = 1_000_000_000;
/// One byte more than a client should take.
const OVERSIZE: usize = 8 * 1024 * 1024 + 1;
const ITEM_LIST: &str = "ImportResultFromDB";

impl Damage<'_> {
    /// How far the endpoint's clock is off.
    pub(crate) fn skew(&self) -> TimeDelta {
        let skews = self.0.iter().filter_map(|effect| match effect {
            Effect::ClockSkew(skew) => Some(*skew),
            _ => None,
        });
        skews.sum()
    }

    /// Whether an effect is among them.
    pub(crate) fn holds(&self, effect: &Effect) -> bool {
        self.0.contains(&effect)
    }

    /// The first effect that refuses the request.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.0.iter().find_map(|effect| match effect {
            Effect::Throttle(hint) => Some(Refusal::throttled(hint.retry_after)),
            Effect::Error(error) => Some(Refusal {
                retry_after: error.retry_after,
                ..Refusal::new(error.status, &error.code, &error.message)
            }),
            _ => None,
        })
    }

    /// Lets the list drift, as if tasks had appeared or left since its first page.
    pub(crate) fn move_list(&self, entries: &mut Vec<Entry<'_>>, page: u64, moment: &Moment) {
        for effect in &self.0 {
            let Effect::Drift(Drift { insert, remove }) = effect else { continue };
            let gone = (page - 1).saturating_mul((*remove).into());
            let gone = usize::try_from(gone).map_or(entries.len(), |gone| gone.min(entries.len()));
            entries.drain(..gone);
            let new = (page - 1).saturating_mul((*insert).into()).min(100_000);
            let new = (0..new).rev().map(|number| Entry::stranger(STRANGERS + number, moment));
            entries.splice(0..0, new);
        }
    }

    /// A full page of a list without end, and the list's total.
    pub(crate) fn endless<'a>(
        &self,
        size: u64,
        page: u64,
        moment: &Moment,
    ) -> Option<(Vec<Entry<'a>>, u64)> {
        let endless = self.0.iter().find_map(|effect| match effect {
            Effect::EndlessPages(endless) => Some(*endless),
            _ => None,
        })?;
        let first = STRANGERS + (page - 1).saturating_mul(size);
        let entries = (first..first + size).map(|id| Entry::stranger(id, moment)).collect();
        let total = match endless {
            Endless::Growing => page.saturating_add(1).saturating_mul(size),
            Endless::Fixed => i32::MAX.unsigned_abs().into(),
        };
        Some((entries, total))
    }

    /// Changes an answer's fields.
    pub(crate) fn fields(&self, fields: &mut Value, page: u64) {
        let Value::Object(fields) = fields else { return };
        for effect in &self.0 {
            match effect {
                Effect::Missing(field) => {
                    let (name, _) = field.place();
                    if let Some(holder) = holder(fields, *field) {
                        holder.remove(name);
                    }
                }
                Effect::Nulled(field) => set(fields, *field, Value::Null),
                Effect::WrongType(field) => set(fields, *field, json!({ "unexpected": true })),
                Effect::UnknownStatus(word) => set(fields, Field::ImportDataStatus, json!(word)),
                Effect::UnknownType(word) => set(fields, Field::ImportDataType, json!(word)),
                Effect::PageNumber(number) => set(fields, Field::PageNumber, json!(number)),
                Effect::PageRecordCount(count) => {
                    set(fields, Field::PageRecordCount, json!(count));
                }
                Effect::MovingTotal => {
                    let total = fields.get("TotalRecordCount").and_then(Value::as_u64);
                    let total = total.unwrap_or_default() + page - 1;
                    set(fields, Field::TotalRecordCount, json!(total));
                }
                Effect::ImportingTime(text) => {
                    let name = "IncrementalImportingTime";
                    for item in items(fields).into_iter().flatten() {
                        if let Some(time) = item.get_mut(name) {
                            *time = json!(text);
                        }
                    }
                }
                Effect::DuplicateItems => {
                    if let Some([first, .., last]) = items(fields).map(Vec::as_mut_slice) {
                        last.clone_from(first);
                    }
                }
                _ => {}
            }
        }
        if self.holds(&Effect::NumbersAsText) {
            for value in fields.values_mut() {
                numbers_to_text(value);
            }
        }
    }

    /// Changes an answer's bytes.
    pub(crate) fn bytes(&self, body: &mut Vec<u8>) {
        if self.holds(&Effect::InvalidJson) && body.pop().is_some() {
            body.push(b',');
        }
        if self.holds(&Effect::Oversized) {
            // Blanks after a document belong to it, in JSON as in XML.
            body.resize(body.len().max(OVERSIZE), b' ');
        }
    }
}

/// Where a field is: at the top, or in the first item.
fn holder(fields: &mut Map<String, Value>, field: Field) -> Option<&mut Map<String, Value>> {
    let (_, in_item) = field.place();
    if !in_item {
        return Some(fields);
    }
    items(fields)?.first_mut()?.as_object_mut()
}

fn items(fields: &mut Map<String, Value>) -> Option<&mut Vec<Value>> {
    fields.get_mut("Items")?.get_mut(ITEM_LIST)?.as_array_mut()
}

fn set(fields: &mut Map<String, Value>, field: Field, value: Value) {
    if let Some(holder) = holder(fields, field) {
        holder.insert(field.place().0.to_owned(), value);
    }
}

fn numbers_to_text(value: &mut Value) {
    match value {
        Value::Number(number) => *value = Value::String(number.to_string()),
        Value::Array(members) => members.iter_mut().for_each(numbers_to_text),
        Value::Object(fields) => fields.values_mut().for_each(numbers_to_text),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
