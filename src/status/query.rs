//! What the query of a URL asks for.
//!
//! The JSON refuses what it does not know, so that a mistyped filter does not pass for an answer.
//! The page ignores it: links come with all sorts of things added.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::store::PollState;

use super::filter::{InstanceFilter, Slice, TaskFilter};
use super::task::Concern;

/// Most items of a JSON list in one answer.
const MAX_ITEMS: usize = 10_000;
/// Rows on a page of the status page.
pub(super) const PAGE_ROWS: usize = 25;

/// A question for tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskQuery {
    /// Which ones.
    pub(crate) filter: TaskFilter,
    /// Which part of them.
    pub(crate) slice: Slice,
}

/// A question for instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InstanceQuery {
    /// Which ones.
    pub(crate) filter: InstanceFilter,
    /// Which part of them.
    pub(crate) slice: Slice,
}

/// What the status page is to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PageQuery {
    /// Only tasks in this status.
    pub(crate) status: Option<String>,
    /// Only tasks that matter this much.
    pub(crate) concern: Option<Concern>,
    /// Only instances whose ID or name contains this.
    pub(crate) instance: String,
    /// Only instances polled like this.
    pub(crate) state: Option<String>,
    /// Page of the tasks, from 1.
    pub(crate) tasks_page: usize,
    /// Page of the instances, from 1.
    pub(crate) instances_page: usize,
    /// Whether the page loads itself again.
    pub(crate) refreshes: bool,
}

