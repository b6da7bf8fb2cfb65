//! Which receiver hears of which alert.

use std::collections::BTreeMap;

use crate::fabric::Labels;

/// `[[route]]`: alerts whose labels match go to the receiver. Every route that matches is taken; with no
/// route at all every receiver hears everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The receiver's name.
    pub receiver: String,
    /// Labels that must have these values; empty matches all.
    pub matchers: BTreeMap<String, String>,
}

impl Route {
    /// All matchers hold. A label that is absent has the value "", as in Alertmanager.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|(name, value)| labels.get(name).map_or("", String::as_str) == value)
    }
}

/// Of `all` receivers, by name and in their order, those that hear of an alert with these labels. None is
/// named twice; a route to a receiver that is not in `all` leads nowhere.
pub fn receivers<'a>(routes: &[Route], labels: &Labels, all: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    all.into_iter()
        .filter(|name| routes.is_empty() || routes.iter().any(|route| route.receiver == *name && route.matches(labels)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn route(receiver: &str, pairs: &[(&str, &str)]) -> Route {
        Route { receiver: receiver.into(), matchers: labels(pairs) }
    }

    #[test]
    fn without_routes_everybody_hears_everything() {
        assert_eq!(receivers(&[], &labels(&[]), ["a", "b"]), ["a", "b"]);
    }

    #[test]
    fn every_route_that_matches_is_taken_once() {
        let routes = [
            route("oncall", &[("severity", "critical")]),
            route("oncall", &[("alertname", "LinkDown")]),
            route("log", &[]),
            route("gone", &[]),
        ];
        let alert = labels(&[("severity", "critical"), ("alertname", "LinkDown")]);
        assert_eq!(receivers(&routes, &alert, ["oncall", "log"]), ["oncall", "log"]);
        assert_eq!(receivers(&routes, &labels(&[("severity", "info")]), ["oncall", "log"]), ["log"]);
        assert_eq!(receivers(&routes[..2], &labels(&[("severity", "info")]), ["oncall", "log"]), [""; 0]);
    }

    #[test]
    fn an_absent_label_is_an_empty_one() {
        assert!(route("x", &[("class", "")]).matches(&labels(&[("severity", "info")])));
        assert!(!route("x", &[("class", "")]).matches(&labels(&[("class", "congestion")])));
        assert!(!route("x", &[("class", "congestion")]).matches(&labels(&[])));
    }
}
