//! The parser itself: it takes a good page, and for each rule it refuses a page that breaks it.

use super::{openmetrics_as_text, parse};

const GOOD: &str = r#"# HELP a_total Something, "quoted"\\ and\nbroken.
# TYPE a_total counter
a_total{import_id="9",text="x"} 1
a_total{import_id="10",text="C:\\ \"q\"\nü"} 2.5
# HELP b Something.
# TYPE b gauge
b -1
# HELP h Something.
# TYPE h histogram
h_bucket{x="1",le="0.1"} 1
h_bucket{x="1",le="+Inf"} 2
h_sum{x="1"} 3.5
h_count{x="1"} 2
h_bucket{x="2",le="0.1"} 0
h_bucket{x="2",le="+Inf"} 0
h_sum{x="2"} 0
h_count{x="2"} 0
"#;

#[test]
fn refuses_openmetrics_that_is_the_text_format_in_disguise() {
    for (page, because) in [
        ("", "does not end with # EOF"),
        ("# HELP a b\n# TYPE a gauge\na 1\n", "does not end with # EOF"),
        ("# EOF\na 1\n# EOF\n", "behind # EOF"),
        ("# HELP a_total b\n# TYPE a_total counter\na_total 1\n# EOF\n", "named with _total"),
        ("# HELP a say \"b\"\n# TYPE a gauge\na 1\n# EOF\n", "quotes in HELP"),
    ] {
        let error = openmetrics_as_text(page).unwrap_err();
        assert!(error.contains(because), "{error}");
    }
}

fn assert_refused(page: &str, because: &str) {
    match parse(page) {
        Ok(page) => panic!("must be refused because of {because:?}: {page:?}"),
        Err(error) => {
            let error = error.to_string();
            assert!(error.contains(because), "{because:?} is not the reason: {error}");
        }
    }
}

/// A gauge `m` with these lines as its samples.
fn gauge(samples: &str) -> String {
    format!("# HELP m Something.\n# TYPE m gauge\n{samples}")
}

/// The good page with one text replaced.
fn but(old: &str, new: &str) -> String {
    assert_eq!(GOOD.matches(old).count(), 1, "{old:?} must stand in the good page once");
    GOOD.replace(old, new)
}

#[test]
fn reads_a_good_page() {
    let page = parse(GOOD).unwrap();

    let help = &page.family("a_total").unwrap().help;
    assert_eq!(help, "Something, \"quoted\"\\ and\nbroken.");
    assert_eq!(page.value("a_total", &[("import_id", "10")]), Some(2.5));
    assert_eq!(page.samples("a_total")[1].label("text"), Some("C:\\ \"q\"\nü"));
    assert_eq!(page.value("b", &[]), Some(-1.0));
    assert_eq!(page.value("h_bucket", &[("le", "+Inf"), ("x", "1")]), Some(2.0));
    assert_eq!(page.value("h_sum", &[("x", "3")]), None);
    assert_eq!(page.families.len(), 3);
}

#[test]
#[should_panic(expected = "several samples")]
fn a_lookup_that_means_several_samples_fails_the_test() {
    parse(GOOD).unwrap().value("h_count", &[]);
}

#[test]
fn refuses_what_is_neither_header_nor_sample() {
    assert_refused("", "line feed");
    assert_refused(GOOD.trim_end(), "line feed");
    assert_refused(&but("b -1\n", "b -1\n\n"), "neither HELP nor TYPE");
    assert_refused(&but("b -1\n", "b -1\n# EOF\n"), "neither HELP nor TYPE");
    assert_refused(&but("b -1\n", "b -1\r\n"), "not a number");
}

