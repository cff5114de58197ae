//! Reads the answer of `DescibeImportsFromDatabase`: strictly where a wrong reading would lose a
//! task, leniently where the API is known to be loose.

mod plain;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::api::error_body;
use crate::api::time::Positions;
use crate::domain::text::shortened;
use crate::domain::{Description, ImportId, Position, Task, TaskStatus, TaskType};

/// A position may be this far ahead of the answer's time and still count as "not behind", in
/// seconds.
const MAX_AHEAD: i64 = 300;
/// Positions before this make no sense: the service did not exist (2009-01-01T00:00:00Z).
const EARLIEST_POSITION: i64 = 1_230_768_000;
/// Longest description that is kept, in characters.
const MAX_DESCRIPTION: usize = 500;
/// Tasks that room is made for: a full page.
const PAGE: usize = 100;

/// One page of an instance's task list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The number that the API gave the page; `None` if it gave none.
    pub number: Option<u32>,
    /// How many tasks the whole list has.
    pub total: u64,
    /// The tasks of this page, in the API's order.
    pub tasks: Vec<Task>,
    /// `ImportDataStatusDescription` of those that did not succeed, if there is one.
    pub descriptions: Vec<Description>,
}

/// A page, and what was odd about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) page: Page,
    pub(super) request_id: Option<String>,
    /// The API field of each value that the reference does not know.
    pub(super) unknown: Vec<&'static str>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    #[serde(borrow, default)]
    request_id: Option<Text<'a>>,
    page_number: Option<u32>,
    total_record_count: Option<u64>,
    #[serde(borrow, default)]
    items: Items<'a>,
    /// Set in an error that came with a status of success.
    #[serde(borrow, default)]
    code: Option<Text<'a>>,
}

/// Text, borrowed from the body where it holds no escapes.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// `Items.ImportResultFromDB`; empty where the API leaves it out, null, or an empty array or text.
#[derive(Debug, Default, PartialEq)]
struct Items<'a>(Vec<Item<'a>>);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item<'a> {
    import_id: Option<RawId>,
    #[serde(borrow, default)]
    import_data_type: Option<Text<'a>>,
    #[serde(borrow, default)]
    import_data_status: Option<Text<'a>>,
    #[serde(borrow, default)]
    import_data_status_description: Option<Text<'a>>,
    #[serde(borrow, default)]
    incremental_importing_time: RawTime<'a>,
}

/// A number, or the same number as text.
#[derive(Debug, PartialEq)]
struct RawId(ImportId);

/// Text, or something that is no time at all: that must cost the lag only.
#[derive(Debug, Default, PartialEq)]
enum RawTime<'a> {
    #[default]
    Absent,
    Text(Cow<'a, str>),
    Nonsense,
}

/// The tasks of a page, as they are read.
struct Tasks {
    /// In Unix seconds.
    answered_at: i64,
    positions: Positions,
    tasks: Vec<Task>,
    descriptions: Vec<Description>,
    unknown: Vec<&'static str>,
    texts: Texts,
}

/// The last few distinct texts of a page: what the API says of a task mostly follows from its
/// status, so that hundreds of tasks have a handful of texts.
#[derive(Default)]
struct Texts([Option<Arc<str>>; 8]);

/// Reads a page that was answered at `answered_at`, by the API's clock if it told.
///
/// # Errors
///
/// What is wrong with the body, for a `bad_response`.
pub(super) fn parse(body: &[u8], answered_at: DateTime<Utc>) -> Result<Parsed, String> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(error_body::with_excerpt("the body is no JSON object", body));
    }
    // Checked once, not text by text.
    let body =
        str::from_utf8(body).map_err(|error| format!("the body is not readable: {error}"))?;
    let mut tasks = Tasks::answered_at(answered_at);
    let body = match plain::read(body, |item| tasks.take(&item).ok()) {
        Some(plain) => plain,
        None => {
            tasks = Tasks::answered_at(answered_at);
            serde_json::from_str::<Body<'_>>(body)
                .map_err(|error| format!("the body is not readable: {error}"))?
        }
    };
    let Some(total) = body.total_record_count else {
        return Err(match body.code {
            Some(code) => format!("the answer has no TotalRecordCount, but the Code {:?}", code.0),
            None => "the answer has no TotalRecordCount".to_owned(),
        });
    };
    for (index, item) in body.items.0.iter().enumerate() {
        tasks.take(item).map_err(|problem| format!("item {index} {problem}"))?;
    }
    let Tasks { tasks, descriptions, unknown, .. } = tasks;
    let page = Page { number: body.page_number, total, tasks, descriptions };
    Ok(Parsed { page, request_id: body.request_id.map(|text| text.0.into_owned()), unknown })
}

/// Asserts that whatever is read without serde is what serde reads.
pub(super) fn assert_readers_agree(body: &[u8]) {
    if let Ok(text) = str::from_utf8(body)
        && let Some(plain) = read_plain(text)
    {
        assert_eq!(serde_json::from_str(text).ok(), Some(plain), "{text:?}");
    }
}

fn read_plain(text: &str) -> Option<Body<'_>> {
    let mut items = Vec::new();
    let body = plain::read(text, |item| {
        items.push(item);
        Some(())
    })?;
    Some(Body { items: Items(items), ..body })
}

