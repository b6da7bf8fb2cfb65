//! What is read of a device as single instances, and what has been learned of it so far.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use super::client::{Client, reason};
use crate::fabric::{
    ChassisId, DeviceIdentity, InterfaceInfo, Labels, ManagementAddress, Timestamp, UnreachableReason, Uptime,
};
use crate::mib::interfaces::{IF_NUMBER, IF_TABLE_LAST_CHANGE};
use crate::mib::lldp::{self, LocalPorts};
use crate::mib::plan::optional_columns;
use crate::mib::{Column, ip, system, value};
use crate::snmp::{Got, Oid, Request, RequestError, Value};

/// Scalars that tell of a change, for a poll to read along with sysUpTime: only those that the device has.
pub const CHANGE_SCALARS: [Column; 3] = [IF_NUMBER, IF_TABLE_LAST_CHANGE, lldp::REM_TABLES_LAST_CHANGE];

/// Who a device is, by its scalars.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// sysName, trimmed; may be empty.
    pub sys_name: String,
    /// sysDescr; may be empty.
    pub sys_descr: String,
    /// sysName and sysDescr to the letter, control characters and all.
    pub sent: (String, String),
    /// sysObjectID in dotted form; may be empty.
    pub sys_object_id: String,
    /// sysUpTime.
    pub uptime: Option<Uptime>,
    /// lldpLocChassisId.
    pub chassis_id: Option<ChassisId>,
    /// The ifIndex of the interface that carries the address we poll.
    pub management_if_index: Option<u32>,
    /// Which of `CHANGE_SCALARS` it has.
    pub change_scalars: Vec<Column>,
    /// When the answer came.
    pub taken_at: Timestamp,
}

/// Why a device did not say who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskError {
    /// A request failed.
    Request(RequestError),
    /// It answers, and shows us nothing: the user's or community's view is empty, or more security is asked for.
    Denied,
}

impl AskError {
    /// What that says of the device.
    pub fn reason(&self) -> UnreachableReason {
        match self {
            Self::Request(error) => reason(error),
            Self::Denied => UnreachableReason::Authentication,
        }
    }
}

/// Ask a device who it is.
///
/// # Errors
/// It does not answer, or shows nothing.
pub async fn ask(client: &mut Client) -> Result<Facts, AskError> {
    let scalars = [system::SYS_UP_TIME, system::SYS_NAME, system::SYS_DESCR, system::SYS_OBJECT_ID];
    let lldp = [lldp::LOC_CHASSIS_ID_SUBTYPE, lldp::LOC_CHASSIS_ID];
    let mut names: Vec<Oid> = scalars.iter().chain(&lldp).chain(&CHANGE_SCALARS).map(Column::object_id).collect();
    // The address may be one that no instance can spell; then there is nothing to ask.
    names.extend(Oid::from_arcs(&ip::if_index_instance(client.address().ip())));

    let mut facts = Facts::default();
    let mut shown = false;
    let (mut subtype, mut chassis) = (0, Vec::new());
    client
        .get(names, |place, got, at| {
            let Got::Value(value) = got else { return };
            facts.taken_at = at;
            shown |= place < scalars.len() && !value.is_exception();
            match place {
                0 => facts.uptime = value::unsigned(&value).map(Uptime),
                1 => (facts.sys_name, facts.sent.0) = (value::text(&value), value::exact_text(&value)),
                2 => (facts.sys_descr, facts.sent.1) = (value::text(&value), value::exact_text(&value)),
                3 => facts.sys_object_id = if let Value::Oid(oid) = value { oid.to_string() } else { String::new() },
                4 => subtype = value::unsigned(&value).unwrap_or(0),
                5 => chassis = value::octets(&value).unwrap_or_default().to_vec(),
                6..=8 if value::unsigned(&value).is_some() => facts.change_scalars.push(CHANGE_SCALARS[place - 6]),
                9 => facts.management_if_index = value::unsigned(&value),
                _ => {}
            }
        })
        .await
        .map_err(AskError::Request)?;
    if !shown {
        return Err(AskError::Denied);
    }
    facts.chassis_id = lldp::local_chassis(subtype, &chassis);
    Ok(facts)
}

/// Ask which of the columns that not every device has this one has.
///
/// # Errors
/// It does not answer.
pub async fn ask_optional_columns(client: &mut Client) -> Result<HashSet<Column>, RequestError> {
    let columns = optional_columns();
    let names: Vec<Oid> = columns.iter().map(Column::object_id).collect();
    let id = client.ask(&Request::GetNext(&names)).await;
    client
        .answer(id, |response, _| {
            if response.varbinds.is_empty() || response.error_status.0 != 0 {
                // It answers, but not to this: ask every poll for all of them.
                return columns.iter().copied().collect();
            }
            let found = columns.iter().zip(&names).zip(response.varbinds.iter());
            found
                .filter(|((_, asked), got)| {
                    got.as_ref()
                        .is_ok_and(|got| !got.value.is_exception() && got.name.strip_prefix(asked.as_ref()).is_some())
                })
                .map(|((column, _), _)| *column)
                .collect()
        })
        .await
}

impl Facts {
    /// Together with what the walks found.
    pub fn identity(
        &self,
        address: SocketAddr,
        labels: &Labels,
        inventory: &[Arc<InterfaceInfo>],
        ports: &LocalPorts,
        addresses: &[ManagementAddress],
    ) -> DeviceIdentity {
        let carries = |info: &&Arc<InterfaceInfo>| Some(info.if_index) == self.management_if_index;
        DeviceIdentity {
            address: Some(address),
            sys_name: self.sys_name.clone(),
            sys_descr: self.sys_descr.clone(),
            sys_object_id: self.sys_object_id.clone(),
            chassis_id: self.chassis_id.clone(),
            local_ports: ports.ids().to_vec(),
            management_addresses: addresses.to_vec(),
            management_interface: inventory.iter().find(carries).map(|info| info.if_name.clone()),
            labels: labels.clone(),
        }
    }
}
