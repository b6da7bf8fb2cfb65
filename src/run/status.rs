//! What Selvedge says of itself: `/api/status`, `/metrics`, `/healthz`, `/readyz`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam::channel::{self, Sender};
use serde_json::{Value, json};

use super::core::Command;
use super::views::{Drawing, Views};
use crate::aggregate::SampleSender;
use crate::collect::clock;
use crate::collect::host;
use crate::collect::host::drops::DropsHandle;
use crate::collect::snmp::Poller;
use crate::collect::traps::TrapStats;
use crate::deliver::{self, Deliverer};
use crate::export::Exports;
use crate::fabric::{DeviceHealth, HostLoss, Snapshot, Timestamp};
use crate::history::{History, State};
use crate::telemetry::{Kind, Registry, process};
use crate::topology::ledger::Scene;
use crate::web::{Edit, Probe, WebState};

/// The core goes round ten times a second; silent for this long it hangs.
const CORE_SILENT: Duration = Duration::from_secs(5);
/// Requests that come within this time share a snapshot: many readers cost what one does.
const SNAPSHOT_SHARED: Duration = Duration::from_millis(200);

/// Handles of all that is asked.
#[derive(Clone)]
pub(super) struct Status {
    pub views: Arc<Views>,
    pub poller: Arc<Poller>,
    pub traps: Option<Arc<TrapStats>>,
    pub host: Arc<host::Handle>,
    pub drops: Arc<DropsHandle>,
    pub history: Option<History>,
    pub exports: Exports,
    pub deliverer: Arc<Deliverer>,
    pub queue: SampleSender,
    pub commands: Sender<Command>,
    pub started_at: Timestamp,
}

impl Status {
    /// What the web room is given.
    pub fn web_state(self) -> WebState {
        let registry = self.registry();
        let shared = Mutex::new((Timestamp::default(), Arc::new(Snapshot::default())));
        let views = Arc::clone(&self.views);
        let alerts = Arc::clone(&self.views);
        let (table, rates) = (self.views.table().clone(), self.views.table().clone());
        let mutes = Arc::clone(&self.views);
        let (commands, deliverer) = (self.commands.clone(), Arc::clone(&self.deliverer));
        let (history, roomy) = (self.history.clone(), Arc::clone(&self.views));
        let (drawn, sketched) = (Arc::clone(&self.views), Mutex::new((Arc::<Drawing>::default(), Arc::default())));
        let (asked, host, healthy, ready) = (self.clone(), self.clone(), self.clone(), self);
        WebState {
            snapshot: Arc::new(move || {
                let now = clock::now();
                let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                if now.since(shared.0) >= SNAPSHOT_SHARED {
                    *shared = (now, Arc::new(views.snapshot(now)));
                }
                Arc::clone(&shared.1)
            }),
            spread: Arc::new(move |id| table.spread(id, clock::now())),
            basis: Arc::new(move |id| rates.basis(id)),
            alerts: Arc::new(move || alerts.alerts()),
            mutes: Arc::new(move || mutes.mutes()),
            edit: Arc::new(move |edit| {
                let (answer, done) = channel::bounded(1);
                let command = match edit {
                    Edit::Silence(silence) => Command::Silence(Box::new(silence), answer),
                    Edit::End(id) => Command::EndSilence(id, answer),
                };
                let stopping = || "Selvedge is stopping".to_owned();
                commands.send(command).map_err(|_| stopping())?;
                let silence = done.recv_timeout(CORE_SILENT).map_err(|_| stopping())??;
                // What is said to hold holds after a kill too.
                deliverer.settle();
                Ok(silence)
            }),
            scene: Arc::new(move || {
                let drawing = drawn.drawing();
                let mut sketched = sketched.lock().unwrap_or_else(PoisonError::into_inner);
                if !Arc::ptr_eq(&sketched.0, &drawing) {
                    let scene = Scene::new(clock::now(), &drawing.links, &drawing.groups, &drawing.outline);
                    let (table, now) = (drawn.table(), clock::now());
                    let scene = scene.with_loads(&drawing.links, &|id| table.spread(id, now));
                    *sketched = (drawing, Arc::new(scene));
                }
                Arc::clone(&sketched.1)
            }),
            headroom: Arc::new(move || roomy.headroom()),
            history,
            host: Arc::new(move || host.host()),
            status: Arc::new(move || asked.json()),
            telemetry: Arc::new(move || registry.render()),
            health: Arc::new(move || healthy.health()),
            readiness: Arc::new(move || ready.readiness()),
        }
    }

