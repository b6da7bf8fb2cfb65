//! What is printed, and what the exit status says of it.

use super::*;
use crate::topology::ledger::{CutOff, WhatIf};

fn ledger(findings: usize, cut_off: usize) -> Ledger {
    let cut = CutOff { name: "leaf1\u{1b}[2J".into(), to: "the rest of the fabric".into(), protected: false };
    Ledger { findings, cut_off: vec![cut; cut_off], ..Ledger::default() }
}

#[test]
fn the_exit_status_is_that_of_what_was_asked_for() {
    for (findings, cut_off, any, cut_only) in [(0, 0, true, true), (1, 0, false, true), (1, 1, false, false)] {
        let now = ledger(findings, cut_off);
        assert_eq!((is_fine(&now, FailOn::Any), is_fine(&now, FailOn::CutOff)), (any, cut_only));
        // What would be is asked, not what is.
        let what_if = WhatIf { cut_off: now.cut_off.clone(), ..WhatIf::default() };
        let then = Ledger { what_if: Some(what_if), ..ledger(findings, 1) };
        assert_eq!((is_fine(&then, FailOn::Any), is_fine(&then, FailOn::CutOff)), (any, cut_only));
    }
    let unmatched = Ledger { unmatched: vec!["label:rack".into()], ..ledger(0, 0) };
    assert!(!is_fine(&unmatched, FailOn::Any), "a gate that guards nobody is no gate");
}

#[test]
fn a_name_moves_no_cursor() {
    let text = Report { ledger: &ledger(1, 1), scene: &Scene::default() }.to_string();
    assert!(text.contains("leaf1\u{fffd}[2J has no way to the rest of the fabric"), "{text}");
}
