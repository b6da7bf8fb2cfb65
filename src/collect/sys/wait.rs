//! `ppoll(2)`: sleep until one of several descriptors can be read.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::time::Duration;

/// Wait until one of the descriptors can be read or has failed; tells of each whether it has. None of them, if
/// the time passed first or a signal came.
///
/// # Errors
/// What the kernel says; a signal is none.
pub fn readable<const N: usize>(fds: [Option<BorrowedFd<'_>>; N], timeout: Duration) -> io::Result<[bool; N]> {
    // A negative descriptor is passed over by the kernel.
    let mut polled =
        fds.map(|fd| libc::pollfd { fd: fd.map_or(-1, |fd| fd.as_raw_fd()), events: libc::POLLIN, revents: 0 });
    let timeout = libc::timespec {
        tv_sec: timeout.as_secs().min(86_400) as libc::time_t,
        tv_nsec: timeout.subsec_nanos() as libc::c_long,
    };
    // SAFETY: `polled` is an array of N pollfd that lives and is not otherwise used during the call, `timeout` a
    // valid timespec, and a null signal mask leaves the mask as it is. The descriptors are open: they are borrowed.
    let result = unsafe { libc::ppoll(polled.as_mut_ptr(), N as libc::nfds_t, &timeout, std::ptr::null()) };
    if result < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::Interrupted { Ok([false; N]) } else { Err(error) };
    }
    Ok(polled.map(|fd| fd.revents != 0))
}