    fn json(&self) -> Value {
        let progress = self.poller.progress();
        let queue = self.queue.stats();
        let stats = self.deliverer.stats();
        let receivers: Vec<Value> = stats
            .receivers()
            .iter()
            .map(|receiver| {
                json!({
                    "name": receiver.name(),
                    "waiting": receiver.waiting(),
                    "acknowledged": receiver.acknowledged(),
                    "failed_attempts": receiver.failed_attempts(),
                    "refused": receiver.refused(),
                    "held": receiver.held(),
                    "evicted": receiver.evicted(),
                    "failure": receiver.failure(),
                })
            })
            .collect();
        let history = self.history.as_ref().map(|history| {
            let stats = history.stats();
            let state = match stats.state {
                State::Recording => "recording".to_owned(),
                State::Stopped(why) => format!("stopped: {why}"),
            };
            json!({ "state": state, "appended": stats.appended, "dropped": stats.dropped, "disk_bytes": stats.disk_bytes })
        });
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "started_at": self.started_at.to_string(),
            "targets": { "total": progress.targets, "answered": progress.answered, "failed": progress.failed },
            "host": { "name": self.host.device(), "watched": self.host.status(), "stats": self.host.stats() },
            "queue": { "length": queue.length, "dropped": queue.polls_dropped + queue.others_dropped },
            "receivers": receivers,
            "alert_store": if stats.store_failing() { "failing" } else { "ok" },
            "history": history,
            "exports": self.exports.stats().iter().map(|export| json!(export.report())).collect::<Vec<_>>(),
            "exports_dropped": self.exports.lost(),
        })
    }

    /// What this machine loses, as `/api/host` shows it.
    fn host(&self) -> Value {
        let status = self.drops.status();
        let losses = &status.losses;
        let view = |loss: &HostLoss| {
            let mut value = json!({
                "place": loss.cause.place().as_str(),
                "class": loss.cause.class().as_str(),
                "unexplained": loss.unexplained(),
            });
            if let (Value::Object(value), Ok(Value::Object(rest))) = (&mut value, serde_json::to_value(loss)) {
                value.extend(rest);
            }
            value
        };
        json!({
            "device": self.host.device(),
            "since": losses.since.to_string(),
            "counters": status.counters,
            "reasons": status.reasons,
            "losses": losses.losses.iter().map(view).collect::<Vec<_>>(),
            "harmless": losses.harmless,
            "overflowed": losses.overflowed,
            "missed": losses.missed,
            "time_squeeze": status.time_squeeze,
            "tcp_retransmitted": status.tcp_retransmitted,
        })
    }

    fn health(&self) -> Probe {
        let silent = clock::now().since(self.views.ticked_at());
        let mut reasons = Vec::new();
        if silent >= CORE_SILENT {
            reasons.push(format!("the core has not gone round for {} s", silent.as_secs()));
        }
        Probe { reasons }
    }

    fn readiness(&self) -> Probe {
        let mut probe = self.health();
        let progress = self.poller.progress();
        let tried = progress.answered + progress.failed;
        if tried < progress.targets {
            probe.reasons.push(format!(
                "{} of {} targets have not been tried yet",
                progress.targets - tried,
                progress.targets
            ));
        }
        if self.deliverer.stats().store_failing() {
            probe
                .reasons
                .push("the alert store takes no writes: alerts are told, but would not survive a restart".into());
        }
        probe
    }

    /// Everything that is counted anywhere, by its metric's name.
    fn registry(&self) -> Registry {
        let registry = Registry::new();
        process(&registry);
        let counters = |read: Vec<(&'static str, u64)>| {
            read.into_iter().map(|(name, count)| (vec![("event", name.to_owned())], count as f64)).collect()
        };
        let poller = Arc::clone(&self.poller);
        registry.provide("selvedge_snmp_events_total", Kind::Counter, "What the SNMP poller did and met.", move || {
            counters(poller.stats().counters().collect())
        });
        let poller = Arc::clone(&self.poller);
        registry.provide(
            "selvedge_snmp_round_trip_seconds",
            Kind::Gauge,
            "Time from request to response.",
            move || {
                let histogram = poller.stats().round_trips_us();
                quantiles(|share| histogram.value_at_quantile(share) as f64 / 1e6, histogram.len())
            },
        );
        let poller = Arc::clone(&self.poller);
        registry.provide(
            "selvedge_snmp_poll_start_delay_seconds",
            Kind::Gauge,
            "How late polls began by their schedule.",
            move || {
                let histogram = poller.stats().start_delays_us();
                quantiles(|share| histogram.value_at_quantile(share) as f64 / 1e6, histogram.len())
            },
        );
        let poller = Arc::clone(&self.poller);
        registry.provide("selvedge_targets", Kind::Gauge, "Targets by how they answered last.", move || {
            let progress = poller.progress();
            let silent = progress.targets - progress.answered - progress.failed;
            [("answered", progress.answered), ("failed", progress.failed), ("untried", silent)]
                .map(|(state, count)| (vec![("state", state.to_owned())], count as f64))
                .into()
        });
        if let Some(traps) = self.traps.clone() {
            registry.provide("selvedge_trap_events_total", Kind::Counter, "What came to the trap port.", move || {
                counters(traps.counters().collect())
            });
        }
        let host = Arc::clone(&self.host);
        registry.provide(
            "selvedge_host_events_total",
            Kind::Counter,
            "What the collector of this machine did.",
            move || {
                let stats = host.stats();
                counters(vec![
                    ("dumps", stats.dumps),
                    ("notices", stats.notices),
                    ("notices_lost", stats.lost),
                    ("status_changes", stats.events),
                    ("lldp_units", stats.lldp_units),
                    ("lldp_malformed", stats.lldp_malformed),
                ])
            },
        );
        let drops = Arc::clone(&self.drops);
        registry.provide(
            "selvedge_host_drops_total",
            Kind::Counter,
            "Packets that this machine lost; reason \"\" is what its counters have and no reason explains.",
            move || drops.status().losses.losses.iter().flat_map(host_drops).collect(),
        );
        let queue = self.queue.clone();
        let of = queue.clone();
        registry.provide("selvedge_queue_length", Kind::Gauge, "Samples that wait for the core.", move || {
            vec![(Vec::new(), of.stats().length as f64)]
        });
        registry.provide(
            "selvedge_samples_dropped_total",
            Kind::Counter,
            "Samples the core was too slow for.",
            move || {
                let stats = queue.stats();
                [("poll", stats.polls_dropped), ("other", stats.others_dropped)]
                    .map(|(kind, count)| (vec![("kind", kind.to_owned())], count as f64))
                    .into()
            },
        );
        let views = Arc::clone(&self.views);
        registry.provide("selvedge_devices", Kind::Gauge, "Devices by health.", move || {
            let devices = views.table().devices();
            [("ok", DeviceHealth::Ok), ("unreachable", DeviceHealth::Unreachable), ("unknown", DeviceHealth::Unknown)]
                .map(|(name, health)| {
                    let count = devices.iter().filter(|device| device.health == health).count();
                    (vec![("state", name.to_owned())], count as f64)
                })
                .into()
        });
        self.delivery(&registry);
        if let Some(history) = &self.history {
            history.expose(&registry);
        }
        self.exports.expose(&registry);
        registry
    }

    fn delivery(&self, registry: &Registry) {
        let per_receiver = |registry: &Registry, name, kind, help, read: fn(&deliver::ReceiverStats) -> u64| {
            let deliverer = Arc::clone(&self.deliverer);
            registry.provide(name, kind, help, move || {
                let receivers = deliverer.stats().receivers();
                let sample =
                    |r: &Arc<deliver::ReceiverStats>| (vec![("receiver", r.name().to_owned())], read(r) as f64);
                receivers.iter().map(sample).collect()
            });
        };
        per_receiver(registry, "selvedge_notifications_waiting", Kind::Gauge, "Notifications in the outbox.", |r| {
            r.waiting()
        });
        per_receiver(
            registry,
            "selvedge_notifications_acknowledged_total",
            Kind::Counter,
            "Notifications that a receiver took.",
            |r| r.acknowledged(),
        );
        per_receiver(
            registry,
            "selvedge_notification_attempts_failed_total",
            Kind::Counter,
            "Attempts to deliver that failed and are repeated.",
            |r| r.failed_attempts(),
        );
        per_receiver(
            registry,
            "selvedge_notifications_refused_total",
            Kind::Counter,
            "Notifications that a receiver refused for good.",
            |r| r.refused(),
        );
        per_receiver(
            registry,
            "selvedge_notifications_held_total",
            Kind::Counter,
            "Notifications that had to wait for the receiver's rate limit.",
            |r| r.held(),
        );
        per_receiver(
            registry,
            "selvedge_notifications_evicted_total",
            Kind::Counter,
            "Notifications thrown away because too many waited, the oldest that are over first.",
            |r| r.evicted(),
        );
        let deliverer = Arc::clone(&self.deliverer);
        registry.provide(
            "selvedge_alert_latency_seconds",
            Kind::Gauge,
            "From the event or poll that told of a trouble to the request that tells a receiver of it.",
            move || {
                let stats = deliverer.stats();
                quantiles(|share| stats.sent.quantile(share).as_secs_f64(), stats.sent.count())
            },
        );
        let deliverer = Arc::clone(&self.deliverer);
        registry.provide(
            "selvedge_alert_store_errors_total",
            Kind::Counter,
            "Failed writes of alerts to disk.",
            move || vec![(Vec::new(), deliverer.stats().store_errors() as f64)],
        );
    }
}

