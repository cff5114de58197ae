//! Which share of the instances is this process's, when several processes split them.
//!
//! Every process decides by itself, from names that never change: no process knows of another.

use sha1::{Digest as _, Sha1};

/// One of `total` processes that split the instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    total: u32,
}

/// Flags that name no shard.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ShardError {
    /// The shard's number is too large.
    #[error(
        "--shard {index} is not allowed with --total-shards {total}; allowed: 0 to {}, since shards count from 0",
        .total - 1
    )]
    TooLarge {
        /// The number that was asked for.
        index: u32,
        /// How many shards there are.
        total: u32,
    },
    /// There is no shard's number, neither as a flag nor in the host's name.
    #[error(
        "--shard is missing: --total-shards is {total}, and the host name {host_name:?} does not end in - and a number below it as a StatefulSet's pods do; give --shard 0 to {}",
        .total - 1
    )]
    NoNumber {
        /// How many shards there are.
        total: u32,
        /// Where the number was looked for.
        host_name: String,
    },
    /// There are no shards at all.
    #[error("--total-shards 0 is not allowed; allowed: 1 or more")]
    NoShards,
}

impl Default for Shard {
    /// The one process that has them all.
    fn default() -> Self {
        Self { index: 0, total: 1 }
    }
}

impl Shard {
    /// The shard `index` of `total`, counted from 0. Without an index the number that ends the host
    /// name counts, as with the pods of a StatefulSet.
    ///
    /// # Errors
    ///
    /// When there is no such shard; the text says what is allowed.
    pub fn new(index: Option<u32>, total: u32, host_name: &str) -> Result<Self, ShardError> {
        if total == 0 {
            return Err(ShardError::NoShards);
        }
        let index = match index {
            Some(index) if index >= total => return Err(ShardError::TooLarge { index, total }),
            Some(index) => index,
            None if total == 1 => 0,
            None => ordinal(host_name)
                .filter(|index| *index < total)
                .ok_or_else(|| ShardError::NoNumber { total, host_name: host_name.to_owned() })?,
        };
        Ok(Self { index, total })
    }

    /// How many shards there are.
    pub fn total(self) -> u32 {
        self.total
    }

    /// Whether an instance is this shard's. Every instance is exactly one shard's, and with one
    /// shard more no instance moves between the old ones.
    pub fn owns(self, account: &str, region_id: &str, db_instance_id: &str) -> bool {
        self.total == 1 || jump(hash(account, region_id, db_instance_id), self.total) == self.index
    }
}

/// The number that ends a pod's name, such as 3 in `exporter-3`.
fn ordinal(host_name: &str) -> Option<u32> {
    // A pod with a subdomain may have its full name as host name.
    let (_, ordinal) = host_name.split('.').next()?.rsplit_once('-')?;
    let digits = !ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit());
    ordinal.parse().ok().filter(|_| digits)
}

/// The first 64 bits of the SHA-1 of the names: the same on every machine and in every version.
/// None of the names can hold a slash.
fn hash(account: &str, region_id: &str, db_instance_id: &str) -> u64 {
    let digest = Sha1::digest(format!("{account}/{region_id}/{db_instance_id}"));
    digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// Jump consistent hash (Lamping and Veach, 2014, <https://arxiv.org/abs/1406.2294>).
fn jump(mut key: u64, buckets: u32) -> u32 {
    let (mut bucket, mut next) = (0, 0);
    while next < i64::from(buckets) {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        let scale = (1_u64 << 31) as f64 / ((key >> 33) + 1) as f64;
        next = ((bucket + 1) as f64 * scale) as i64;
    }
    // Below `buckets`, so it fits.
    bucket as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(id: usize, total: u32) -> u32 {
        let id = format!("rm-{id}");
        let owns = |index: &u32| {
            Shard::new(Some(*index), total, "").unwrap().owns("default", "cn-hangzhou", &id)
        };
        let owners: Vec<_> = (0..total).filter(owns).collect();
        assert_eq!(owners.len(), 1, "{id} of {total}");
        owners[0]
    }

    #[test]
    fn an_instance_stays_where_it_was_in_every_version() {
        // Never to be changed: a new version must not move instances between running shards.
        let owners: Vec<_> = (0..20).map(|id| owner(id, 7)).collect();
        assert_eq!(owners, [2, 6, 4, 6, 4, 1, 4, 1, 6, 0, 0, 0, 5, 1, 0, 2, 0, 6, 6, 4]);
        assert_eq!(hash("default", "cn-hangzhou", "rm-0"), 0x0fd6_51a6_c21f_aa8e);
    }

    #[test]
    fn another_shard_takes_its_share_from_the_others_and_moves_nothing_else() {
        const INSTANCES: usize = 2_000;
        for total in 1..10 {
            let mut moved = 0;
            for id in 0..INSTANCES {
                let (before, after) = (owner(id, total), owner(id, total + 1));
                if before != after {
                    assert_eq!(after, total, "rm-{id} moves to the new shard");
                    moved += 1;
                }
            }
            let share = INSTANCES / (total as usize + 1);
            assert!(moved > share * 8 / 10 && moved < share * 12 / 10, "{moved} of {share}");
        }
    }

    #[test]
    fn account_and_region_tell_instances_apart() {
        let names = [("a", "b", "c"), ("b", "a", "c"), ("a", "c", "b")];
        let hashes: std::collections::BTreeSet<_> =
            names.map(|(account, region, id)| hash(account, region, id)).into();
        assert_eq!(hashes.len(), 3);
    }

    #[test]
    fn the_number_comes_from_the_flag_else_from_the_host_name() {
        let shard = |index, total, host| Shard::new(index, total, host).map(|shard| shard.index);
        for (index, total, host, expected) in [
            (Some(2), 3, "exporter-1", 2),
            (None, 3, "exporter-1", 1),
            (None, 12, "rds-import-exporter-11", 11),
            (None, 3, "exporter-2.exporter.monitoring.svc", 2),
            (None, 1, "laptop", 0),
            (None, 1, "exporter-5", 0),
            (Some(0), 1, "laptop", 0),
        ] {
            assert_eq!(shard(index, total, host), Ok(expected), "{index:?} {total} {host}");
        }
        for (index, total, host) in [
            (None, 2, "laptop"),
            (None, 2, "exporter-2"),
            (None, 2, "exporter-"),
            (None, 2, "exporter-+1"),
            (None, 2, "exporter-99999999999"),
            (None, 2, ""),
            (Some(2), 2, "exporter-1"),
            (Some(1), 1, ""),
            (None, 0, ""),
        ] {
            let error = shard(index, total, host).unwrap_err().to_string();
            let tells = error.contains("allowed: ") || error.contains("give --shard 0 to ");
            assert!(error.contains("--total-shards") && tells, "{error}");
        }
    }
}