#[test]
fn refuses_headers_that_are_missing_doubled_or_late() {
    assert_refused("m 1\n", "without HELP and TYPE");
    assert_refused("# HELP m Something.\nm 1\n", "without HELP and TYPE");
    assert_refused("# TYPE m gauge\nm 1\n", "without its HELP");
    assert_refused("# HELP m Something.\n# TYPE n gauge\nn 1\n", "without its HELP");
    assert_refused("# HELP m Something.\n# HELP n Something.\n", "without its TYPE");
    assert_refused("# HELP m Something.\n", "without its TYPE");
    assert_refused("# HELP m Something.\n# TYPE m gauge\n# TYPE m gauge\nm 1\n", "second time");
    assert_refused(&gauge("m 1\n# TYPE m gauge\n"), "second time");
    assert_refused(&gauge("m 1\n# HELP m Something.\n# TYPE m gauge\nm 2\n"), "second time");
    assert_refused("# HELP m \n# TYPE m gauge\nm 1\n", "empty");
    assert_refused("# HELP m\n# TYPE m gauge\nm 1\n", "without a text");
    assert_refused("# HELP m Some \\\"thing\\\".\n# TYPE m gauge\nm 1\n", "no such escape");
    assert_refused("# HELP m Something.\n# TYPE m summary\nm 1\n", "no type of ours");
    assert_refused("# HELP m Something.\n# TYPE m\nm 1\n", "without a type");
}

#[test]
fn refuses_families_that_are_empty_split_or_not_sorted() {
    let header = |name| format!("# HELP {name} Something.\n# TYPE {name} gauge\n");
    assert_refused(&header("m"), "has no sample");
    assert_refused(&format!("{}{}n 1\n", header("m"), header("n")), "has no sample");
    assert_refused(&format!("{}b 1\n{}a 1\n", header("b"), header("a")), "not sorted");
    let split = format!("{}a{{x=\"1\"}} 1\n{}b 1\na{{x=\"2\"}} 1\n", header("a"), header("b"));
    assert_refused(&split, "sample of a in family b");
    assert_refused(&gauge("m_sum 1\n"), "sample of m_sum in family m");
    assert_refused(&but("h_sum{x=\"1\"} 3.5\n", "h 3.5\n"), "sample of h in family h");
}

#[test]
fn refuses_names_outside_the_grammar() {
    assert_refused("# HELP 1m Something.\n", "not a metric name");
    assert_refused("# HELP m-n Something.\n", "not a metric name");
    assert_refused(&gauge("ü 1\n"), "not a metric name");
    assert_refused(&gauge("{x=\"1\"} 1\n"), "not a metric name");
    for label in ["1x", "x-y", "x:y", "__x", "", " x", "ü"] {
        assert_refused(&gauge(&format!("m{{{label}=\"1\"}} 1\n")), "not a label name");
    }
}

