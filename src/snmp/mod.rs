//! SNMP without input or output: bytes and `now` go in, bytes and deadlines come out.

mod credentials;

pub use credentials::{AuthProtocol, Credentials, PrivProtocol, User};
