//! Any bytes as a recording of a device.
#![no_main]

use libfuzzer_sys::fuzz_target;
use selvedge::simulate::recording;

fuzz_target!(|bytes: &[u8]| {
    let _ = recording::parse(bytes);
});
