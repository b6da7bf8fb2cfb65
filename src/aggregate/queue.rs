//! The way in: a bounded queue of samples from many collectors to the one writer of the table.
//!
//! A collector never waits here. When the writer does not keep up the oldest sample gives way: a
//! poll is state, a newer one says it better, so it is dropped and counted. What is not a poll (an
//! event, an inventory, a device that left) cannot be read again from the next poll; it steps aside
//! into a second queue, which is read first because all that is in it is older than the rest. Only
//! when that one is full too is such a sample lost, and counted by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::time::Duration;

use crossbeam::queue::ArrayQueue;
use crossbeam::sync::{Parker, Unparker};

use crate::fabric::{Reading, Sample};

/// A queue that holds `capacity` samples (at least one), and as many more that are not polls.
pub fn queue(capacity: usize) -> (SampleSender, SampleReceiver) {
    let parker = Parker::new();
    let shared = Arc::new(Shared {
        samples: ArrayQueue::new(capacity.max(1)),
        aside: ArrayQueue::new(capacity.max(1)),
        polls_dropped: AtomicU64::new(0),
        others_dropped: AtomicU64::new(0),
        asleep: AtomicBool::new(false),
        unparker: parker.unparker().clone(),
    });
    (SampleSender { shared: Arc::clone(&shared) }, SampleReceiver { shared, parker })
}

struct Shared {
    samples: ArrayQueue<Sample>,
    aside: ArrayQueue<Sample>,
    polls_dropped: AtomicU64,
    others_dropped: AtomicU64,
    asleep: AtomicBool,
    unparker: Unparker,
}

impl Shared {
    fn is_empty(&self) -> bool {
        self.samples.is_empty() && self.aside.is_empty()
    }

    fn wake(&self) {
        // Pairs with the fence in `wait`: either we see that the receiver sleeps, or it sees our sample.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            self.unparker.unpark();
        }
    }

    fn stats(&self) -> QueueStats {
        QueueStats {
            capacity: self.samples.capacity(),
            length: self.samples.len() + self.aside.len(),
            polls_dropped: self.polls_dropped.load(Ordering::Relaxed),
            others_dropped: self.others_dropped.load(Ordering::Relaxed),
        }
    }
}

/// How full the queue is and what it had to drop since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Samples it holds before the oldest gives way.
    pub capacity: usize,
    /// Samples in it now.
    pub length: usize,
    /// Polls dropped because newer ones came before they were read.
    pub polls_dropped: u64,
    /// Other samples dropped: events or inventories are lost, which should never be.
    pub others_dropped: u64,
}

/// A collector's end. Cheap to clone.
#[derive(Clone)]
pub struct SampleSender {
    shared: Arc<Shared>,
}

impl SampleSender {
    /// Hand in a sample. Never blocks, and takes no lock while the receiver is awake.
    pub fn push(&self, sample: Sample) {
        if let Some(oldest) = self.shared.samples.force_push(sample) {
            if matches!(oldest.reading, Reading::Poll(_)) {
                self.shared.polls_dropped.fetch_add(1, Ordering::Relaxed);
            } else if self.shared.aside.force_push(oldest).is_some() {
                self.shared.others_dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.shared.wake();
    }

    /// How full it is, what was dropped.
    pub fn stats(&self) -> QueueStats {
        self.shared.stats()
    }
}

/// The last sender that goes wakes the receiver, so that it sees that nothing more will come.
impl Drop for SampleSender {
    fn drop(&mut self) {
        self.shared.wake();
    }
}

/// The writer's end.
pub struct SampleReceiver {
    shared: Arc<Shared>,
    parker: Parker,
}

impl SampleReceiver {
    /// The oldest sample, if there is one.
    pub fn pop(&mut self) -> Option<Sample> {
        self.shared.aside.pop().or_else(|| self.shared.samples.pop())
    }

    /// Sleep until there is a sample, the last sender is gone or the time is over; true if there is one.
    pub fn wait(&mut self, timeout: Duration) -> bool {
        if !self.shared.is_empty() {
            return true;
        }
        self.shared.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.shared.is_empty() && !self.is_closed() {
            self.parker.park_timeout(timeout);
        }
        self.shared.asleep.store(false, Ordering::Relaxed);
        !self.shared.is_empty()
    }

    /// All senders are gone; what is still in the queue can be popped.
    pub fn is_closed(&self) -> bool {
        Arc::strong_count(&self.shared) == 1
    }

    /// How full it is, what was dropped.
    pub fn stats(&self) -> QueueStats {
        self.shared.stats()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Instant;

    use super::*;
    use crate::fabric::{Medium, OperStatus, Timestamp};

    fn poll(at: i64) -> Sample {
        sample(at, Reading::Poll(Vec::new()))
    }

    fn event(at: i64) -> Sample {
        let reading = Reading::Event { if_name: "eth0".into(), oper_status: OperStatus::Down, medium: Medium::Trap };
        sample(at, reading)
    }

    fn sample(at: i64, reading: Reading) -> Sample {
        Sample { device: "leaf1".into(), taken_at: Timestamp::from_secs(at), device_uptime: None, reading }
    }

    fn drain(receiver: &mut SampleReceiver) -> Vec<i64> {
        std::iter::from_fn(|| receiver.pop()).map(|sample| sample.taken_at.as_micros() / 1_000_000).collect()
    }

    #[test]
    fn a_full_queue_drops_its_oldest_polls_and_counts_them() {
        let (sender, mut receiver) = queue(4);
        (0..10).for_each(|at| sender.push(poll(at)));
        let stats = receiver.stats();
        assert_eq!((stats.length, stats.polls_dropped, stats.others_dropped), (4, 6, 0));
        assert_eq!(drain(&mut receiver), [6, 7, 8, 9]);
    }

    #[test]
    fn an_event_outlives_the_polls_around_it_and_keeps_its_order() {
        let (sender, mut receiver) = queue(4);
        for at in 0..20 {
            sender.push(if at % 10 == 3 { event(at) } else { poll(at) });
        }
        assert_eq!(drain(&mut receiver), [3, 13, 16, 17, 18, 19]);
        assert_eq!((sender.stats().polls_dropped, sender.stats().others_dropped), (14, 0));
        (0..9).for_each(|at| sender.push(event(at)));
        assert_eq!(drain(&mut receiver), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(sender.stats().others_dropped, 1);
    }

    #[test]
    fn a_push_wakes_the_receiver() {
        let (sender, mut receiver) = queue(16);
        assert!(!receiver.wait(Duration::from_millis(1)));
        let pushed = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            sender.push(poll(1));
            sender
        });
        let started = Instant::now();
        assert!(receiver.wait(Duration::from_secs(20)));
        assert!(started.elapsed() < Duration::from_secs(10));
        assert!(receiver.pop().is_some());
        let sender = pushed.join().unwrap();
        assert!(!receiver.is_closed());
        let gone = thread::spawn(move || drop(sender));
        while !receiver.is_closed() {
            assert!(!receiver.wait(Duration::from_secs(1)));
        }
        gone.join().unwrap();
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn nothing_is_lost_or_invented_between_threads() {
        let (sender, mut receiver) = queue(1 << 14);
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let sender = sender.clone();
                thread::spawn(move || (0..2_000).for_each(|at| sender.push(poll(at))))
            })
            .collect();
        drop(sender);
        let mut taken = 0;
        while !receiver.is_closed() || receiver.wait(Duration::ZERO) {
            receiver.wait(Duration::from_millis(50));
            taken += drain(&mut receiver).len();
        }
        senders.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(taken, 8_000);
        assert_eq!(receiver.stats().polls_dropped, 0);
    }
}
