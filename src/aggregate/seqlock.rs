//! A cell of words that one thread writes and any number read whole, without ever making the
//! writer wait: a sequence lock made of atomics alone.
//!
//! The sequence is odd while a write is under way. A reader that saw it odd, or changed after its
//! reading, reads again. The memory orders are those of Boehm, "Can seqlocks get along with
//! programming language memory models?" (2012); `tests/seqlock_model.rs` includes this very file
//! and walks through all interleavings.
//!
//! Two threads that write one cell at once break no memory, but may leave it torn: whoever owns
//! cells keeps `write` to one thread.

use super::sync::{AtomicU64, Ordering, fence, pause};

/// `N` words and their sequence, on cache lines of their own.
#[repr(C, align(64))]
pub struct SeqCell<const N: usize> {
    sequence: AtomicU64,
    words: [AtomicU64; N],
}

impl<const N: usize> Default for SeqCell<N> {
    fn default() -> Self {
        Self { sequence: AtomicU64::new(0), words: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl<const N: usize> SeqCell<N> {
    /// A word as the writer itself left it. For the writing thread only.
    pub fn peek(&self, index: usize) -> u64 {
        self.words[index].load(Ordering::Relaxed)
    }

    /// Begin a write; it ends, and becomes visible as a whole, when the result is dropped.
    pub fn write(&self) -> Write<'_, N> {
        let before = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(before.wrapping_add(1), Ordering::Relaxed);
        // No word is seen new before the sequence is seen odd.
        fence(Ordering::Release);
        Write { cell: self, after: before.wrapping_add(2) }
    }

    /// All words, as one write left them.
    pub fn read(&self) -> [u64; N] {
        let mut attempt = 0;
        loop {
            let before = self.sequence.load(Ordering::Acquire);
            if before & 1 == 0 {
                let words = std::array::from_fn(|index| self.words[index].load(Ordering::Relaxed));
                // A word seen new makes the sequence seen odd, or newer, below.
                fence(Ordering::Acquire);
                if self.sequence.load(Ordering::Relaxed) == before {
                    return words;
                }
            }
            pause(attempt);
            attempt += 1;
        }
    }
}

/// A write under way.
pub struct Write<'a, const N: usize> {
    cell: &'a SeqCell<N>,
    after: u64,
}

impl<const N: usize> Write<'_, N> {
    /// Set a word.
    pub fn set(&mut self, index: usize, value: u64) {
        self.cell.words[index].store(value, Ordering::Relaxed);
    }
}

impl<const N: usize> Drop for Write<'_, N> {
    fn drop(&mut self) {
        self.cell.sequence.store(self.after, Ordering::Release);
    }
}
