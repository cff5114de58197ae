//! Reads the answers of `DescribeDBInstances` and `DescribeRegions`.
//!
//! Strictly: an instance that a wrong reading misses would be taken as gone, and its series would
//! end. So whatever is not as documented is an error, which changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::api::error_body;
use crate::config::{is_instance_id, is_region_id};

/// `DBInstanceType` of a read-only replica.
const READ_ONLY: &str = "Readonly";

/// One page of a region's instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstancesPage {
    /// The instances of this page, in the API's order.
    pub instances: Vec<ListedInstance>,
    /// `TotalRecordCount`. With tokens it counts this page alone, says the API's reference, so it
    /// does not tell where a list ends.
    pub total: Option<u64>,
    /// `NextToken`, unless this page is the last one.
    pub next_token: Option<String>,
}

/// An instance as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedInstance {
    /// `DBInstanceId`
    pub id: String,
    /// `Engine`, in the API's spelling; not only those that have migration tasks.
    pub engine: String,
    /// Whether it is a read-only replica.
    pub read_only: bool,
    /// `DBInstanceDescription`: the owner's name for it; any text, or none.
    pub description: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instances {
    next_token: Option<String>,
    total_record_count: Option<u64>,
    items: Option<Items>,
}

#[derive(Deserialize)]
struct Items {
    #[serde(rename = "DBInstance")]
    instances: Option<Vec<Item>>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "DBInstanceId")]
    id: Option<String>,
    #[serde(rename = "Engine")]
    engine: Option<String>,
    #[serde(rename = "DBInstanceType")]
    kind: Option<String>,
    #[serde(rename = "DBInstanceDescription")]
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Regions {
    regions: Option<RegionItems>,
}

