//! `bpf(2)`: maps, and programs that are loaded and attached.
//!
//! The union that the call takes is written as words at the offsets of linux/bpf.h, which never change; what is
//! behind those that we fill in is zero, which the kernel takes for absent.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

/// The words of the union, more than any kernel's.
const WORDS: usize = 20;
/// What the verifier has to say, at most.
const LOG_LEN: usize = 256 << 10;

const MAP_CREATE: libc::c_long = 0;
const MAP_LOOKUP: libc::c_long = 1;
const MAP_UPDATE: libc::c_long = 2;
const MAP_DELETE: libc::c_long = 3;
const MAP_NEXT_KEY: libc::c_long = 4;
const PROG_LOAD: libc::c_long = 5;
const GET_INFO: libc::c_long = 15;
const RAW_TRACEPOINT_OPEN: libc::c_long = 17;
const MAP_LOOKUP_AND_DELETE: libc::c_long = 21;

/// The argument of a call.
#[derive(Default)]
struct Attr([u64; WORDS]);

impl Attr {
    fn u32(mut self, at: usize, value: u32) -> Self {
        let mut bytes = self.0[at / 8].to_ne_bytes();
        bytes[at % 8..at % 8 + 4].copy_from_slice(&value.to_ne_bytes());
        self.0[at / 8] = u64::from_ne_bytes(bytes);
        self
    }

    fn fd(self, at: usize, fd: &impl AsFd) -> Self {
        self.u32(at, fd.as_fd().as_raw_fd() as u32)
    }

    fn u64(mut self, at: usize, value: u64) -> Self {
        self.0[at / 8] = value;
        self
    }

    fn pointer<T>(self, at: usize, to: *const T) -> Self {
        self.u64(at, to as u64)
    }

    /// A name of at most 15 letters, digits, `_` and `.`.
    fn name(mut self, at: usize, name: &str) -> Self {
        for (index, byte) in name.bytes().take(15).enumerate() {
            let place = at + index;
            let mut bytes = self.0[place / 8].to_ne_bytes();
            bytes[place % 8] = byte;
            self.0[place / 8] = u64::from_ne_bytes(bytes);
        }
        self
    }

    /// # Safety
    /// Each pointer in it is to memory that lives during the call and is as long as the command reads or writes there.
    unsafe fn call(mut self, command: libc::c_long) -> io::Result<libc::c_long> {
        // SAFETY: the pointer and the length are those of the words, which live during the call; what they point to is
        // the caller's promise.
        let result = unsafe { libc::syscall(libc::SYS_bpf, command, self.0.as_mut_ptr(), size_of::<[u64; WORDS]>()) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
    }
}

/// # Safety
/// The number is that of a descriptor that was just made, which nobody else has.
unsafe fn owned(fd: libc::c_long) -> OwnedFd {
    // SAFETY: the caller's promise.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

/// Kinds of maps, by their numbers in linux/bpf.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MapKind {
    /// By any key.
    Hash = 1,
    /// By number.
    Array = 2,
    /// By any key, with a value for each processor.
    PerCpuHash = 5,
    /// By number, with a value for each processor.
    PerCpuArray = 6,
}

/// A map: memory that programs in the kernel share with us.
#[derive(Debug)]
pub struct Map {
    fd: OwnedFd,
    key_len: usize,
    value_len: usize,
    /// Octets that a look at a value is answered with.
    answer_len: usize,
}

impl Map {
    /// Make one, all of its memory at once.
    ///
    /// # Errors
    /// EPERM without CAP_BPF; what else the kernel says.
    pub fn create(kind: MapKind, name: &str, key_len: usize, value_len: usize, entries: u32) -> io::Result<Self> {
        let attr = Attr::default()
            .u32(0, kind as u32)
            .u32(4, key_len as u32)
            .u32(8, value_len as u32)
            .u32(12, entries)
            .name(28, name);
        // SAFETY: no pointers in it; the descriptor is new.
        let fd = unsafe { owned(attr.call(MAP_CREATE)?) };
        let per_cpu = matches!(kind, MapKind::PerCpuHash | MapKind::PerCpuArray);
        let answer_len = if per_cpu { value_len.next_multiple_of(8) * possible_cpus()? } else { value_len };
        Ok(Self { fd, key_len, value_len, answer_len })
    }

    /// The value at a key: its octets, those of each processor behind each other, each rounded up to eight. None if
    /// there is no such key.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.take(key, MAP_LOOKUP)
    }

