//! The words everybody speaks: what a device, an interface, a link, a reading, a rate and a finding
//! are. This room imports nothing of ours and does nothing but name things.

mod bundle;
mod counter;
mod device;
mod finding;
mod host_loss;
mod interface;
mod link;
mod loss;
mod rate;
mod sample;
mod secret;
mod sensor;
mod spread;
mod state;
mod time;

pub use bundle::{
    AggregationMember, BridgePort, BridgePortState, Gateway, GatewayProtocol, GatewayRole, LacpState, NextHop,
};
pub use counter::{Counter, CounterWidth, Counters, DropClass};
pub use device::{DeviceId, DeviceIdentity, Labels};
pub use finding::{Direction, Evidence, Finding, FindingKey, FindingKind, Severity, Subject, Verdict};
pub use host_loss::{HostCause, HostLoss, HostLosses, HostPlace, HostScope, TracedReason};
pub use interface::{AdminStatus, InterfaceId, InterfaceInfo, OperStatus};
pub use link::{ChassisId, GroupKind, LinkEnd, LinkId, ManagementAddress, Neighbor, PortId};
pub use loss::{LinkLoss, LossEstimate};
pub use rate::{Rate, Unknown};
pub use sample::{InterfacePoll, Medium, Reading, Sample, UnreachableReason};
pub use secret::Secret;
pub use sensor::{Limits, Quantity, Sensor, SensorState};
pub use spread::{Percentiles, Spread, UtilizationSpread};
pub use state::{
    DeviceHealth, DeviceState, EndState, GroupState, InterfaceState, LinkHealth, LinkState, Rates, Snapshot,
    SpeedSource,
};
pub use time::{Timestamp, Uptime};
