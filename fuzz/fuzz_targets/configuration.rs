#![no_main]

use aliyun_rds_import_exporter::fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::configuration(bytes));
