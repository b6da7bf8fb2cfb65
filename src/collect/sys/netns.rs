//! Network namespaces for tests.

use std::io;

/// Give the calling thread, and whatever it starts from now on, a network namespace of its own. It goes when
/// the last thread or process in it ends, so that nothing need be cleaned up.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN.
pub fn unshare_network() -> io::Result<()> {
    // SAFETY: takes a number; of this thread only the network namespace changes.
    let result = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The CPU time that the process' thread with this id has used, as `/proc` tells it, in milliseconds.
pub fn thread_cpu_ms(tid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/self/task/{tid}/schedstat")).unwrap_or_default();
    let nanos: f64 = text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(f64::NAN);
    nanos / 1e6
}

/// Take CAP_NET_RAW from the calling thread and from whatever it starts from now on.
///
/// # Errors
/// What the kernel says.
pub fn drop_net_raw() -> io::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    const NET_RAW: u32 = 1 << 13;
    // struct __user_cap_header_struct and two of struct __user_cap_data_struct (effective, permitted, inheritable).
    let mut header: [u32; 2] = [VERSION_3, 0];
    let mut sets = [[0_u32; 3]; 2];
    // SAFETY: both pointers are to arrays laid out as capget(2) and capset(2) want them in version 3.
    let result = unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    for set in &mut sets[0] {
        *set &= !NET_RAW;
    }
    // SAFETY: as above.
    let result = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
