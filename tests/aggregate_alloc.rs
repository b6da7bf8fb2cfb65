//! Once everybody has joined, applying polls and events, letting time pass and reading an interface allocate nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use selvedge::aggregate::{Changes, Settings, Table};
use selvedge::fabric::{
    AdminStatus, Counter, CounterWidth, Counters, InterfaceId, InterfaceInfo, InterfacePoll, Medium, OperStatus,
    Reading, Sample, Timestamp, UnreachableReason, Uptime,
};

/// The system's allocator, counting what this thread asks of it.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PORTS: u64 = 48;

fn sample(at: Timestamp, reading: Reading) -> Sample {
    let device_uptime = Some(Uptime((at.as_millis() / 10) as u32));
    Sample { device: "leaf1".into(), taken_at: at, device_uptime, reading }
}

fn polls(at: Timestamp, names: &[Arc<str>], round: u64) -> Vec<Sample> {
    // Two PDUs; some ports idle, one that flaps, one that leaves columns out now and then.
    let rows = |names: &[Arc<str>], first: u64| {
        let row = |(if_name, port): (&Arc<str>, u64)| {
            let mut counters = Counters::default();
            for (counter, weight) in Counter::ALL.into_iter().take(12).zip(1..) {
                if port != 7 || round % 5 != weight % 5 {
                    counters.set(counter, (port % 4) * weight * round * 1_000, CounterWidth::Bits64);
                }
            }
            let oper_status = if port == 9 && round.is_multiple_of(3) { OperStatus::Down } else { OperStatus::Up };
            let if_name = Arc::clone(if_name);
            InterfacePoll { if_name, oper_status, admin_status: AdminStatus::Up, discontinuity: None, counters }
        };
        Reading::Poll(names.iter().zip(first..).map(row).collect())
    };
    let (one, other) = names.split_at(names.len() / 2);
    vec![sample(at, rows(one, 0)), sample(at + Duration::from_millis(5), rows(other, PORTS / 2))]
}

#[test]
fn nothing_is_allocated_per_sample() {
    let (mut table, reader) = Table::new(Settings::default());
    let mut changes = Changes::default();
    let names: Vec<Arc<str>> = (0..PORTS).map(|port| format!("Ethernet{port}").into()).collect();
    let infos = names
        .iter()
        .zip(1..)
        .map(|(if_name, if_index)| {
            Arc::new(InterfaceInfo { if_name: Arc::clone(if_name), if_index, if_type: 6, ..InterfaceInfo::default() })
        })
        .collect();
    let start = Timestamp::from_secs(1_000);
    let before = ALLOCATIONS.get();
    table.apply(&sample(start, Reading::Inventory(infos)), &mut changes);
    assert!(ALLOCATIONS.get() > before, "to join allocates, and the counter counts");
    let id = InterfaceId::new("leaf1", "Ethernet9");

    let mut allocated = Vec::new();
    for round in 0..200 {
        let at = start + Duration::from_secs(10 * round);
        let mut samples = polls(at, &names, round);
        let if_name = Arc::clone(&names[9]);
        let event = Reading::Event { if_name, oper_status: OperStatus::Down, medium: Medium::Trap };
        samples.push(sample(at + Duration::from_secs(1), event));
        if round % 50 == 49 {
            samples.push(sample(at + Duration::from_secs(2), Reading::Unreachable(UnreachableReason::Timeout)));
        }
        let before = ALLOCATIONS.get();
        for sample in &samples {
            table.apply(sample, &mut changes);
            for slot in &changes.interfaces {
                black_box(table.interface_at(*slot));
            }
        }
        table.tick(at + Duration::from_secs(if round % 20 == 10 { 600 } else { 3 }), &mut changes);
        black_box(reader.interface(&id));
        black_box(reader.device(&id.device));
        allocated.push(ALLOCATIONS.get() - before);
    }
    // The first rounds grow the buffers of `changes` and this thread's own structures, and make a place for the spread of
    // every port's utilisation at its first traffic: one of them has none before the third interval.
    assert!(allocated[4..].iter().all(|count| *count == 0), "{allocated:?}");
    assert!(reader.interface(&id).unwrap().rates[Counter::InOctets].known().is_some());
}
