//! SNMP without input or output: bytes and `now` go in, bytes and deadlines come out.
//!
//! ```text
//!                 TableWalk, GetList            what to ask, what it meant
//!                        |
//!                     Session       Receiver      Agent      who speaks to whom, what is believed
//!                        |             |            |
//!                       usm -----------+------------+        keys, MACs, ciphers, engine clocks
//!                        |
//!                     message, value, oid, ber               bytes <-> meaning
//! ```
//!
//! Not here: SET (we change nothing on a device), SNMP over TCP, TLS or SSH, access control views.

pub mod agent;
mod ber;
mod credentials;
pub mod get;
pub mod message;
pub mod notification;
pub mod oid;
pub mod session;
pub mod table;
pub mod usm;
mod value;

pub use agent::{Agent, ObjectTree};
pub use ber::DecodeError;
pub use credentials::{AuthProtocol, Credentials, PrivProtocol, User};
pub use get::{GetList, Got};
pub use message::{ErrorStatus, Version};
pub use notification::{Notification, Received, Receiver, Rejected};
pub use oid::{Index, IndexRef, Oid, OidError, OidRef};
pub use session::{Access, Expired, Outcome, Patience, Request, RequestError, RequestId, Response, Session};
pub use table::{Limits, Pace, Progress, Row, TablePlan, TableWalk};
pub use usm::{LocalEngine, UserKeys};
pub use value::{Value, VarBind, VarBindIter, VarBinds};

#[cfg(test)]
mod proving;
