//! Requests: for migration tasks, with every parameter that the API documents or its SDKs send, and
//! for instances, with those that discovery needs.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use crate::api::time;
use crate::domain::{Engine, ImportId};

/// Parameters of `DescibeImportsFromDatabase`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListImports<'a> {
    /// `DBInstanceId`: the destination instance.
    pub db_instance_id: &'a str,
    /// `Engine`
    pub engine: Engine,
    /// `StartTime`; sent to the minute, rounded down.
    pub start_time: DateTime<Utc>,
    /// `EndTime`; sent to the minute, rounded down.
    pub end_time: DateTime<Utc>,
    /// `ImportId`: only this task.
    pub import_id: Option<ImportId>,
    /// `PageSize`: 30, 50 or 100; the API takes 30 if none is given.
    pub page_size: Option<u32>,
    /// `PageNumber`, from 1; the API takes 1 if none is given.
    pub page_number: Option<u32>,
    /// `ClientToken`: at most 64 ASCII characters.
    pub client_token: Option<&'a str>,
    /// `ResourceGroupId`
    pub resource_group_id: Option<&'a str>,
    /// `OwnerId`; not together with `owner_account`.
    pub owner_id: Option<i64>,
    /// `OwnerAccount`
    pub owner_account: Option<&'a str>,
    /// `ResourceOwnerId`
    pub resource_owner_id: Option<i64>,
    /// `ResourceOwnerAccount`
    pub resource_owner_account: Option<&'a str>,
}

impl<'a> ListImports<'a> {
    /// A request with the required parameters only.
    pub fn new(
        db_instance_id: &'a str,
        engine: Engine,
        start_time: DateTime<Utc>,
        end_time: DateTime<Utc>,
    ) -> Self {
        Self {
            db_instance_id,
            engine,
            start_time,
            end_time,
            import_id: None,
            page_size: None,
            page_number: None,
            client_token: None,
            resource_group_id: None,
            owner_id: None,
            owner_account: None,
            resource_owner_id: None,
            resource_owner_account: None,
        }
    }

    /// The parameters to send, by their names in the API.
    pub fn parameters(&self) -> Vec<(&'static str, Cow<'a, str>)> {
        let mut parameters = vec![
            ("DBInstanceId", Cow::Borrowed(self.db_instance_id)),
            ("Engine", Cow::Borrowed(self.engine.as_str())),
            ("StartTime", Cow::Owned(time::to_minute(self.start_time))),
            ("EndTime", Cow::Owned(time::to_minute(self.end_time))),
        ];
        let numbers = [
            ("ImportId", self.import_id.map(|id| id.to_string())),
            ("PageSize", self.page_size.map(|size| size.to_string())),
            ("PageNumber", self.page_number.map(|number| number.to_string())),
            ("OwnerId", self.owner_id.map(|id| id.to_string())),
            ("ResourceOwnerId", self.resource_owner_id.map(|id| id.to_string())),
        ];
        let texts = [
            ("ClientToken", self.client_token),
            ("ResourceGroupId", self.resource_group_id),
            ("OwnerAccount", self.owner_account),
            ("ResourceOwnerAccount", self.resource_owner_account),
        ];
        let numbers = numbers.into_iter().filter_map(|(name, value)| Some((name, value?.into())));
        let texts = texts.into_iter().filter_map(|(name, value)| Some((name, value?.into())));
        parameters.extend(numbers.chain(texts));
        parameters
    }
}

/// Parameters of `DescribeDBInstances`, which lists the instances of a region by tokens.
///
/// <https://www.alibabacloud.com/help/en/rds/api-query-instances>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListInstances<'a> {
    /// `RegionId`
    pub region_id: &'a str,
    /// `Engine`: only instances of this engine.
    pub engine: Option<Engine>,
    /// `Tags`: only instances with this tag, as key and value. The API takes several, and then
    /// lists instances that have any of them.
    pub tag: Option<(&'a str, &'a str)>,
    /// `ResourceGroupId`
    pub resource_group_id: Option<&'a str>,
    /// `MaxResults`, 1 to 100: instances a page.
    pub max_results: u32,
    /// `NextToken`, as the page before gave it.
    pub next_token: Option<&'a str>,
}

impl<'a> ListInstances<'a> {
    /// The parameters to send, by their names in the API.
    pub fn parameters(&self) -> Vec<(&'static str, Cow<'a, str>)> {
        let mut parameters = vec![
            ("RegionId", Cow::Borrowed(self.region_id)),
            ("MaxResults", self.max_results.to_string().into()),
        ];
        let tags = self.tag.map(|(key, value)| serde_json::json!({ key: value }).to_string());
        parameters.extend(tags.map(|tags| ("Tags", tags.into())));
        let texts = [
            ("Engine", self.engine.map(Engine::as_str)),
            ("ResourceGroupId", self.resource_group_id),
            ("NextToken", self.next_token),
        ];
        parameters.extend(texts.into_iter().filter_map(|(name, text)| Some((name, text?.into()))));
        parameters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minimal() -> ListImports<'static> {
        let start = "2026-11-01T00:00:30Z".parse().unwrap();
        let end = "2026-11-24T04:05:00Z".parse().unwrap();
        ListImports::new("rm-1", Engine::SQLServer, start, end)
    }

    #[test]
    fn sends_what_is_required_and_nothing_else_unasked() {
        let expected = [
            ("DBInstanceId", "rm-1"),
            ("Engine", "SQLServer"),
            ("StartTime", "2026-11-01T00:00Z"),
            ("EndTime", "2026-11-24T04:05Z"),
        ];
        assert_eq!(minimal().parameters(), expected.map(|(name, value)| (name, value.into())));
    }

    #[test]
    fn sends_every_documented_parameter() {
        let all = ListImports {
            import_id: Some(ImportId(123)),
            page_size: Some(30),
            page_number: Some(2),
            client_token: Some("token"),
            resource_group_id: Some("rg-1"),
            owner_id: Some(-1),
            owner_account: Some("owner"),
            resource_owner_id: Some(i64::MAX),
            resource_owner_account: Some("resource owner"),
            ..minimal()
        };

        let mut rest = all.parameters().split_off(4);
        rest.sort();

        let expected = [
            ("ClientToken", "token"),
            ("ImportId", "123"),
            ("OwnerAccount", "owner"),
            ("OwnerId", "-1"),
            ("PageNumber", "2"),
            ("PageSize", "30"),
            ("ResourceGroupId", "rg-1"),
            ("ResourceOwnerAccount", "resource owner"),
            ("ResourceOwnerId", "9223372036854775807"),
        ];
        assert_eq!(rest, expected.map(|(name, value)| (name, value.into())));
    }

    #[test]
    fn lists_instances_with_what_was_asked_for() {
        let all = ListInstances {
            region_id: "cn-hangzhou",
            engine: Some(Engine::MySQL),
            tag: Some(("owner \"x\"", "a/b")),
            resource_group_id: Some("rg-1"),
            max_results: 100,
            next_token: Some("t+/="),
        };
        let expected = [
            ("RegionId", "cn-hangzhou"),
            ("MaxResults", "100"),
            ("Tags", r#"{"owner \"x\"":"a/b"}"#),
            ("Engine", "MySQL"),
            ("ResourceGroupId", "rg-1"),
            ("NextToken", "t+/="),
        ];
        assert_eq!(all.parameters(), expected.map(|(name, value)| (name, value.into())));

        let none = ListInstances {
            engine: None,
            tag: None,
            resource_group_id: None,
            next_token: None,
            ..all
        };
        assert_eq!(none.parameters(), all.parameters()[..2]);
    }
}
