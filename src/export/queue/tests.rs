use proptest::prelude::*;

use super::*;

const SPILL: Duration = Duration::from_secs(2);

struct Scene {
    folder: tempfile::TempDir,
    stats: Arc<ExportStats>,
    queue: Queue,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (now, stats) = (Instant::now(), Arc::new(ExportStats::new("x", "influxdb2")));
        let queue = Queue::new(folder.path().join("x"), 1 << 30, Arc::clone(&stats), SPILL, now);
        Self { folder, stats, queue, now }
    }

    /// The process dies and a new one begins.
    fn reborn(&mut self) {
        self.stats = Arc::new(ExportStats::new("x", "influxdb2"));
        self.queue = Queue::new(self.folder.path().join("x"), 1 << 30, Arc::clone(&self.stats), SPILL, self.now);
    }

    fn push(&self, number: u32) {
        self.queue.push(Batch { points: 1, body: number.to_le_bytes().to_vec() }, self.now);
    }

    fn take(&self) -> Option<(u64, u32)> {
        let taken = self.queue.take(self.now)?;
        Some((taken.sequence, u32::from_le_bytes(taken.batch.body[..].try_into().unwrap())))
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("x")).unwrap().count()
    }
}

#[test]
fn while_the_database_keeps_up_the_disk_is_not_touched() {
    let mut scene = Scene::new();
    for number in 0..100 {
        scene.push(number);
        let (sequence, read) = scene.take().unwrap();
        assert_eq!(read, number);
        scene.now += Duration::from_millis(500);
        scene.queue.tick(scene.now);
        scene.queue.done(sequence, scene.now);
    }
    assert!(scene.queue.is_empty());
    assert_eq!(scene.files(), 0);
}

#[test]
fn what_waits_longer_is_on_disk_and_outlives_the_process() {
    let mut scene = Scene::new();
    for number in 0..50 {
        scene.push(number);
    }
    let first = scene.take().unwrap();
    let second = scene.take().unwrap();
    assert_eq!((first.1, second.1), (0, 1));
    scene.now += SPILL;
    scene.queue.tick(scene.now);
    scene.queue.done(first.0, scene.now);
    scene.push(50);
    assert_eq!(scene.stats.report().points_waiting, 50);
    scene.reborn();
    assert_eq!(scene.stats.report().points_waiting, 50);
    scene.push(51);
    for number in 1..=51 {
        let (sequence, read) = scene.take().unwrap();
        assert_eq!(read, number);
        scene.queue.done(sequence, scene.now);
    }
    assert!(scene.queue.is_empty());
    assert_eq!(scene.files(), 1, "only the note is left");
}

#[test]
fn a_disk_that_fails_leaves_a_bounded_memory_and_is_used_again() {
    let mut scene = Scene::new();
    let folder = scene.folder.path().join("x");
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    let body = vec![0; 1 << 20];
    for _ in 0..40 {
        scene.queue.push(Batch { points: 1, body: body.clone() }, scene.now);
        scene.now += Duration::from_secs(1);
    }
    let report = scene.stats.report();
    assert!(report.spool_failure.is_some());
    assert_eq!((report.points_dropped, report.points_waiting), (24, 16));
    std::fs::remove_file(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    scene.now += SPOOL_RETRY;
    scene.queue.tick(scene.now);
    let report = scene.stats.report();
    assert_eq!((report.spool_failure, report.points_dropped, report.points_waiting), (None, 24, 16));
    assert!(report.spool_bytes > 16 << 20);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Push,
    Take,
    Done(usize),
    Fail(usize),
    Wait,
    Die,
    End,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Push),
        6 => Just(Step::Take),
        4 => (0usize..20).prop_map(Step::Done),
        2 => (0usize..20).prop_map(Step::Fail),
        2 => Just(Step::Wait),
        1 => Just(Step::Die),
        1 => Just(Step::End),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever happens: nothing that is on disk, or was closed in peace, is lost; nothing is sent twice but after a death; and
    /// the first sending of each is in order.
    #[test]
    fn nothing_is_lost_or_out_of_order(steps in steps()) {
        let mut scene = Scene::new();
        let (mut next, mut flying): (u32, Vec<(u64, u32)>) = (0, Vec::new());
        let (mut taken, mut sent) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        // What a death may cost: what is younger than the limit and not acknowledged.
        let mut safe_below = 0;
        let mut lost = std::collections::BTreeSet::new();
        for step in steps {
            match step {
                Step::Push => { scene.push(next); next += 1; }
                Step::Take => if let Some((sequence, number)) = scene.take() {
                    if taken.insert(number) {
                        let older = (0..number).all(|old| taken.contains(&old) || lost.contains(&old));
                        prop_assert!(older, "{} before an older one", number);
                    }
                    prop_assert!(!flying.iter().any(|(_, one)| *one == number), "{} twice at once", number);
                    flying.push((sequence, number));
                },
                Step::Done(at) if !flying.is_empty() => {
                    let (sequence, number) = flying.remove(at % flying.len());
                    sent.insert(number);
                    scene.queue.done(sequence, scene.now);
                }
                Step::Fail(at) if !flying.is_empty() => {
                    let (sequence, _) = flying.remove(at % flying.len());
                    scene.queue.give_back(sequence, None);
                }
                Step::Done(_) | Step::Fail(_) => {}
                Step::Wait => { scene.now += SPILL; scene.queue.tick(scene.now); safe_below = next; }
                Step::End => { scene.queue.close(scene.now); safe_below = next; scene.reborn(); flying.clear(); }
                Step::Die => {
                    scene.reborn();
                    flying.clear();
                    lost.extend((safe_below..next).filter(|number| !sent.contains(number)));
                }
            }
        }
        while let Some((sequence, number)) = scene.take() {
            sent.insert(number);
            scene.queue.done(sequence, scene.now);
            for (sequence, number) in flying.drain(..) {
                sent.insert(number);
                scene.queue.done(sequence, scene.now);
            }
        }
        sent.extend(flying.iter().map(|(_, number)| *number));
        for number in 0..next {
            prop_assert!(sent.contains(&number) || lost.contains(&number), "{} of {} is lost", number, next);
        }
    }
}
