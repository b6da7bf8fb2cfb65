//! What every client of ours over HTTP holds to, whomever it speaks to: whose certificates are believed, when a proxy has a
//! part in it, what an answer says of waiting, and words for what went wrong that never hold an address, which may be a
//! secret.

use std::error::Error as _;
use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Client, ClientBuilder, Response, Url};

/// Of an answer's body no more than this is read, to keep the connection.
const ANSWER_BYTES: usize = 64 << 10;

/// Certificates of those who vouch for a server: only they are believed.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority(Arc<[u8]>);

impl Authority {
    /// From PEM.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn new(pem: &[u8]) -> Result<Self, String> {
        let authority = Self(pem.into());
        let certificates = authority.certificates().map_err(|error| error.to_string())?;
        if certificates.is_empty() {
            return Err("it holds no certificate in PEM".into());
        }
        provide();
        match Client::builder().tls_certs_only(certificates).build() {
            Ok(_) => Ok(authority),
            Err(_) => Err("what it holds is no certificate of an authority".into()),
        }
    }

    fn certificates(&self) -> reqwest::Result<Vec<Certificate>> {
        Certificate::from_pem_bundle(&self.0)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({} bytes)", self.0.len())
    }
}

fn provide() {
    // Somebody else in the process may have been first: then theirs serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The beginning of a client that speaks to these URLs and no others.
///
/// # Errors
/// None for an authority that [`Authority::new`] took.
pub fn client(urls: &[Url], ca: Option<&Authority>) -> reqwest::Result<ClientBuilder> {
    provide();
    let mut builder = Client::builder().user_agent(concat!("selvedge/", env!("CARGO_PKG_VERSION")));
    if let Some(ca) = ca {
        builder = builder.tls_certs_only(ca.certificates()?);
    } else if !urls.is_empty() && urls.iter().all(|url| url.scheme() == "http") {
        // Without TLS there is no need for a certificate store: it may be missing, and costs memory.
        builder = builder.tls_certs_only([]);
    }
    if !urls.is_empty() && urls.iter().all(is_loopback) {
        builder = builder.no_proxy();
    }
    Ok(builder)
}

/// On this very machine: no proxy that the environment names has a part in it.
fn is_loopback(url: &Url) -> bool {
    match url.host_str().map(|host| host.trim_matches(['[', ']'])) {
        Some("localhost") => true,
        Some(host) => host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

/// RFC 9110, section 10.2.3: seconds, or a date.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(jiff::Timestamp::now())).unwrap_or_default())
}

/// The beginning of an answer's body, for people. The rest is read only so that the connection can be used again.
pub async fn beginning(mut response: Response, bytes: usize) -> String {
    let (mut read, mut shown) = (0, Vec::new());
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        let room = bytes.saturating_sub(shown.len()).min(chunk.len());
        shown.extend(&chunk[..room]);
        if read > ANSWER_BYTES {
            break;
        }
    }
    String::from_utf8_lossy(&shown).trim().to_owned()
}

/// In people's words, and without the address: it may hold a token.
pub fn explain(error: reqwest::Error, timeout: Duration) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        return format!("no answer within {timeout:?}");
    }
    let mut why = String::from(if error.is_connect() { "cannot connect" } else { "the exchange failed" });
    let mut source = error.source();
    if source.is_none() {
        let _ = write!(why, ": {error}");
    }
    while let Some(cause) = source {
        // Layers like to repeat what is below them.
        let text = cause.to_string();
        if !why.contains(&text) {
            let _ = write!(why, ": {text}");
        }
        source = cause.source();
    }
    why
}

/// The innermost reason alone, likewise.
pub fn innermost(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())])
    }

    #[test]
    fn reads_both_forms_of_retry_after() {
        assert_eq!(retry_after(&headers("7")), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&headers("Sun, 06 Nov 1994 08:49:37 GMT")), Some(Duration::ZERO));
        let asked = retry_after(&headers("Fri, 01 Jan 2100 00:00:00 GMT")).unwrap();
        assert!(asked > Duration::from_secs(86_400 * 365 * 50), "{asked:?}");
        assert_eq!(retry_after(&headers("soon")), None);
        assert_eq!(retry_after(&headers("-1")), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn knows_its_own_machine() {
        let own = |url: &str| is_loopback(&Url::parse(url).unwrap());
        assert!(own("http://127.0.0.1:1/x") && own("https://[::1]/") && own("http://localhost:8080"));
        assert!(!own("http://10.0.0.1/") && !own("https://localhost.example.org/") && !own("http://[2001:db8::1]/"));
    }

    #[tokio::test]
    async fn errors_never_show_the_address() {
        let client = client(&[], None).unwrap().tls_certs_only([]).build().unwrap();
        for url in ["http://127.0.0.1:1/TOKEN?key=TOKEN", "TOKEN", "http://TOKEN:TOKEN@127.0.0.1:1/", "http://[TOKEN/"]
        {
            let ask = || client.post(url).send();
            let shown =
                [explain(ask().await.unwrap_err(), Duration::from_secs(1)), innermost(ask().await.unwrap_err())];
            assert!(shown.iter().all(|shown| !shown.contains("TOKEN") && !shown.contains("token")), "{shown:?}");
        }
    }
}
