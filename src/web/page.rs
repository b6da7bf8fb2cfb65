//! The page: built beforehand, kept in the crate, served from the binary. Nothing is fetched from elsewhere.

use std::hash::{DefaultHasher, Hasher};

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// One file of the page.
pub(super) struct Asset {
    /// Its path in the URL.
    pub(super) path: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

/// All files. Their names are fixed: the binary that serves them is what changes, and the ETag with it.
pub(super) static ASSETS: [Asset; 4] = [
    Asset { path: "/", content_type: "text/html; charset=utf-8", bytes: include_bytes!("page/dist/index.html") },
    Asset {
        path: "/assets/app.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("page/dist/assets/app.js"),
    },
    Asset {
        path: "/assets/app.css",
        content_type: "text/css; charset=utf-8",
        bytes: include_bytes!("page/dist/assets/app.css"),
    },
    Asset {
        path: "/assets/topology.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("page/dist/assets/topology.js"),
    },
];

impl Asset {
    /// The file, or 304 to who has it already.
    pub(super) fn answer(&'static self, request: &HeaderMap) -> Response {
        let etag = self.etag();
        let has_it = request
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|one| one.trim().trim_start_matches("W/") == etag || one.trim() == "*");
        let mut response = if has_it { StatusCode::NOT_MODIFIED.into_response() } else { self.bytes.into_response() };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        // Kept by browsers, and asked for each time whether it is still the one.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            headers.insert(ETAG, etag);
        }
        response
    }

    fn etag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        hasher.write(self.bytes);
        format!("\"{:016x}\"", hasher.finish())
    }
}
