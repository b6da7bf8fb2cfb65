//! The auditor: a thread of its own that writes the ledger anew when the fabric changes.
//!
//! It looks at what readers are shown and never holds the core up: with 100,000 devices a look takes a good part of a
//! second. Changes that come meanwhile are looked at together. What it finds goes back to the core as a command, since
//! the core alone judges. At a calm pace it also looks where the load would go if something failed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender};

use super::core::Command;
use super::views::Views;
use crate::deliver::Clock;
use crate::topology::Outline;
use crate::topology::headroom::Headroom;
use crate::topology::ledger::{Auditor, Scene};

/// How often it is looked where load would go: it is no hurry, for nothing has failed.
const HEADROOM_EVERY: Duration = Duration::from_secs(30);

/// All that the thread owns.
pub(super) struct Desk {
    pub views: Arc<Views>,
    pub asked: Receiver<()>,
    pub tell: Sender<Command>,
    pub clock: Clock,
}

impl Desk {
    /// Look whenever asked, until nobody asks any more.
    pub(super) fn run(self) {
        let mut auditor = Auditor::default();
        let mut outline: Arc<Outline> = Arc::default();
        let mut due: Option<Instant> = None;
        while self.asked.recv().is_ok() {
            let drawing = self.views.drawing();
            let scene = Scene::new((self.clock)(), &drawing.links, &drawing.groups, &drawing.outline);
            let replanned = *outline != *drawing.outline;
            if auditor.sync(&scene) || replanned {
                outline = Arc::clone(&drawing.outline);
                if self.tell.send(Command::Audited(Box::new(auditor.audit(&scene)))).is_err() {
                    return;
                }
            }
            if due.is_none_or(|due| Instant::now() >= due) {
                let began = Instant::now();
                let now = (self.clock)();
                let table = self.views.table();
                let scene = scene.with_loads(&drawing.links, &|id| table.spread(id, now));
                let headroom = Arc::new(Headroom::of_scene(&scene));
                self.views.show_headroom(Arc::clone(&headroom));
                if self.tell.send(Command::Headroom(headroom)).is_err() {
                    return;
                }
                // No more than a tenth of a core, however large the fabric.
                due = Some(Instant::now() + HEADROOM_EVERY.max(began.elapsed() * 9));
            }
        }
    }
}
