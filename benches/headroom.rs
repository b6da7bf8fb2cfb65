//! Every single failure of a fabric of 10,000 devices, against the limit of ten seconds on one core.
//!
//! Pods of leaves and spines below cores. Each leaf sends and receives what chance gives it, to all others in proportion; one
//! in 500 of the leaves' cables is cut, so that not all leaves of a pod are alike.

use std::time::Instant;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use selvedge::fabric::{InterfaceId, LinkEnd, LinkHealth, LinkId, Timestamp};
use selvedge::topology::headroom::{Basis, Study};
use selvedge::topology::ledger::{Device, EdgeLoad, Link, LinkLoad, Scene};

const PODS: usize = 200;
const LEAVES: usize = 45;
const SPINES: usize = 5;
const CORES_OF_SPINE: usize = 10;
const LIMIT_S: f64 = 10.0;

fn main() {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut scene = Scene { taken_at: Timestamp::from_secs(1_795_521_600), ..Scene::default() };
    let mut rows = Vec::new();
    let mut cable = |low: &str, high: &str, load: [f64; 2], bps: u64, cut: bool| {
        let end = |near: &str, far: &str| LinkEnd { interface: InterfaceId::new(near, far), watched: true };
        let (mut a, mut b, mut now_bps) = (end(low, high), end(high, low), load.map(Some));
        if a.interface > b.interface {
            std::mem::swap(&mut a, &mut b);
            now_bps.reverse();
        }
        let id = LinkId::new(&a.interface, &b.interface);
        let health = if cut { LinkHealth::Down } else { LinkHealth::Up };
        let link = Link { id, a, b, health, since: Timestamp::default(), capacity_bps: Some(bps) };
        rows.push((link, LinkLoad { now_bps, ..LinkLoad::default() }));
    };
    let leaves: Vec<[f64; 2]> = (0..PODS * LEAVES).map(|_| [0, 1].map(|_| rng.random_range(4e9..30e9))).collect();
    let all = |side: usize| leaves.iter().map(|leaf| leaf[side]).sum::<f64>();
    let (sent, got) = (all(0), all(1));
    for pod in 0..PODS {
        let own = &leaves[pod * LEAVES..(pod + 1) * LEAVES];
        let of_pod = |side: usize| own.iter().map(|leaf| leaf[side]).sum::<f64>();
        let (up, down) = (of_pod(0) * (1.0 - of_pod(1) / got), of_pod(1) * (1.0 - of_pod(0) / sent));
        for spine in 0..SPINES {
            let name = format!("pod{pod:03}-spine{spine}");
            for core in 0..CORES_OF_SPINE {
                let load = [up, down].map(|bps| bps / (SPINES * CORES_OF_SPINE) as f64);
                cable(&name, &format!("core{spine}-{core}"), load, 100_000_000_000, false);
            }
            scene.devices.push(Device { name: name.as_str().into(), labels: Default::default(), tier: Some(2) });
        }
        for (n, [sends, gets]) in own.iter().enumerate() {
            let (at, name) = (pod * LEAVES + n, format!("pod{pod:03}-leaf{n:02}"));
            let is_cut = |spine: usize| (at * SPINES + spine) % 500 == 7;
            let ways = (0..SPINES).filter(|spine| !is_cut(*spine)).count() as f64;
            for spine in 0..SPINES {
                let load = if is_cut(spine) { [0.0; 2] } else { [sends / ways, gets / ways] };
                cable(&name, &format!("pod{pod:03}-spine{spine}"), load, 10_000_000_000, is_cut(spine));
            }
            scene.devices.push(Device { name: name.as_str().into(), labels: Default::default(), tier: Some(1) });
            let now_bps = [Some(*sends), Some(*gets)];
            scene.edges.push(EdgeLoad { device: name.as_str().into(), now_bps, busy_bps: [None; 2] });
        }
    }
    for spine in 0..SPINES {
        for core in 0..CORES_OF_SPINE {
            let name = format!("core{spine}-{core}");
            scene.devices.push(Device { name: name.as_str().into(), labels: Default::default(), tier: Some(3) });
        }
    }
    rows.sort_by(|one, other| one.0.id.cmp(&other.0.id));
    (scene.links, scene.loads) = rows.into_iter().unzip();
    scene.devices.sort_by(|one, other| one.name.cmp(&other.name));
    scene.edges.sort_by(|one, other| one.device.cmp(&other.device));
    println!("{} devices, {} links", scene.devices.len(), scene.links.len());

    let began = Instant::now();
    let study = Study::new(&scene, Basis::Now);
    let fitted = began.elapsed();
    let headroom = study.all();
    let whole = began.elapsed();
    println!("the fit: {fitted:?}, mean residual {:.4}", headroom.residual.unwrap_or(f64::NAN));
    println!(
        "{} failures: {whole:?} with the fit; {} would not be survived, {} links claimed",
        headroom.failures,
        headroom.cases.len() + headroom.cases_left_out,
        headroom.links.len()
    );
    println!("of {LIMIT_S} seconds: {:.2}", whole.as_secs_f64() / LIMIT_S);
}
