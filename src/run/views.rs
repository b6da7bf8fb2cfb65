//! What the core shows to readers: replaced as a whole, read without a lock, never waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;

use crate::aggregate::TableReader;
use crate::alert::{Alert, Mutes};
use crate::fabric::{GroupState, LinkLoss, LinkState, SensorState, Snapshot, Timestamp};
use crate::topology::Outline;
use crate::topology::headroom::Headroom;

/// Links and groups as of one moment.
#[derive(Debug, Default)]
pub struct Drawing {
    /// Sorted by id.
    pub links: Vec<LinkState>,
    /// Sorted by name.
    pub groups: Vec<GroupState>,
    /// Sorted by interface.
    pub sensors: Vec<SensorState>,
    /// Sorted by link.
    pub losses: Vec<LinkLoss>,
    /// The rest of the plan.
    pub outline: Arc<Outline>,
}

/// Written by the core thread, read by everybody.
pub struct Views {
    table: TableReader,
    drawing: ArcSwap<Drawing>,
    alerts: ArcSwap<Vec<Alert>>,
    mutes: ArcSwap<Mutes>,
    headroom: ArcSwap<Headroom>,
    ticked_at: AtomicI64,
}

impl Views {
    pub(super) fn new(table: TableReader, now: Timestamp) -> Self {
        Self {
            table,
            drawing: ArcSwap::default(),
            alerts: ArcSwap::default(),
            mutes: ArcSwap::default(),
            headroom: ArcSwap::default(),
            ticked_at: AtomicI64::new(now.as_micros()),
        }
    }

    /// Everything that is known.
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        let drawing = self.drawing.load();
        Snapshot {
            taken_at: now,
            devices: self.table.devices(),
            interfaces: self.table.interfaces(),
            links: drawing.links.clone(),
            groups: drawing.groups.clone(),
            sensors: drawing.sensors.clone(),
            losses: drawing.losses.clone(),
        }
    }

    /// Links and groups.
    pub fn drawing(&self) -> Arc<Drawing> {
        self.drawing.load_full()
    }

    /// All alerts of the book, the newest first.
    pub fn alerts(&self) -> Arc<Vec<Alert>> {
        self.alerts.load_full()
    }

    /// Silences and maintenance windows.
    pub fn mutes(&self) -> Arc<Mutes> {
        self.mutes.load_full()
    }

    /// What links would carry after each failure, as last looked at.
    pub fn headroom(&self) -> Arc<Headroom> {
        self.headroom.load_full()
    }

    /// The table of interfaces and devices.
    pub fn table(&self) -> &TableReader {
        &self.table
    }

    /// When the core loop last went round.
    pub fn ticked_at(&self) -> Timestamp {
        Timestamp::from_micros(self.ticked_at.load(Ordering::Relaxed))
    }

    pub(super) fn show_drawing(&self, drawing: Drawing) {
        self.drawing.store(Arc::new(drawing));
    }

    pub(super) fn show_alerts(&self, mut alerts: Vec<Alert>) {
        alerts.sort_by(|one, other| (other.since, &one.finding.key).cmp(&(one.since, &other.finding.key)));
        self.alerts.store(Arc::new(alerts));
    }

    pub(super) fn show_headroom(&self, headroom: Arc<Headroom>) {
        self.headroom.store(headroom);
    }

    pub(super) fn show_mutes(&self, mutes: Mutes) {
        self.mutes.store(Arc::new(mutes));
    }

    pub(super) fn ticked(&self, now: Timestamp) {
        self.ticked_at.store(now.as_micros(), Ordering::Relaxed);
    }
}
