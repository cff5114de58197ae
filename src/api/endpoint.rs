//! Which host serves a region.

use crate::config::Network;

/// Regions whose public endpoint is the central host, as the documented endpoint table has it.
const CENTRAL: [&str; 10] = [
    "cn-qingdao",
    "cn-beijing",
    "cn-hangzhou",
    "cn-shanghai",
    "cn-shenzhen",
    "cn-heyuan",
    "cn-hongkong",
    "cn-shanghai-finance-1",
    "cn-beijing-finance-1",
    "cn-hangzhou-finance",
];

/// The base URL of ApsaraDB RDS for `region_id`.
///
/// Regions that the table does not list follow the rule `rds.<region>.aliyuncs.com`; within a VPC
/// all of them follow `rds-vpc.<region>.aliyuncs.com`, as the documentation has it (the newer SDKs
/// let the public table win there).
pub fn rds(region_id: &str, network: Network) -> String {
    match network {
        Network::Vpc => format!("https://rds-vpc.{region_id}.aliyuncs.com"),
        Network::Public if CENTRAL.contains(&region_id) => "https://rds.aliyuncs.com".to_owned(),
        Network::Public => format!("https://rds.{region_id}.aliyuncs.com"),
    }
}

/// The base URL for calls that are about no region: that of the region where the service began.
pub fn central(network: Network) -> String {
    rds("cn-hangzhou", network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_table_and_then_the_rule() {
        for (region, network, expected) in [
            ("cn-hangzhou", Network::Public, "https://rds.aliyuncs.com"),
            ("cn-hangzhou", Network::Vpc, "https://rds-vpc.cn-hangzhou.aliyuncs.com"),
            ("eu-central-1", Network::Public, "https://rds.eu-central-1.aliyuncs.com"),
            ("ap-southeast-1", Network::Public, "https://rds.ap-southeast-1.aliyuncs.com"),
            ("cn-newtown-9", Network::Public, "https://rds.cn-newtown-9.aliyuncs.com"),
        ] {
            assert_eq!(rds(region, network), expected);
        }
    }
}
