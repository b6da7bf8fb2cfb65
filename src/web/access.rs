//! Who may change anything. There is no login yet, so that by default only this machine may.
//!
//! A page of somebody else's that is open in a browser here may send us requests, and must not have its way: browsers say
//! where a request comes from (`Origin`, `Sec-Fetch-Site`), and such a page cannot send JSON, or DELETE, without asking
//! first, which is never answered with leave.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{CONTENT_TYPE, FORWARDED, HOST, HeaderName, ORIGIN, VIA};
use axum::http::{HeaderMap, StatusCode};

use super::query::Refusal;

/// `[web] changes`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Changes {
    /// Nobody may change anything.
    Never,
    /// Who is on this machine may, but not through a proxy: all the world would seem to be here.
    #[default]
    Loopback,
    /// Whoever reaches us may: for a proxy in front of us that asks who it is.
    Anywhere,
}

impl Changes {
    /// From its word in the configuration.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "never" => Some(Self::Never),
            "loopback" => Some(Self::Loopback),
            "anywhere" => Some(Self::Anywhere),
            _ => None,
        }
    }
}

/// Decides who may.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub changes: Changes,
}

/// The routes that take anything but questions.
pub(super) fn may_be_changed(path: &str) -> bool {
    path == "/api/silences" || path.starts_with("/api/silences/")
}

impl Access {
    /// May this request change something?
    pub fn may_change(self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Result<(), Refusal> {
        let no = |why: &str| Err(Refusal::new(StatusCode::FORBIDDEN, why));
        if !self.could_change(peer, headers) {
            return no(match self.changes {
                Changes::Never => "nothing may be changed from here: `[web] changes` is \"never\"",
                _ => {
                    "changes are taken from this machine only, and not through a proxy: `[web] changes = \"anywhere\"` \
                     lets in whoever reaches this port"
                }
            });
        }
        let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let fetch = text(&HeaderName::from_static("sec-fetch-site"));
        let foreign_fetch = fetch.is_some_and(|site| !matches!(site, "same-origin" | "none"));
        let host = text(&HOST).unwrap_or_default();
        let foreign = text(&ORIGIN).is_some_and(|origin| {
            let name = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            name.is_none_or(|name| !name.eq_ignore_ascii_case(host))
        });
        if foreign_fetch || foreign {
            return no("this request was made by a page from elsewhere");
        }
        let json = text(&CONTENT_TYPE).is_some_and(|kind| {
            kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
        });
        if !json {
            return Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send it with Content-Type: application/json",
            ));
        }
        Ok(())
    }

    /// Could who asks change something, if the request were one for that?
    pub fn could_change(self, peer: Option<SocketAddr>, headers: &HeaderMap) -> bool {
        let forwarded =
            [FORWARDED, VIA, HeaderName::from_static("x-forwarded-for"), HeaderName::from_static("x-real-ip")];
        match self.changes {
            Changes::Never => false,
            Changes::Anywhere => true,
            Changes::Loopback => {
                peer.is_some_and(|peer| is_loopback(peer.ip()))
                    && !forwarded.iter().any(|name| headers.contains_key(name))
            }
        }
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    const JSON: (&str, &str) = ("content-type", "application/json");
    const US: (&str, &str) = ("host", "127.0.0.1:9750");

    #[test]
    fn only_who_is_here_and_means_it_may() {
        let here: SocketAddr = "127.0.0.1:40000".parse().unwrap();
        let there: SocketAddr = "10.0.0.7:40000".parse().unwrap();
        let mapped: SocketAddr = "[::ffff:127.0.0.1]:40000".parse().unwrap();
        for (changes, peer, pairs, allowed) in [
            (Changes::Loopback, here, vec![US, JSON], true),
            (Changes::Loopback, mapped, vec![US, ("content-type", "Application/JSON; charset=utf-8")], true),
            (
                Changes::Loopback,
                here,
                vec![US, JSON, ("origin", "http://127.0.0.1:9750"), ("sec-fetch-site", "same-origin")],
                true,
            ),
            (Changes::Loopback, here, vec![US], false),
            (Changes::Loopback, here, vec![US, ("content-type", "text/plain")], false),
            (Changes::Loopback, here, vec![US, JSON, ("origin", "http://evil.example")], false),
            (Changes::Loopback, here, vec![US, JSON, ("origin", "http://127.0.0.1:8080")], false),
            (Changes::Loopback, here, vec![US, JSON, ("origin", "null")], false),
            (Changes::Loopback, here, vec![US, JSON, ("sec-fetch-site", "cross-site")], false),
            (Changes::Loopback, here, vec![US, JSON, ("sec-fetch-site", "same-site")], false),
            (Changes::Loopback, here, vec![US, JSON, ("x-forwarded-for", "10.0.0.7")], false),
            (Changes::Loopback, there, vec![US, JSON], false),
            (Changes::Anywhere, there, vec![US, JSON, ("x-forwarded-for", "10.0.0.7")], true),
            (Changes::Anywhere, there, vec![US, JSON, ("origin", "http://evil.example")], false),
            (Changes::Never, here, vec![US, JSON], false),
        ] {
            let access = Access { changes };
            assert_eq!(
                access.may_change(Some(peer), &headers(&pairs)).is_ok(),
                allowed,
                "{changes:?} {peer} {pairs:?}"
            );
        }
        assert!(Access { changes: Changes::Loopback }.may_change(None, &headers(&[US, JSON])).is_err());
    }

    #[test]
    fn nothing_else_can_be_changed() {
        assert!(may_be_changed("/api/silences") && may_be_changed("/api/silences/x"));
        assert!(!may_be_changed("/api/silencesx") && !may_be_changed("/api/alerts") && !may_be_changed("/"));
    }
}