    /// The same, and the entry is gone. Linux 5.14 has it for hashes.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn remove(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.take(key, MAP_LOOKUP_AND_DELETE)
    }

    fn take(&self, key: &[u8], command: libc::c_long) -> io::Result<Option<Vec<u8>>> {
        self.check(key)?;
        let mut value = vec![0_u8; self.answer_len];
        let attr = Attr::default().fd(0, &self.fd).pointer(8, key.as_ptr()).pointer(16, value.as_mut_ptr());
        // SAFETY: the key is as long as the map's keys, the value as long as its answers; both live during the call.
        match unsafe { attr.call(command) } {
            Ok(_) => Ok(Some(value)),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Put a value at a key, in a map without values for each processor.
    ///
    /// # Errors
    /// E2BIG where it is full; what else the kernel says.
    pub fn put(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.check(key)?;
        if value.len() != self.value_len || self.answer_len != self.value_len {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let attr = Attr::default().fd(0, &self.fd).pointer(8, key.as_ptr()).pointer(16, value.as_ptr());
        // SAFETY: key and value are as long as the map's and live during the call.
        unsafe { attr.call(MAP_UPDATE) }.map(drop)
    }

    /// Delete an entry; true if it was there.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn delete(&self, key: &[u8]) -> io::Result<bool> {
        self.check(key)?;
        let attr = Attr::default().fd(0, &self.fd).pointer(8, key.as_ptr());
        // SAFETY: the key is as long as the map's and lives during the call.
        match unsafe { attr.call(MAP_DELETE) } {
            Ok(_) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The key after this one, or the first. After one that is gone comes the first again.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn next_key(&self, after: Option<&[u8]>) -> io::Result<Option<Vec<u8>>> {
        if let Some(key) = after {
            self.check(key)?;
        }
        let mut next = vec![0_u8; self.key_len];
        let after = after.map_or(std::ptr::null(), <[u8]>::as_ptr);
        let attr = Attr::default().fd(0, &self.fd).pointer(8, after).pointer(16, next.as_mut_ptr());
        // SAFETY: both keys are as long as the map's and live during the call; null is the key before the first.
        match unsafe { attr.call(MAP_NEXT_KEY) } {
            Ok(_) => Ok(Some(next)),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn check(&self, key: &[u8]) -> io::Result<()> {
        if key.len() == self.key_len { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// How many processors the kernel keeps values for.
fn possible_cpus() -> io::Result<usize> {
    // `0-3` or `0-3,8-11` or `0`; the kernel answers up to the highest.
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible")?;
    let last = text.trim().rsplit([',', '-']).next().and_then(|word| word.parse::<usize>().ok());
    last.filter(|last| *last < 1 << 16)
        .map(|last| last + 1)
        .ok_or_else(|| io::Error::other("the kernel does not say how many processors there can be"))
}

/// Kinds of programs, with what they are attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramKind {
    /// A tracepoint with types (`tp_btf`), by the id of its type.
    Tracepoint(u32),
    /// A tracepoint without types, whose arguments are numbers.
    RawTracepoint,
    /// A traffic-control program (`tcx`).
    Traffic,
}

/// Why a program was not taken: the kernel's error, and what the verifier said of it.
#[derive(Debug)]
pub struct LoadError {
    /// The error.
    pub error: io::Error,
    /// The end of the verifier's log; empty where it never came to it.
    pub log: String,
}

/// A loaded program.
#[derive(Debug)]
pub struct Program(OwnedFd);

impl Program {
    /// Load it.
    ///
    /// # Errors
    /// EPERM without CAP_BPF and, for what traces, CAP_PERFMON; what the verifier has against it.
    pub fn load(kind: ProgramKind, name: &str, code: &[u64]) -> Result<Self, LoadError> {
        let attempt = |log: &mut [u8]| {
            // The kernel's structures are open to programs under its own license alone, so what traces is given under that
            // too; the rest is under the project's.
            let license = match kind {
                ProgramKind::Tracepoint(_) | ProgramKind::RawTracepoint => c"Dual MIT/GPL",
                ProgramKind::Traffic => c"Apache-2.0",
            };
            let (number, expected, type_id) = match kind {
                ProgramKind::Tracepoint(id) => (26, 23, id),
                ProgramKind::RawTracepoint => (17, 0, 0),
                ProgramKind::Traffic => (3, 46, 0),
            };
            let mut attr = Attr::default()
                .u32(0, number)
                .u32(4, code.len() as u32)
                .pointer(8, code.as_ptr())
                .pointer(16, license.as_ptr())
                .name(48, name)
                .u32(68, expected)
                .u32(108, type_id);
            if !log.is_empty() {
                attr = attr.u32(24, 1).u32(28, log.len() as u32).pointer(32, log.as_mut_ptr());
            }
            // SAFETY: instructions, license and log live during the call and have the lengths given with them; the
            // descriptor is new.
            unsafe { attr.call(PROG_LOAD).map(|fd| owned(fd)) }
        };
        match attempt(&mut []) {
            Ok(fd) => Ok(Self(fd)),
            Err(error) => {
                let mut log = vec![0; LOG_LEN];
                let _ = attempt(&mut log);
                let text = String::from_utf8_lossy(&log);
                let lines: Vec<&str> = text.trim_end_matches('\0').lines().collect();
                let log = lines[lines.len().saturating_sub(4)..].join("; ");
                Err(LoadError { error, log })
            }
        }
    }

    /// Attach a tracepoint's program: by name where it has no types. It ends with what is returned.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn attach_tracepoint(&self, name: Option<&std::ffi::CStr>) -> io::Result<OwnedFd> {
        let name = name.map_or(std::ptr::null(), std::ffi::CStr::as_ptr);
        let attr = Attr::default().pointer(0, name).fd(8, &self.0);
        // SAFETY: the name ends with a zero and lives during the call, or is null; the descriptor is new.
        unsafe { attr.call(RAW_TRACEPOINT_OPEN).map(|fd| owned(fd)) }
    }

    /// How often it was not run since it was running on that processor already; none where the kernel (before 5.12) does
    /// not tell.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn missed(&self) -> io::Result<Option<u64>> {
        /// Where `recursion_misses` lies in `struct bpf_prog_info`, words.
        const AT: usize = 208 / 8;
        let mut info = [0_u64; AT + 1];
        let attr = Attr::default().fd(0, &self.0).u32(4, size_of_val(&info) as u32).pointer(8, info.as_mut_ptr());
        // SAFETY: the memory lives during the call and has the length given with it; all of its words are zero, so that the
        // kernel writes to no pointers in it.
        unsafe { attr.call(GET_INFO) }?;
        Ok(Some(info[AT]))
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::bpf::asm::{Assembler, Reg};

    /// Without the rights there is nothing to test here.
    fn map(kind: MapKind) -> Option<Map> {
        Map::create(kind, "selvedge_test", 4, 8, 4).ok()
    }

    #[test]
    fn a_map_keeps_what_is_put_until_it_is_full() {
        let Some(map) = map(MapKind::Hash) else { return };
        for key in 0..4_u32 {
            map.put(&key.to_ne_bytes(), &u64::from(key).to_ne_bytes()).unwrap();
        }
        let full = map.put(&9_u32.to_ne_bytes(), &[0; 8]).unwrap_err();
        assert_eq!(full.raw_os_error(), Some(libc::E2BIG));
        assert!(map.put(&[0; 3], &[0; 8]).is_err() && map.put(&[0; 4], &[0; 9]).is_err());
        let mut keys = Vec::new();
        let mut at = None;
        while let Some(key) = map.next_key(at.as_deref()).unwrap() {
            keys.push(u32::from_ne_bytes(*key.first_chunk().unwrap()));
            at = Some(key);
        }
        keys.sort_unstable();
        assert_eq!(keys, [0, 1, 2, 3]);
        assert_eq!(map.remove(&2_u32.to_ne_bytes()).unwrap(), Some(2_u64.to_ne_bytes().to_vec()));
        assert_eq!(map.get(&2_u32.to_ne_bytes()).unwrap(), None);
        assert!(map.delete(&1_u32.to_ne_bytes()).unwrap() && !map.delete(&1_u32.to_ne_bytes()).unwrap());
    }

    #[test]
    fn a_map_with_values_for_each_processor_answers_all_of_them() {
        let Some(map) = map(MapKind::PerCpuArray) else { return };
        let value = map.get(&0_u32.to_ne_bytes()).unwrap().unwrap();
        assert_eq!(value, vec![0; 8 * possible_cpus().unwrap()]);
    }

    #[test]
    fn the_verifier_says_what_it_has_against_a_program() {
        if map(MapKind::Hash).is_none() {
            return;
        }
        let mut asm = Assembler::new();
        asm.mov(Reg::R0, Reg::R5).exit();
        let error = Program::load(ProgramKind::Traffic, "bad", &asm.finish().unwrap()).unwrap_err();
        assert!(error.log.contains("R5 !read_ok"), "{error:?}");
        let mut asm = Assembler::new();
        asm.mov(Reg::R0, -1).exit();
        let program = Program::load(ProgramKind::Traffic, "good", &asm.finish().unwrap()).unwrap();
        assert_eq!(program.missed().unwrap(), Some(0));
    }
}
