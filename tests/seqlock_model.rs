//! The sequence lock of the interface table, over all interleavings that the memory model allows.
//!
//! The very file of the product is compiled here against loom's atomics. One reader stands for any number: a reader
//! stores nothing, so another one cannot notice it.

#[path = "../src/aggregate/seqlock.rs"]
mod seqlock;

mod sync {
    pub use loom::sync::atomic::{AtomicU64, Ordering, fence};

    /// The model needs to be told that a loop waits for another thread.
    pub fn pause(_attempt: u32) {
        loom::thread::yield_now();
    }
}

use loom::sync::Arc;
use loom::thread;
use seqlock::SeqCell;

fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

#[test]
fn a_reader_never_sees_half_a_write() {
    explore(|| {
        let cell = Arc::new(SeqCell::<2>::default());
        let writer = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || {
                for value in 1..=2 {
                    let mut write = cell.write();
                    write.set(0, value);
                    write.set(1, value * 10);
                    assert_eq!(cell.peek(0), value, "the writer sees its own words at once");
                }
            })
        };
        let [a, b] = cell.read();
        assert_eq!(b, a * 10);
        let [later, later_b] = cell.read();
        assert_eq!(later_b, later * 10);
        assert!(later >= a, "time never runs backwards for a reader");
        writer.join().unwrap();
        assert_eq!(cell.read(), [2, 20]);
    });
}

/// The model can tell: the same cell without its fences is caught.
#[test]
#[should_panic(expected = "torn")]
fn without_fences_the_model_finds_a_torn_read() {
    use loom::sync::atomic::{AtomicU64, Ordering};
    explore(|| {
        let cell = Arc::new([AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)]);
        let writer = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || {
                cell[0].store(1, Ordering::Relaxed);
                cell[1].store(1, Ordering::Relaxed);
                cell[2].store(1, Ordering::Relaxed);
                cell[0].store(2, Ordering::Release);
            })
        };
        let before = cell[0].load(Ordering::Acquire);
        let (a, b) = (cell[1].load(Ordering::Relaxed), cell[2].load(Ordering::Relaxed));
        if before & 1 == 0 && cell[0].load(Ordering::Relaxed) == before {
            assert_eq!(a, b, "torn");
        }
        writer.join().unwrap();
    });
}
