//! A page that was read.

/// A page that keeps every rule.
#[derive(Debug)]
pub(crate) struct Page {
    /// Its families, in the order of their names.
    pub(crate) families: Vec<Family>,
}

/// A metric family.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) help: String,
    /// `counter`, `gauge` or `histogram`.
    pub(crate) kind: String,
    pub(crate) samples: Vec<Sample>,
}

/// Names and values, as they were before escaping, in the order of the page.
pub(crate) type Labels = Vec<(String, String)>;

/// One line with a value.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// The family's name; in a histogram with `_bucket`, `_sum` or `_count` behind it.
    pub(crate) name: String,
    pub(crate) labels: Labels,
    pub(crate) value: f64,
}

impl Sample {
    /// The value of a label.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }

    fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| self.label(name) == Some(value))
    }
}

impl Page {
    /// The family of that name.
    pub(crate) fn family(&self, name: &str) -> Option<&Family> {
        self.families.iter().find(|family| family.name == name)
    }

    /// Every sample of that name.
    pub(crate) fn samples(&self, name: &str) -> Vec<&Sample> {
        let all = self.families.iter().flat_map(|family| &family.samples);
        all.filter(|sample| sample.name == name).collect()
    }

    /// The value of the one sample of that name that has all of `labels` and perhaps more.
    ///
    /// # Panics
    ///
    /// When several samples have them.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut samples = self.samples(name);
        samples.retain(|sample| sample.has(labels));
        assert!(samples.len() <= 1, "{name} {labels:?} means several samples: {samples:?}");
        samples.first().map(|sample| sample.value)
    }
}
