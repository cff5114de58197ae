//! `DescribeRegions`: an entry for every zone, so that regions repeat.

use serde_json::{Value, json};

use crate::simulator::scenario::{Region, Scenario};

/// The operation's name.
pub(super) const ACTION: &str = "DescribeRegions";

/// Every region that there is.
#[derive(Debug)]
pub(super) struct Regions(Vec<Region>);

/// Regions of a scenario that names none: ID and name.
const WELL_KNOWN: [(&str, &str); 5] = [
    ("cn-hangzhou", "China (Hangzhou)"),
    ("cn-beijing", "China (Beijing)"),
    ("cn-shanghai", "China (Shanghai)"),
    ("ap-southeast-1", "Singapore"),
    ("eu-central-1", "Germany (Frankfurt)"),
];
/// Regions that the product's central host serves.
const CENTRAL: [&str; 8] = [
    "cn-qingdao",
    "cn-beijing",
    "cn-hangzhou",
    "cn-shanghai",
    "cn-shenzhen",
    "cn-heyuan",
    "cn-hongkong",
    "cn-shanghai-finance-1",
];

impl Regions {
    pub(super) fn new(scenario: &Scenario) -> Self {
        if !scenario.regions.is_empty() {
            return Self(scenario.regions.clone());
        }
        let known = |(id, name): (&str, &str)| Region {
            id: id.to_owned(),
            name: Some(name.to_owned()),
            ..Region::default()
        };
        let mut regions: Vec<_> = WELL_KNOWN.into_iter().map(known).collect();
        for instance in &scenario.instances {
            if !regions.iter().any(|region| region.id == instance.region) {
                regions.push(Region { id: instance.region.clone(), ..Region::default() });
            }
        }
        Self(regions)
    }

    pub(super) fn get(&self, id: &str) -> Option<&Region> {
        self.0.iter().find(|region| region.id == id)
    }

    pub(super) fn answer(&self) -> Value {
        let entries = self.0.iter().flat_map(|region| {
            zones(region).into_iter().map(|zone| {
                json!({
                    "RegionId": region.id,
                    "ZoneId": zone,
                    "LocalName": region.name.as_ref().unwrap_or(&region.id),
                    "ZoneName": zone,
                    "RegionEndpoint": endpoint(region),
                })
            })
        });
        json!({ "Regions": { "RDSRegion": entries.collect::<Vec<_>>() } })
    }
}

/// The region's zones; the last entry of a region with several stands for all of them together.
pub(super) fn zones(region: &Region) -> Vec<String> {
    let id = &region.id;
    if region.zones.is_empty() {
        return vec![format!("{id}-a"), format!("{id}-b"), format!("{id}-MAZ1(a,b)")];
    }
    region.zones.clone()
}

fn endpoint(region: &Region) -> String {
    let central = CENTRAL.contains(&region.id.as_str());
    let by_rule = || match central {
        true => "rds.aliyuncs.com".to_owned(),
        false => format!("rds.{}.aliyuncs.com", region.id),
    };
    region.endpoint.clone().unwrap_or_else(by_rule)
}
