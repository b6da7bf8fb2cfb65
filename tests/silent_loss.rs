//! Silent loss in virtual time: healthy links that must not be told, and lossy ones that must, from seeds.

mod silent_loss_sim;

use silent_loss_sim::{Random, Scene, Traffic, play};

#[test]
fn healthy_links_of_any_kind_are_never_told() {
    let mut random = Random::new(1);
    for seed in 0..24 {
        let scene = Scene::healthy(&mut random);
        let said = play(&scene, seed, 2.0, false);
        assert!(said.falsely.is_empty(), "seed {seed}: {:?} in {scene:?}", said.falsely[0]);
    }
}

#[test]
fn one_in_a_thousand_at_10_kpps_is_told_within_a_minute() {
    for seed in 0..5 {
        let scene = Scene { loss: (1800.0, f64::MAX, 1e-3), ..Scene::default() };
        let said = play(&scene, seed, 1.0, true);
        let (after_s, words) = said.lost.unwrap_or_else(|| panic!("seed {seed}: not told"));
        assert!(after_s <= 60.0, "seed {seed}: {after_s} s: {words}");
        assert!(said.falsely.is_empty());
    }
}

#[test]
fn one_in_a_hundred_thousand_at_10_kpps_is_told_within_the_hour() {
    for seed in 0..2 {
        let scene = Scene { loss: (5400.0, f64::MAX, 1e-5), ..Scene::default() };
        let said = play(&scene, seed, 2.6, true);
        let (after_s, words) = said.lost.unwrap_or_else(|| panic!("seed {seed}: not told, {:?}", said.bounds));
        assert!(after_s <= 3600.0, "seed {seed}: {after_s} s: {words}");
    }
}

#[test]
fn the_interval_holds_the_truth_and_the_loss_is_over_when_it_is() {
    for seed in 0..4 {
        let scene = Scene { loss: (0.0, f64::MAX, 2e-3), traffic: Traffic::Smooth, ..Scene::default() };
        let said = play(&scene, seed, 0.5, false);
        assert!(said.lost.is_some(), "seed {seed}: {said:?}");
        let (low, ratio, high) = said.bounds[0].unwrap_or_else(|| panic!("{said:?}"));
        let truth = said.truth.0 / said.truth.1;
        assert!(low <= truth && truth <= high, "seed {seed}: {truth} is not in {low} to {high} (about {ratio})");
        let ended = Scene { loss: (600.0, 1800.0, 2e-3), ..scene };
        let said = play(&ended, seed, 1.2, false);
        let resolved_s = said.resolved_s.expect("it is over");
        assert!(resolved_s > 1800.0, "seed {seed}: over at {resolved_s} s while it went on");
    }
}

#[test]
fn a_black_hole_is_told_within_three_polls_and_no_silent_loss_is() {
    for poll_s in [1.0, 10.0] {
        let scene = Scene {
            poll_s,
            loss: (600.0, 1200.0, 1.0),
            traffic: Traffic::Steady,
            control_pps: [0.0; 2],
            ..Scene::default()
        };
        let said = play(&scene, 1, 0.5, false);
        let told_s = said.black_hole_s.expect("told") - 600.0;
        assert!(told_s <= 3.0 * poll_s + 1.0, "{told_s} s at {poll_s} s polls");
        assert!(said.lost.is_none() && said.falsely.is_empty(), "{said:?}");
        assert!(said.resolved_s.is_some_and(|at_s| at_s > 1200.0));
    }
}
