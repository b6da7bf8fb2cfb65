//! Query strings: every key must be known and come once, every value must make sense, else 400.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An answer that says what is wrong, as `{"error": "..."}`.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }

    pub(super) fn bad(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.error }))).into_response()
    }
}

/// The keys and values of a request, taken out one by one; [`Params::end`] refuses what is left.
pub(super) struct Params(BTreeMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Query(pairs) = Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|error: QueryRejection| Refusal::bad(error.body_text()))?;
        let mut params = BTreeMap::new();
        for (key, value) in pairs {
            if params.insert(key.clone(), value).is_some() {
                return Err(Refusal::bad(format!("`{key}` is given twice")));
            }
        }
        Ok(Self(params))
    }
}

impl Params {
    /// The value of a key, if it is given.
    pub(super) fn take(&mut self, key: &str) -> Option<String> {
        self.0.remove(key)
    }

    /// The value of a key that must be given.
    pub(super) fn need(&mut self, key: &str) -> Result<String, Refusal> {
        self.take(key).ok_or_else(|| Refusal::bad(format!("`{key}` is missing")))
    }

    /// A whole number, if it is given.
    pub(super) fn number(&mut self, key: &str) -> Result<Option<i64>, Refusal> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let number = value.parse().map_err(|_| Refusal::bad(format!("`{key}` is not a whole number: {value:?}")))?;
        Ok(Some(number))
    }

    /// One of some words, if it is given.
    pub(super) fn word(&mut self, key: &str, words: &[&str]) -> Result<Option<String>, Refusal> {
        match self.take(key) {
            Some(value) if !words.contains(&value.as_str()) => {
                Err(Refusal::bad(format!("`{key}` is {value:?}, but is one of {}", words.join(", "))))
            }
            value => Ok(value),
        }
    }

    /// Nothing else may be given; `known` are the keys that could have been.
    pub(super) fn end(self, known: &[&str]) -> Result<(), Refusal> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(key) if known.is_empty() => {
                Err(Refusal::bad(format!("unknown key {key:?}: nothing can be asked here")))
            }
            Some(key) => Err(Refusal::bad(format!("unknown key {key:?}: there are {}", known.join(", ")))),
        }
    }
}
