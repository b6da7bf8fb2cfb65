//! Label sets: sorted pairs, shared, compared by content. An empty value is the same as no label.

use std::sync::Arc;

/// The label that holds the metric's name.
pub const NAME: &str = "__name__";

/// A label set.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<[(Arc<str>, Arc<str>)]>);

impl Labels {
    /// From pairs in any order; of two of one name the later stands.
    pub fn new(pairs: impl IntoIterator<Item = (Arc<str>, Arc<str>)>) -> Self {
        let mut all: Vec<(Arc<str>, Arc<str>)> = Vec::new();
        for (name, value) in pairs {
            match all.iter_mut().find(|(known, _)| *known == name) {
                Some(pair) => pair.1 = value,
                None => all.push((name, value)),
            }
        }
        all.retain(|(_, value)| !value.is_empty());
        all.sort_unstable();
        Self(all.into())
    }

    /// The value of a label; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| **known == *name).map_or("", |(_, value)| value)
    }

    /// In order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Only the labels that `keep` says yes to.
    pub(super) fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        if self.0.iter().all(|(name, _)| keep(name)) {
            return self.clone();
        }
        Self(self.0.iter().filter(|(name, _)| keep(name)).cloned().collect())
    }

    /// Without the metric's name.
    pub(super) fn unnamed(&self) -> Self {
        self.filtered(|name| name != NAME)
    }

    /// With one label set, or removed where the value is empty.
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        let others = self.0.iter().filter(|(known, _)| **known != *name).cloned();
        Self::new(others.chain([(Arc::from(name), Arc::from(value))]))
    }
}