/// A query that cannot be answered, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueryError {
    /// There is no such parameter.
    #[error("unknown parameter {name:?}; known are {known}")]
    Unknown {
        /// The parameter.
        name: String,
        /// Those there are.
        known: &'static str,
    },
    /// The value makes no sense.
    #[error("{name}={value:?}: {allowed}")]
    Value {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A parameter that counts once is there more often.
    #[error("{0} is given more than once")]
    Repeated(&'static str),
}

impl TaskQuery {
    /// Reads the query of `/api/v1/tasks`.
    ///
    /// # Errors
    ///
    /// When a parameter is unknown or its value makes no sense.
    pub(crate) fn parse(query: &str) -> Result<Self, QueryError> {
        let (mut filter, mut window) = (TaskFilter::default(), Window::default());
        for (name, value) in pairs(query) {
            let instances = &mut filter.instances;
            match &*name {
                "account" => instances.account.push(value.into_owned()),
                "region_id" => instances.region_id.push(value.into_owned()),
                "db_instance_id" => instances.db_instance_id.push(value.into_owned()),
                "import_id" => {
                    let allowed = "allowed is the number of a task";
                    filter.import_id.push(number("import_id", &value, allowed)?);
                }
                "type" => filter.kind.push(value.into_owned()),
                "status" => filter.status.push(value.into_owned()),
                "concern" => {
                    let allowed = "allowed are failed, lagging, unknown_status, running and ended";
                    let (name, text) = ("concern", value.into_owned());
                    let concern = Concern::named(&text);
                    let refused = || QueryError::Value { name, value: text.clone(), allowed };
                    filter.concern.push(concern.ok_or_else(refused)?);
                }
                "limit" => window.limit(&value)?,
                "offset" => window.offset(&value)?,
                _ => {
                    let known = "account, region_id, db_instance_id, import_id, type, status, concern, limit and offset";
                    return Err(QueryError::Unknown { name: name.into_owned(), known });
                }
            }
        }
        Ok(Self { filter, slice: window.slice() })
    }
}

impl InstanceQuery {
    /// Reads the query of `/api/v1/instances`.
    ///
    /// # Errors
    ///
    /// When a parameter is unknown or its value makes no sense.
    pub(crate) fn parse(query: &str) -> Result<Self, QueryError> {
        let (mut filter, mut window) = (InstanceFilter::default(), Window::default());
        for (name, value) in pairs(query) {
            match &*name {
                "account" => filter.account.push(value.into_owned()),
                "region_id" => filter.region_id.push(value.into_owned()),
                "db_instance_id" => filter.db_instance_id.push(value.into_owned()),
                "state" => {
                    if !PollState::ALL.iter().any(|state| state.as_str() == value) {
                        let allowed = "allowed are active, failing, idle and pending";
                        let value = value.into_owned();
                        return Err(QueryError::Value { name: "state", value, allowed });
                    }
                    filter.state.push(value.into_owned());
                }
                "limit" => window.limit(&value)?,
                "offset" => window.offset(&value)?,
                _ => {
                    let known = "account, region_id, db_instance_id, state, limit and offset";
                    return Err(QueryError::Unknown { name: name.into_owned(), known });
                }
            }
        }
        Ok(Self { filter, slice: window.slice() })
    }
}

impl PageQuery {
    /// Reads the query of the status page; nothing is refused.
    pub(crate) fn parse(query: &str) -> Self {
        let mut asked = Self::default();
        for (name, value) in pairs(query) {
            let page = || value.parse().ok().filter(|page| *page > 0);
            let some = || Some(value.trim().to_owned()).filter(|text| !text.is_empty());
            match &*name {
                "status" => asked.status = some(),
                "concern" => asked.concern = Concern::named(&value),
                "instance" => asked.instance = some().unwrap_or_default(),
                "state" => asked.state = some(),
                "tasks_page" => asked.tasks_page = page().unwrap_or(1),
                "instances_page" => asked.instances_page = page().unwrap_or(1),
                "refresh" => asked.refreshes = value != "off",
                _ => {}
            }
        }
        asked
    }

    /// The tasks it shows.
    pub(super) fn tasks(&self) -> TaskFilter {
        TaskFilter {
            instances: self.instances(),
            status: self.status.iter().cloned().collect(),
            concern: self.concern.into_iter().collect(),
            ..TaskFilter::default()
        }
    }

    /// Whether failed tasks and those that are behind have lists of their own.
    pub(crate) fn groups(&self) -> bool {
        self.status.is_none() && self.concern.is_none()
    }

    /// The instances it shows.
    pub(super) fn instances(&self) -> InstanceFilter {
        InstanceFilter {
            containing: self.instance.clone(),
            state: self.state.iter().cloned().collect(),
            ..InstanceFilter::default()
        }
    }

    /// Whether anything is left out.
    pub(super) fn filters(&self) -> bool {
        !self.groups() || self.state.is_some() || !self.instance.is_empty()
    }

    /// A link to the page that shows this, from wherever the page is served.
    pub(super) fn link(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let texts = [
            ("status", self.status.as_deref()),
            ("concern", self.concern.map(Concern::as_str)),
            ("state", self.state.as_deref()),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        if !self.instance.is_empty() {
            query.append_pair("instance", &self.instance);
        }
        let pages = [("tasks_page", self.tasks_page), ("instances_page", self.instances_page)];
        for (name, page) in pages {
            if page > 1 {
                query.append_pair(name, &page.to_string());
            }
        }
        if !self.refreshes {
            query.append_pair("refresh", "off");
        }
        let mut link = "?".to_owned();
        // Writing to a string cannot fail.
        let _ = write!(link, "{}", query.finish());
        link
    }
}

impl Default for PageQuery {
    fn default() -> Self {
        Self {
            status: None,
            concern: None,
            instance: String::new(),
            state: None,
            tasks_page: 1,
            instances_page: 1,
            refreshes: true,
        }
    }
}

/// The part of a list that a query asks for.
#[derive(Default)]
struct Window {
    offset: Option<usize>,
    limit: Option<usize>,
}

impl Window {
    fn offset(&mut self, value: &str) -> Result<(), QueryError> {
        let offset = number("offset", value, "allowed is a number from 0")?;
        once("offset", self.offset.replace(offset))
    }

    fn limit(&mut self, value: &str) -> Result<(), QueryError> {
        let allowed = "allowed is a number from 1 to 10000";
        let limit = number("limit", value, allowed)?;
        if !(1..=MAX_ITEMS).contains(&limit) {
            return Err(QueryError::Value { name: "limit", value: value.to_owned(), allowed });
        }
        once("limit", self.limit.replace(limit))
    }

    fn slice(&self) -> Slice {
        let (offset, limit) = (self.offset.unwrap_or(0), self.limit.unwrap_or(MAX_ITEMS));
        Slice { offset, limit }
    }
}

fn once(name: &'static str, before: Option<usize>) -> Result<(), QueryError> {
    before.map_or(Ok(()), |_| Err(QueryError::Repeated(name)))
}

fn number<N: std::str::FromStr>(
    name: &'static str,
    value: &str,
    allowed: &'static str,
) -> Result<N, QueryError> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let refused = || QueryError::Value { name, value: value.to_owned(), allowed };
    value.parse().ok().filter(|_| digits).ok_or_else(refused)
}

fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(query.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_are_filters_and_may_be_repeated() {
        let query = "status=Failed&status=Odd%20One&db_instance_id=rm-1&account=a&region_id=r\
                     &import_id=7&type=Full&limit=5&offset=10";
        let TaskQuery { filter, slice } = TaskQuery::parse(query).unwrap();
        assert_eq!(filter.status, ["Failed", "Odd One"]);
        assert_eq!((filter.import_id, filter.kind), (vec![7], vec!["Full".to_owned()]));
        assert_eq!(filter.instances.db_instance_id, ["rm-1"]);
        assert_eq!(
            (filter.instances.account, filter.instances.region_id),
            (vec!["a".into()], vec!["r".into()])
        );
        assert_eq!(slice, Slice { offset: 10, limit: 5 });

        let InstanceQuery { filter, slice } = InstanceQuery::parse("state=failing").unwrap();
        assert_eq!(filter.state, ["failing"]);
        assert_eq!(slice, Slice { offset: 0, limit: MAX_ITEMS });
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_told() {
        for (query, message) in [
            (
                "statu=Failed",
                "unknown parameter \"statu\"; known are account, region_id, db_instance_id, import_id, type, status, concern, limit and offset",
            ),
            ("limit=0", "limit=\"0\": allowed is a number from 1 to 10000"),
            ("limit=10001", "limit=\"10001\": allowed is a number from 1 to 10000"),
            ("limit=%2B1", "limit=\"+1\": allowed is a number from 1 to 10000"),
            ("offset=-1", "offset=\"-1\": allowed is a number from 0"),
            ("offset=1&offset=2", "offset is given more than once"),
            (
                "concern=Failed",
                "concern=\"Failed\": allowed are failed, lagging, unknown_status, running and ended",
            ),
            ("import_id=x", "import_id=\"x\": allowed is the number of a task"),
        ] {
            assert_eq!(TaskQuery::parse(query).unwrap_err().to_string(), message, "{query}");
        }
        for (query, message) in [
            (
                "status=Failed",
                "unknown parameter \"status\"; known are account, region_id, db_instance_id, state, limit and offset",
            ),
            ("state=up", "state=\"up\": allowed are active, failing, idle and pending"),
        ] {
            assert_eq!(InstanceQuery::parse(query).unwrap_err().to_string(), message, "{query}");
        }
    }

    #[test]
    fn the_page_takes_whatever_comes() {
        assert_eq!(PageQuery::parse("utm=1&tasks_page=x&instances_page=0"), PageQuery::default());
        let asked = PageQuery::parse("status=&instance=+rm-1+&state=failing&refresh=off");
        assert_eq!((asked.status, asked.instance.as_str()), (None, "rm-1"));
        assert_eq!((asked.state.as_deref(), asked.refreshes), (Some("failing"), false));
    }

    proptest! {
        #[test]
        fn a_link_leads_to_what_it_was_made_from(
            status in prop::option::of("[^\\s]{1,20}"),
            concern in prop::option::of(prop::sample::select(&Concern::ALL[..])),
            instance in "[^\\s]{0,20}",
            tasks_page in 1_usize..1_000,
            instances_page in 1_usize..1_000,
            refreshes: bool,
        ) {
            let state = Some("idle".to_owned());
            let asked = PageQuery { status, concern, instance, state, tasks_page, instances_page, refreshes };
            let link = asked.link();
            prop_assert_eq!(PageQuery::parse(&link[1..]), asked);
        }

        #[test]
        fn any_query_is_answered_or_refused(query: String) {
            let _ = (TaskQuery::parse(&query), InstanceQuery::parse(&query), PageQuery::parse(&query));
        }
    }
}