/// A series for each reason of a loss, those of one kind added up, and one for what has none: together the packets lost.
fn host_drops(loss: &HostLoss) -> Vec<(Vec<(&'static str, String)>, f64)> {
    let mut reasons: BTreeMap<(&str, Option<&str>), u64> = BTreeMap::new();
    for of in &loss.reasons {
        *reasons.entry((&*of.reason, of.interface.as_deref())).or_default() += of.packets;
    }
    if loss.unexplained() > 0 || loss.counted.is_some() {
        reasons.insert(("", loss.interface.as_deref()), loss.unexplained());
    }
    let series = reasons.into_iter().map(|((reason, interface), packets)| {
        let labels = vec![
            ("reason", reason.to_owned()),
            ("class", loss.cause.class().as_str().to_owned()),
            ("place", loss.cause.place().as_str().to_owned()),
            ("cause", loss.cause.as_str().to_owned()),
            ("interface", interface.unwrap_or_default().to_owned()),
            ("netns", loss.namespace.map(|inode| inode.to_string()).unwrap_or_default()),
        ];
        (labels, packets as f64)
    });
    series.collect()
}

/// Median, p99 and maximum; nothing where nothing was measured.
fn quantiles(at: impl Fn(f64) -> f64, count: u64) -> Vec<(Vec<(&'static str, String)>, f64)> {
    if count == 0 {
        return Vec::new();
    }
    [("0.5", 0.5), ("0.99", 0.99), ("1", 1.0)]
        .map(|(name, share)| (vec![("quantile", name.to_owned())], at(share)))
        .into()
}
