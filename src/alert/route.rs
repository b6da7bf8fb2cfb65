//! Which receiver hears of which alert.

use std::collections::BTreeMap;

/// `[[route]]`: alerts whose labels match go to the receiver. Every route that matches is taken; with no
/// route at all every receiver hears everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The receiver's name.
    pub receiver: String,
    /// Labels that must have these values; empty matches all.
    pub matchers: BTreeMap<String, String>,
}