#[test]
fn refuses_labels_that_are_not_well_written() {
    for (labels, because) in [
        (r"{}", "without a quoted value"),
        (r"{x=1}", "without a quoted value"),
        (r#"{x="1""#, "neither comma nor brace"),
        (r#"{x="1" ,y="2"}"#, "neither comma nor brace"),
        (r#"{x="1",}"#, "without a quoted value"),
        (r#"{x="1",x="2"}"#, "twice in one sample"),
        (r#"{x="1\t"}"#, "no such escape"),
        (r#"{x="1\"}"#, "closing quote"),
        (r#"{x="1"y="2"}"#, "neither comma nor brace"),
    ] {
        assert_refused(&gauge(&format!("m{labels} 1\n")), because);
    }
}

#[test]
fn refuses_values_that_are_not_finite_or_not_in_their_shortest_form() {
    for (value, because) in [
        ("NaN", "not finite"),
        ("+Inf", "not finite"),
        ("-Inf", "not finite"),
        ("1 1700000000000", "timestamp"),
        ("1 ", "timestamp"),
        (" 1", "timestamp"),
        ("", "not a number"),
        ("one", "not a number"),
        ("1.0", "shortest"),
        ("1e3", "shortest"),
        ("+1", "shortest"),
        ("01", "shortest"),
        ("0.10", "shortest"),
        ("0.1000000000000000055", "shortest"),
    ] {
        assert_refused(&gauge(&format!("m {value}\n")), because);
    }
    assert_refused(&gauge("m\n"), "no value");
    assert_refused(&gauge("m{x=\"1\"}1\n"), "no space before the value");
}

#[test]
fn refuses_series_that_are_doubled_uneven_or_not_sorted() {
    assert_refused(&gauge("m 1\nm 1\n"), "series twice");
    assert_refused(&gauge("m{x=\"1\"} 1\nm{x=\"1\"} 2\n"), "series twice");
    assert_refused(&gauge("m{x=\"2\"} 1\nm{x=\"1\"} 1\n"), "not sorted");
    assert_refused(&gauge("m{x=\"1\",y=\"2\"} 1\nm{x=\"1\",y=\"1\"} 1\n"), "not sorted");
    assert_refused(&gauge("m{import_id=\"10\"} 1\nm{import_id=\"9\"} 1\n"), "not sorted");
    assert_refused(&gauge("m{import_id=\"a\"} 1\n"), "not a number");
    assert_refused(&gauge("m{import_id=\"01\"} 1\nm{import_id=\"2\"} 1\n"), "not a number");
    assert_refused(&gauge("m{x=\"1\"} 1\nm{y=\"2\"} 1\n"), "uneven");
    assert_refused(&gauge("m{x=\"1\"} 1\nm{x=\"2\",y=\"2\"} 1\n"), "uneven");
    assert_refused(&gauge("m{x=\"1\",y=\"1\"} 1\nm{y=\"2\",x=\"2\"} 1\n"), "uneven");
    assert_refused(&gauge("m 1\nm{x=\"2\"} 1\n"), "uneven");
    assert_refused(&gauge("m{le=\"1\"} 1\n"), "outside a bucket");
}

#[test]
fn refuses_counters_by_another_name_or_below_zero() {
    assert_refused("# HELP m Something.\n# TYPE m counter\nm 1\n", "_total");
    assert_refused("# HELP m_total Something.\n# TYPE m_total gauge\nm_total 1\n", "_total");
    assert_refused(&but("text=\"x\"} 1\n", "text=\"x\"} -1\n"), "negative");
}

#[test]
fn refuses_histograms_that_do_not_add_up() {
    for (old, new, because) in [
        ("h_bucket{x=\"1\",le=\"+Inf\"} 2\n", "", "no +Inf bucket"),
        ("h_bucket{x=\"1\",le=\"+Inf\"} 2\n", "h_bucket{x=\"1\",le=\"2.0\"} 2\n", "no +Inf bucket"),
        (
            "h_bucket{x=\"1\",le=\"0.1\"} 1\n",
            "h_bucket{x=\"1\",le=\"1\"} 1\n",
            "without a fraction",
        ),
        ("h_bucket{x=\"1\",le=\"0.1\"} 1\n", "h_bucket{x=\"1\",le=\"0.1\"} 3\n", "cumulative"),
        ("h_bucket{x=\"1\",le=\"0.1\"} 1\n", "h_bucket{x=\"1\",le=\"0.10\"} 1\n", "shortest"),
        ("h_bucket{x=\"1\",le=\"0.1\"} 1\n", "h_bucket{x=\"1\",le=\"0.1\"} 0.5\n", "whole"),
        ("h_bucket{x=\"1\",le=\"0.1\"} 1\n", "h_bucket{le=\"0.1\",x=\"1\"} 1\n", "le as its last"),
        (
            "h_bucket{x=\"1\",le=\"0.1\"} 1\n",
            "h_bucket{x=\"9\",le=\"0.1\"} 1\n",
            "different labels",
        ),
        (
            "h_bucket{x=\"1\",le=\"0.1\"} 1\n",
            "h_bucket{x=\"1\",le=\"0.2\"} 1\nh_bucket{x=\"1\",le=\"0.1\"} 1\n",
            "do not grow",
        ),
        ("h_sum{x=\"1\"} 3.5\n", "", "without sum and count"),
        ("h_count{x=\"1\"} 2\n", "", "without sum and count"),
        ("h_count{x=\"1\"} 2\n", "h_count{x=\"1\"} 3\n", "is not the +Inf bucket"),
        ("h_count{x=\"1\"} 2\n", "h_count{x=\"3\"} 2\n", "different labels"),
        ("h_sum{x=\"2\"} 0\nh_count{x=\"2\"} 0\n", "h_count{x=\"2\"} 0\n", "without sum and count"),
    ] {
        assert_refused(&but(old, new), because);
    }
    let twice = GOOD.replace("x=\"2\"", "x=\"1\"");
    assert_refused(&twice, "series twice");
    let backwards = GOOD.replace("x=\"2\"", "x=\"0\"");
    assert_refused(&backwards, "not sorted");
}
