//! From a file to settings: raw first, then resolved once, with the place of every error.

use crate::alert::Route;
use crate::collect::{HostSettings, Target, TrapSettings};
use crate::deliver::ReceiverSettings;
use crate::{aggregate, detect, history, topology, web};

/// All that the operator set, resolved and checked. Never changed: a reload makes a new one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// `[web]`
    pub web: web::Settings,
    /// `[history]`
    pub history: history::Settings,
    /// `[[snmp.target]]` and what `[[snmp.targets_from]]` files hold now.
    pub targets: Vec<Target>,
    /// `[traps]`; none without the section.
    pub traps: Option<TrapSettings>,
    /// `[host]`
    pub host: HostSettings,
    /// `[[interface]]` and `[interfaces]`
    pub aggregate: aggregate::Settings,
    /// `[detect.*]`
    pub detect: detect::Settings,
    /// `[[redundancy.group]]`
    pub topology: topology::Settings,
    /// `[[receiver]]`
    pub receivers: Vec<ReceiverSettings>,
    /// `[[route]]`
    pub routes: Vec<Route>,
}
