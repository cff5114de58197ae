//! What the faults that a request meets do to its answer, stage by stage: its list, its fields, its
//! bytes. What they do to the connection is `delivery`'s.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::field::items;
use super::{Drift, Effect, Endless, Field};
use crate::simulator::wire::refusal::Refusal;

/// The effects that a request meets.
#[derive(Debug)]
pub(crate) struct Damage<'a>(pub(crate) Vec<&'a Effect>);

/// Numbers of tasks and instances that faults make up, from here on.
const STRANGERS: u64 = 1_000_000_000;
/// One byte more than a client should take.
const OVERSIZE: usize = 8 * 1024 * 1024 + 1;

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

    /// Lets the list drift, as if members had appeared or left since its first page. `stranger`
    /// makes a member with a number that the list does not hold.
    pub(crate) fn move_list<T>(&self, list: &mut Vec<T>, page: u64, stranger: impl Fn(u64) -> T) {
        for effect in &self.0 {
            let Effect::Drift(Drift { insert, remove }) = effect else { continue };
            let gone = (page - 1).saturating_mul((*remove).into());
            let gone = usize::try_from(gone).map_or(list.len(), |gone| gone.min(list.len()));
            list.drain(..gone);
            let new = (page - 1).saturating_mul((*insert).into()).min(100_000);
            list.splice(0..0, (0..new).rev().map(|number| stranger(STRANGERS + number)));
        }
    }

    /// A full page of a list without end, and the list's total.
    pub(crate) fn endless<T>(
        &self,
        size: u64,
        page: u64,
        stranger: impl Fn(u64) -> T,
    ) -> Option<(Vec<T>, u64)> {
        let endless = self.0.iter().find_map(|effect| match effect {
            Effect::EndlessPages(endless) => Some(*endless),
            _ => None,
        })?;
        let first = STRANGERS + (page - 1).saturating_mul(size);
        let total = match endless {
            Endless::Growing => page.saturating_add(1).saturating_mul(size),
            Endless::Fixed => i32::MAX.unsigned_abs().into(),
        };
        Some(((first..first + size).map(stranger).collect(), total))
    }

    /// Changes an answer's fields.
    pub(crate) fn fields(&self, fields: &mut Value, page: u64) {
        let Value::Object(fields) = fields else { return };
        for effect in &self.0 {
            match effect {
                Effect::Missing(field) => {
                    if let Some(holder) = field.holder(fields) {
                        holder.remove(field.name());
                    }
                }
                Effect::Nulled(field) => field.set(fields, Value::Null),
                Effect::WrongType(field) => field.set(fields, json!({ "unexpected": true })),
                Effect::UnknownStatus(word) => {
                    let of_instance = Field::DBInstanceStatus.holder(fields);
                    let of_instance = of_instance
                        .is_some_and(|item| item.contains_key(Field::DBInstanceStatus.name()));
                    let status =
                        if of_instance { Field::DBInstanceStatus } else { Field::ImportDataStatus };
                    status.set(fields, json!(word));
                }
                Effect::UnknownType(word) => Field::ImportDataType.set(fields, json!(word)),
                Effect::PageNumber(number) => Field::PageNumber.set(fields, json!(number)),
                Effect::PageRecordCount(count) => {
                    Field::PageRecordCount.set(fields, json!(count));
                }
                Effect::MovingTotal => {
                    let total = fields.get("TotalRecordCount").and_then(Value::as_u64);
                    let total = total.unwrap_or_default() + page - 1;
                    Field::TotalRecordCount.set(fields, json!(total));
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
                Effect::Expiration(text) => Field::Expiration.set(fields, json!(text)),
                Effect::CredentialsCode(code) => Field::Code.set(fields, json!(code)),
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

fn numbers_to_text(value: &mut Value) {
    match value {
        Value::Number(number) => *value = Value::String(number.to_string()),
        Value::Array(members) => members.iter_mut().for_each(numbers_to_text),
        Value::Object(fields) => fields.values_mut().for_each(numbers_to_text),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
