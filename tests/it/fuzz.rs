//! A bounded run of every fuzz target: the seeds, and what becomes of them by chance. The long one
//! is `fuzz/run`, with the nightly toolchain.

use aliyun_rds_import_exporter::fuzzing::TARGETS;
use aliyun_rds_import_exporter::simulator::Scenario;

use crate::golden::root;

/// How many mutations of its seeds a target is given.
const MUTATIONS: usize = 4_000;

/// The seeds of a target: `fuzz/seeds/<target>`, and what other tests keep for the same reader.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folders: &[&str] = match target {
        "configuration" => &["tests/config/good", "tests/config/bad"],
        "web_config" => &["tests/it/web/config/good", "tests/it/web/config/bad"],
        _ => &[],
    };
    let own = format!("fuzz/seeds/{target}");
    let folders = folders.iter().copied().chain([&*own]);
    let files = folders.flat_map(|folder| std::fs::read_dir(root().join(folder)).unwrap());
    let files = files.map(|file| file.unwrap().path()).filter(|path| path.is_file());
    let files = files.filter(|path| path.extension().is_none_or(|extension| extension != "txt"));
    let mut seeds: Vec<_> = files.map(|path| std::fs::read(path).unwrap()).collect();
    seeds.sort();
    seeds
}

/// Changes bytes here and there, as a fuzzer does.
fn mutate(random: &mut fastrand::Rng, seed: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..random.usize(1..5) {
        let at = random.usize(0..=bytes.len());
        let end = random.usize(at..=bytes.len().min(at + 16));
        match random.u8(0..6) {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.insert(at, random.u8(..)),
            2 => bytes.truncate(at),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            4 if !other.is_empty() => {
                let from = random.usize(0..other.len());
                bytes.splice(at..end, other[from..other.len().min(from + 32)].iter().copied());
            }
            _ if at < bytes.len() => bytes[at] ^= 1 << random.u8(0..8),
            _ => {}
        }
    }
    bytes
}

#[test]
fn no_target_panics_at_its_seeds_or_at_what_becomes_of_them() {
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(seeds.len() >= 3, "{name} has too few seeds");
        seeds.iter().for_each(|seed| target(seed));
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..MUTATIONS {
            let pick = |random: &mut fastrand::Rng| &seeds[random.usize(0..seeds.len())];
            let (seed, other) = (pick(&mut random), pick(&mut random));
            let bytes = mutate(&mut random, seed, other);
            let outcome = std::panic::catch_unwind(|| target(&bytes));
            assert!(outcome.is_ok(), "{name} panics at {:?}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn the_seeds_of_scenarios_are_scenarios() {
    for seed in seeds("scenario") {
        Scenario::from_yaml(std::str::from_utf8(&seed).unwrap()).unwrap();
    }
}
