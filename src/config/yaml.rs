//! JSON and YAML (which contains it) of other tools, as one kind of value.
//!
//! YAML can be small and stand for much (aliases of aliases): what it may unfold to is bounded by the parser's budget.

use serde_json::Value;

/// Why a text is neither.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// What the parser says, without place and without the text itself, which may hold secrets.
    pub reason: String,
    /// Line and column.
    pub place: Option<(usize, usize)>,
}

/// Read JSON.
pub(super) fn json(bytes: &[u8]) -> Result<Value, Unreadable> {
    serde_json::from_slice(bytes).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default();
        Unreadable { reason: format!("not JSON: {reason}"), place: Some((error.line(), error.column())) }
    })
}

/// Read one document of YAML.
pub(super) fn yaml(bytes: &[u8]) -> Result<Value, Unreadable> {
    serde_saphyr::from_slice(bytes).map_err(|error| {
        let place = error.location().map(|at| (at.line() as usize, at.column() as usize));
        let said = error.without_snippet().to_string();
        let reason = said.lines().next().unwrap_or_default();
        // "... at line 3, column 5": told by the place.
        let reason = reason.split(" at line ").next().unwrap_or_default();
        Unreadable { reason: format!("not YAML: {}", reason.trim_start_matches("error: ")), place }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn both_are_read_and_places_told() {
        let text = b"a:\n  - 10.0.0.1\n  - b: {c: 1, d: \"x\"}\n";
        assert_eq!(yaml(text), Ok(json!({"a": ["10.0.0.1", {"b": {"c": 1, "d": "x"}}]})));
        assert_eq!(yaml(br#"[{"targets": ["10.0.0.1"]}]"#), json(br#"[{"targets": ["10.0.0.1"]}]"#));
        let error = yaml(b"a:\n  - b\n c: [").unwrap_err();
        assert!(error.place.is_some_and(|(line, _)| line >= 2), "{error:?}");
        assert!(!error.reason.contains('\n') && error.reason.starts_with("not YAML: "), "{error:?}");
        assert_eq!(json(b"[1,\n]").unwrap_err().place, Some((2, 1)));
    }

    #[test]
    fn a_small_text_does_not_unfold_without_end() {
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for level in 1..12 {
            let many = format!("*a{0},", level - 1).repeat(10);
            bomb += &format!("a{level}: &a{level} [{many}]\n");
        }
        assert!(yaml(bomb.as_bytes()).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn any_bytes_end_in_a_value_or_a_reason(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (yaml(&bytes), json(&bytes));
        }

        #[test]
        fn any_text_like_yaml_ends_too(text in "[-a:&*!{}\\[\\]>|'\"#%@ \\n\\t0-9.]{0,120}") {
            let _ = yaml(text.as_bytes());
        }
    }
}
