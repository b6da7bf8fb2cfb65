//! Any bytes as an LLDP frame.
#![no_main]

use libfuzzer_sys::fuzz_target;
use selvedge::collect::host::lldpdu::Lldpdu;

fuzz_target!(|bytes: &[u8]| {
    let _ = Lldpdu::parse(bytes);
});