#[derive(Deserialize)]
struct RegionItems {
    #[serde(rename = "RDSRegion")]
    regions: Option<Vec<Region>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Region {
    region_id: Option<String>,
}

/// Reads a page of instances.
///
/// # Errors
///
/// What is wrong with the body, for a `bad_response`.
pub(super) fn parse_instances(body: &[u8]) -> Result<InstancesPage, String> {
    let Instances { next_token, total_record_count, items } = parse(body)?;
    let items = items.and_then(|items| items.instances);
    let items = items.ok_or("the answer has no Items.DBInstance")?;
    let instances = items.into_iter().enumerate().map(|(index, item)| {
        let id = item.id.filter(|id| is_instance_id(id));
        let id = id.ok_or_else(|| format!("item {index} has no usable DBInstanceId"))?;
        let engine = item.engine.filter(|engine| !engine.is_empty());
        let engine = engine.ok_or_else(|| format!("item {index} ({id}) has no Engine"))?;
        let read_only = item.kind.is_some_and(|kind| kind.eq_ignore_ascii_case(READ_ONLY));
        let description = item.description.unwrap_or_default();
        Ok(ListedInstance { id, engine, read_only, description })
    });
    Ok(InstancesPage {
        instances: instances.collect::<Result<_, String>>()?,
        total: total_record_count,
        next_token: next_token.filter(|token| !token.is_empty()),
    })
}

/// Reads the regions. The API lists one entry for each zone, so most stand there several times.
///
/// # Errors
///
/// What is wrong with the body, for a `bad_response`.
pub(super) fn parse_regions(body: &[u8]) -> Result<BTreeSet<Arc<str>>, String> {
    let Regions { regions } = parse(body)?;
    let regions = regions.and_then(|regions| regions.regions).unwrap_or_default();
    if regions.is_empty() {
        return Err("the answer lists no region in Regions.RDSRegion".to_owned());
    }
    let ids = regions.into_iter().enumerate().map(|(index, region)| {
        let id = region.region_id.filter(|id| is_region_id(id));
        id.map(Arc::from).ok_or_else(|| format!("region {index} has no usable RegionId"))
    });
    ids.collect()
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(error_body::with_excerpt("the body is no JSON object", body));
    }
    serde_json::from_slice(body).map_err(|error| format!("the body is not readable: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn instances(body: &serde_json::Value) -> Result<InstancesPage, String> {
        parse_instances(body.to_string().as_bytes())
    }

    fn regions(body: &serde_json::Value) -> Result<Vec<String>, String> {
        let regions = parse_regions(body.to_string().as_bytes())?;
        Ok(regions.iter().map(ToString::to_string).collect())
    }

    /// As the API's reference shows an answer, shortened.
    fn sample() -> serde_json::Value {
        json!({
            "RequestId": "1AD222E9-E606-4A42-BF6D-8A4442913CEF",
            "NextToken": "o7PORW5o2TJg6AFKgA1K",
            "PageNumber": 1,
            "PageRecordCount": 2,
            "TotalRecordCount": 2,
            "Items": {"DBInstance": [
                {
                    "DBInstanceId": "rm-uf6wjk5xxxxxxx", "DBInstanceDescription": "测试 orders",
                    "Engine": "MySQL", "DBInstanceType": "Primary", "RegionId": "cn-hangzhou",
                    "ReadOnlyDBInstanceIds": {"ReadOnlyDBInstanceId": []}, "DBInstanceMemory": 4
                },
                {"DBInstanceId": "rr-1", "Engine": "PostgreSQL", "DBInstanceType": "Readonly"},
            ]}
        })
    }

    #[test]
    fn reads_what_discovery_needs() {
        let page = instances(&sample()).unwrap();

        assert_eq!(page.next_token.as_deref(), Some("o7PORW5o2TJg6AFKgA1K"));
        assert_eq!(page.total, Some(2));
        assert_eq!(
            page.instances,
            [
                ListedInstance {
                    id: "rm-uf6wjk5xxxxxxx".into(),
                    engine: "MySQL".into(),
                    read_only: false,
                    description: "测试 orders".into(),
                },
                ListedInstance {
                    id: "rr-1".into(),
                    engine: "PostgreSQL".into(),
                    read_only: true,
                    description: String::new(),
                },
            ]
        );
    }

    #[test]
    fn an_empty_or_missing_token_ends_the_list() {
        for token in [json!(""), json!(null)] {
            let mut body = sample();
            body["NextToken"] = token;
            assert_eq!(instances(&body).unwrap().next_token, None);
        }
        let none = json!({"TotalRecordCount": 0, "Items": {"DBInstance": []}});
        let page = InstancesPage { instances: vec![], total: Some(0), next_token: None };
        assert_eq!(instances(&none), Ok(page));
    }

    #[test]
    fn an_answer_that_is_not_as_documented_is_refused() {
        for (body, problem) in [
            (json!({}), "has no Items"),
            (json!({"Items": null, "TotalRecordCount": 0}), "has no Items"),
            (json!({"Items": {}}), "has no Items"),
            (json!({"Items": []}), "not readable"),
            (json!({"Items": {"DBInstance": [{"Engine": "MySQL"}]}}), "no usable DBInstanceId"),
            (
                json!({"Items": {"DBInstance": [{"DBInstanceId": "a\"b", "Engine": "MySQL"}]}}),
                "no usable DBInstanceId",
            ),
            (json!({"Items": {"DBInstance": [{"DBInstanceId": "rm-1"}]}}), "has no Engine"),
            (json!({"Items": {"DBInstance": [7]}}), "not readable"),
            (json!([]), "no JSON object"),
        ] {
            let error = instances(&body).unwrap_err();
            assert!(error.contains(problem), "{body}: {error}");
        }
        assert!(parse_instances(b"<html>").unwrap_err().contains("no JSON object"));
    }

    #[test]
    fn an_answer_that_is_cut_anywhere_is_refused() {
        let whole = sample().to_string();
        for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            assert!(parse_instances(&whole.as_bytes()[..end]).is_err(), "{}", &whole[..end]);
        }
    }

    #[test]
    fn a_region_with_several_zones_is_one() {
        let body = json!({"RequestId": "R", "Regions": {"RDSRegion": [
            {"RegionId": "cn-hangzhou", "ZoneId": "cn-hangzhou-h"},
            {"RegionId": "cn-beijing", "ZoneId": "cn-beijing-a"},
            {"RegionId": "cn-hangzhou", "ZoneId": "cn-hangzhou-MAZ5(b,c)"},
        ]}});
        assert_eq!(regions(&body).unwrap(), ["cn-beijing", "cn-hangzhou"]);
    }

    #[test]
    fn regions_that_cannot_be_are_refused() {
        for body in [
            json!({}),
            json!({"Regions": {"RDSRegion": []}}),
            json!({"Regions": {"RDSRegion": [{"ZoneId": "cn-hangzhou-h"}]}}),
            json!({"Regions": {"RDSRegion": [{"RegionId": "evil.example.com/"}]}}),
        ] {
            assert!(regions(&body).is_err(), "{body}");
        }
    }
}