impl Tasks {
    fn answered_at(answered_at: DateTime<Utc>) -> Self {
        Self {
            answered_at: answered_at.timestamp(),
            positions: Positions::default(),
            tasks: Vec::with_capacity(PAGE),
            descriptions: Vec::with_capacity(PAGE),
            unknown: Vec::new(),
            texts: Texts::default(),
        }
    }

    /// Adds a task.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn take(&mut self, item: &Item<'_>) -> Result<(), String> {
        let task = self.read(item)?;
        if let Some(text) = word(&item.import_data_status_description)
            && task.status != TaskStatus::SUCCESS
        {
            let text = self.texts.shared(&shortened(text, MAX_DESCRIPTION));
            self.descriptions.push((task.import_id, text));
        }
        self.tasks.push(task);
        Ok(())
    }

    fn read(&mut self, item: &Item<'_>) -> Result<Task, String> {
        let Some(RawId(import_id)) = item.import_id else {
            return Err("has no ImportId".to_owned());
        };
        let missing = |field: &str| format!("(ImportId {import_id}) has no {field}");
        let no_label = |field: &str| format!("(ImportId {import_id}) has no usable {field}");

        let kind = word(&item.import_data_type).ok_or_else(|| missing("ImportDataType"))?;
        let kind = TaskType::parse(kind).ok_or_else(|| no_label("ImportDataType"))?;
        let status = word(&item.import_data_status).ok_or_else(|| missing("ImportDataStatus"))?;
        let status = TaskStatus::parse(status).ok_or_else(|| no_label("ImportDataStatus"))?;
        if !kind.is_documented() {
            self.unknown.push("ImportDataType");
        }
        if !status.is_documented() {
            self.unknown.push("ImportDataStatus");
        }
        let position = match self.position(&item.incremental_importing_time) {
            Ok(position) => position,
            Err(Nonsense) => {
                self.unknown.push("IncrementalImportingTime");
                None
            }
        };
        let has_position = kind == TaskType::INCREMENTAL && status.is_incremental();
        Ok(Task { import_id, kind, status, position: position.filter(|_| has_position) })
    }

    fn position(&mut self, time: &RawTime<'_>) -> Result<Option<Position>, Nonsense> {
        let text = match time {
            RawTime::Absent => return Ok(None),
            RawTime::Text(text) => text,
            RawTime::Nonsense => return Err(Nonsense),
        };
        let Some(position) = self.positions.read(text) else {
            return if text.trim().is_empty() { Ok(None) } else { Err(Nonsense) };
        };
        let lag = self.answered_at - position;
        if lag < -MAX_AHEAD || position < EARLIEST_POSITION {
            return Err(Nonsense);
        }
        Ok(Some(Position {
            unix_seconds: u32::try_from(position).map_err(|_| Nonsense)?,
            lag_seconds: u32::try_from(lag.max(0)).map_err(|_| Nonsense)?,
        }))
    }
}

impl Texts {
    fn shared(&mut self, text: &str) -> Arc<str> {
        let Self(texts) = self;
        let known = texts.iter().flatten().find(|known| ***known == *text);
        if let Some(known) = known {
            return Arc::clone(known);
        }
        texts.rotate_right(1);
        Arc::clone(texts[0].insert(text.into()))
    }
}

fn word<'a>(text: &'a Option<Text<'_>>) -> Option<&'a str> {
    text.as_ref().map(|text| &*text.0).filter(|text| !text.is_empty())
}

/// A time that makes no sense.
struct Nonsense;

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemsVisitor;

        impl<'de> Visitor<'de> for ItemsVisitor {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the array ImportResultFromDB")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    if key.0 == "ImportResultFromDB" {
                        items = map.next_value::<Option<Vec<Item<'de>>>>()?.unwrap_or_default();
                    } else {
                        map.next_value::<de::IgnoredAny>()?;
                    }
                }
                Ok(Items(items))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                match seq.next_element::<de::IgnoredAny>()? {
                    None => Ok(Items::default()),
                    Some(_) => Err(de::Error::invalid_type(de::Unexpected::Seq, &self)),
                }
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                match text {
                    "" => Ok(Items::default()),
                    _ => Err(de::Error::invalid_type(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(Items::default())
            }
        }

        deserializer.deserialize_any(ItemsVisitor)
    }
}

impl<'de> Deserialize<'de> for RawId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;

        impl Visitor<'_> for IdVisitor {
            type Value = RawId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number as ImportId")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<RawId, E> {
                Ok(RawId(ImportId(number)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RawId, E> {
                let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                match text.parse() {
                    Ok(number) if digits => Ok(RawId(ImportId(number))),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(IdVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawTime<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TimeVisitor;

        impl<'de> Visitor<'de> for TimeVisitor {
            type Value = RawTime<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time, or anything else")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(RawTime::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(RawTime::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(RawTime::Absent)
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
                Ok(RawTime::Nonsense)
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
                Ok(RawTime::Nonsense)
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
                Ok(RawTime::Nonsense)
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
                Ok(RawTime::Nonsense)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<de::IgnoredAny>()?.is_some() {}
                Ok(RawTime::Nonsense)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<de::IgnoredAny, de::IgnoredAny>()?.is_some() {}
                Ok(RawTime::Nonsense)
            }
        }

        deserializer.deserialize_any(TimeVisitor)
    }
}

#[cfg(test)]
mod tests;
