use proptest::prelude::*;

use super::*;

fn batch(text: &str) -> Batch {
    Batch { points: text.len() as u32, body: text.as_bytes().to_vec() }
}

fn all(spool: &mut Spool) -> Vec<(u64, String)> {
    std::iter::from_fn(|| spool.read().unwrap())
        .map(|(sequence, batch)| (sequence, String::from_utf8(batch.body).unwrap()))
        .collect()
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "seg"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn gives_back_in_order_what_was_not_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), 1 << 30).unwrap();
    for sequence in 1..=5 {
        spool.append(sequence, &batch(&format!("b{sequence}")), false).unwrap();
    }
    assert_eq!((spool.unread_points(), spool.has_unread()), (10, true));
    assert_eq!(all(&mut spool).len(), 5);
    assert!(!spool.has_unread());
    spool.acknowledge(2).unwrap();
    drop(spool);
    let mut spool = Spool::open(folder.path(), 1 << 30).unwrap();
    assert_eq!((spool.unread_points(), spool.last_sequence()), (6, 5));
    spool.append(6, &batch("b6"), false).unwrap();
    let expected: Vec<_> = (3..=6).map(|sequence| (sequence, format!("b{sequence}"))).collect();
    assert_eq!(all(&mut spool), expected);
    spool.acknowledge(6).unwrap();
    assert_eq!((segments(folder.path()).len(), spool.bytes()), (0, 0), "nothing waits, nothing is kept");
    assert_eq!(Spool::open(folder.path(), 1 << 30).unwrap().last_sequence(), 6, "numbers go on");
}

#[test]
fn beyond_the_bound_the_oldest_goes_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let bound = 40_000;
    let mut spool = Spool::open(folder.path(), bound).unwrap();
    for sequence in 1..=100 {
        spool.append(sequence, &batch(&"x".repeat(1_000)), false).unwrap();
        assert!(spool.bytes() <= bound, "{}", spool.bytes());
    }
    let (evicted, left) = (spool.counts.evicted, spool.unread_points());
    assert_eq!(evicted + left, 100_000);
    assert!(left > 25_000, "most of the bound is used: {left}");
    let first = all(&mut spool)[0].0;
    assert_eq!(first, evicted / 1_000 + 1);
}

#[test]
fn a_torn_note_sends_again_and_never_skips() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), 1 << 30).unwrap();
    for sequence in 1..=3 {
        spool.append(sequence, &batch("x"), false).unwrap();
    }
    all(&mut spool);
    spool.acknowledge(2).unwrap();
    drop(spool);
    let note = folder.path().join("acknowledged");
    let mut bytes = fs::read(&note).unwrap();
    bytes[0] ^= 1;
    fs::write(&note, bytes).unwrap();
    assert_eq!(all(&mut Spool::open(folder.path(), 1 << 30).unwrap()).len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A process that dies leaves a beginning of what it wrote: all whole records before it are there, and nothing else.
    #[test]
    fn a_torn_tail_is_cut_off(lengths in prop::collection::vec(1usize..200, 1..12), keep in 0.0..1.0f64, more in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 1 << 30).unwrap();
        let mut ends = vec![8u64];
        for (at, length) in lengths.iter().enumerate() {
            spool.append(at as u64 + 1, &batch(&"y".repeat(*length)), false).unwrap();
            ends.push(spool.bytes());
        }
        drop(spool);
        let path = segments(folder.path()).remove(0);
        let length = (ends[ends.len() - 1] as f64 * keep) as u64;
        OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
        let whole = ends.iter().skip(1).filter(|end| **end <= length).count() as u64;
        let mut spool = Spool::open(folder.path(), 1 << 30).unwrap();
        if more {
            let next = spool.last_sequence() + 1;
            prop_assert_eq!(next, whole + 1);
            spool.append(next, &batch("new"), false).unwrap();
        }
        let read = all(&mut spool);
        prop_assert_eq!(read.len() as u64, whole + u64::from(more));
        for (at, (sequence, body)) in read.iter().enumerate().take(whole as usize) {
            prop_assert_eq!((*sequence, body.len()), (at as u64 + 1, lengths[at]));
        }
    }

    /// Any byte that turned over costs records, and never gives a wrong one.
    #[test]
    fn damage_is_never_read(at in 0usize..400, bit in 0u8..8) {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 1 << 30).unwrap();
        let texts: Vec<String> = (1..=8u64).map(|sequence| format!("{sequence}").repeat(30)).collect();
        for (at, text) in texts.iter().enumerate() {
            spool.append(at as u64 + 1, &batch(text), false).unwrap();
        }
        drop(spool);
        let path = segments(folder.path()).remove(0);
        let mut bytes = fs::read(&path).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        fs::write(&path, bytes).unwrap();
        let mut spool = Spool::open(folder.path(), 1 << 30).unwrap();
        let read = all(&mut spool);
        prop_assert!(read.len() < 8);
        for (at, (sequence, text)) in read.iter().enumerate() {
            prop_assert_eq!((*sequence, text), (at as u64 + 1, &texts[at]));
        }
        // And it goes on from there.
        let next = spool.last_sequence() + 1;
        spool.append(next, &batch("on"), false).unwrap();
        prop_assert_eq!(all(&mut spool), vec![(next, "on".to_owned())]);
    }
}
