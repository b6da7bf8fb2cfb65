//! Every packet that the kernel drops, counted in the kernel by reason, interface, namespace, protocol and place of its
//! code: a program at the tracepoint `kfree_skb`, some 200 ns for each drop and nothing for other packets.
//!
//! ```text
//!   kfree_skb(skb, location, reason, rx_sk) --> per-CPU hash of counts <-- read now and then
//! ```
//!
//! The table is bounded; what finds no room is counted in one number. Entries that stand still are taken out before it
//! is full: what is told is how many more there are than at the last look.

// The program that this file makes may be used under the MIT license or the GPL, version 2, too: the kernel asks for that.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use crate::collect::bpf::asm::{Alu, AssembleError, Assembler, Cond, Reg, Size, helper};
use crate::collect::bpf::btf::{Btf, BtfError};
use crate::collect::sys::bpf::{LoadError, Map, MapKind, Program, ProgramKind};

use Reg::{R0, R1, R2, R3, R4, R6, R7, R8, R10};

/// Different drops that may be told apart at a time: 24 octets and 8 for each processor for each of them.
const ENTRIES: u32 = 4_096;
/// With so many, those that did not change since the last look are taken out.
const CROWDED: usize = ENTRIES as usize * 3 / 4;

/// Why packets cannot be traced, and what to do.
#[derive(Debug)]
pub(super) enum OpenError {
    /// The kernel does not tell its types.
    NoTypes(io::Error),
    /// It tells other types than we know.
    Types(BtfError),
    /// The program is wrong.
    Assemble(AssembleError),
    /// No map.
    Map(io::Error),
    /// The program was not taken.
    Load(LoadError),
    /// It could not be attached.
    Attach(io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const GRANT: &str = "run it as root, or grant CAP_BPF and CAP_PERFMON \
                             (setcap cap_bpf,cap_perfmon,cap_syslog+ep on the binary; CAP_SYSLOG is for the names of functions)";
        // EACCES is the verifier's word against the program.
        let denied = |error: &io::Error| error.raw_os_error() == Some(libc::EPERM);
        match self {
            Self::Map(error) | Self::Attach(error) | Self::Load(LoadError { error, .. }) if denied(error) => {
                write!(f, "the kernel does not let us trace drops: {GRANT}")
            }
            Self::NoTypes(error) => write!(
                f,
                "/sys/kernel/btf/vmlinux cannot be read ({error}): reasons need a kernel with CONFIG_DEBUG_INFO_BTF, 5.17 or newer"
            ),
            Self::Types(error) => write!(f, "this kernel does not name reasons for drops (5.17 and newer do): {error}"),
            Self::Assemble(error) => error.fmt(f),
            Self::Map(error) => write!(f, "the kernel makes no BPF map: {error}"),
            Self::Load(LoadError { error, log }) => {
                write!(f, "the kernel does not take the program that counts drops: {error}: {log}")
            }
            Self::Attach(error) => write!(f, "the program that counts drops cannot be attached to kfree_skb: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}

/// What drops are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    /// Where in the kernel's code.
    pub location: u64,
    /// The namespace's inode; 0 where the packet belonged to none.
    pub namespace: u32,
    /// The interface's index in that namespace; 0 where there was none.
    pub if_index: u32,
    /// The number of the reason.
    pub reason: u32,
    /// Ethernet type.
    pub ether_type: u16,
}

impl Key {
    const LEN: usize = 24;

    fn read(bytes: &[u8]) -> Option<Self> {
        let u32_at = |at: usize| Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
        Some(Self {
            location: u64::from_ne_bytes(*bytes.first_chunk()?),
            namespace: u32_at(8)?,
            if_index: u32_at(12)?,
            reason: u32_at(16)?,
            // As it is in the packet.
            ether_type: u16::from_be_bytes(*bytes.get(20..)?.first_chunk()?),
        })
    }
}

/// Where in the kernel's structures the things lie that are counted by.
struct Layout {
    tracepoint: u32,
    arguments: usize,
    skb_dev: i16,
    skb_iif: i16,
    skb_sk: i16,
    skb_protocol: i16,
    dev_index: i16,
    dev_net: i16,
    sock_net: i16,
    net_inode: i16,
}

impl Layout {
    fn read(btf: &Btf) -> Result<Self, BtfError> {
        let (tracepoint, arguments) = btf.tracepoint("kfree_skb")?;
        let namespace = btf.offset("net", &["ns", "inum"]);
        Ok(Self {
            tracepoint,
            arguments,
            skb_dev: btf.offset("sk_buff", &["dev"])?,
            skb_iif: btf.offset("sk_buff", &["skb_iif"])?,
            skb_sk: btf.offset("sk_buff", &["sk"])?,
            skb_protocol: btf.offset("sk_buff", &["protocol"])?,
            dev_index: btf.offset("net_device", &["ifindex"])?,
            dev_net: btf.offset("net_device", &["nd_net", "net"])?,
            sock_net: btf.offset("sock", &["__sk_common", "skc_net", "net"])?,
            net_inode: namespace?,
        })
    }
}

/// The program. What a pointer leads to that leads nowhere reads as 0: the kernel sees to that.
fn program(layout: &Layout, counts: &Map, overflow: &Map) -> Result<Vec<u64>, AssembleError> {
    const KEY: i16 = -24;
    const NAMESPACE: i16 = KEY + 8;
    const INTERFACE: i16 = KEY + 12;
    const VALUE: i16 = -32;
    const ZERO: i16 = -40;
    let mut asm = Assembler::new();
    let (of_socket, of_reader, named, insert, end) = (asm.label(), asm.label(), asm.label(), asm.label(), asm.label());
    asm.mov(R6, R1).load(Size::U64, R7, R6, 0);
    asm.load(Size::U64, R1, R6, 8).store(Size::U64, R10, KEY, R1);
    asm.store(Size::U32, R10, NAMESPACE, 0);
    asm.load(Size::U32, R1, R7, layout.skb_iif).store(Size::U32, R10, INTERFACE, R1);
    asm.load(Size::U64, R1, R6, 16).store(Size::U32, R10, KEY + 16, R1);
    asm.load(Size::U16, R1, R7, layout.skb_protocol).store(Size::U16, R10, KEY + 20, R1);
    asm.store(Size::U16, R10, KEY + 22, 0);
    // The interface where the packet is, else where it came in. A queued packet's pointer may be another thing's number: then
    // what it leads to reads as 0.
    asm.load(Size::U64, R8, R7, layout.skb_dev).jump_if(Cond::Eq, R8, 0, of_socket);
    asm.load(Size::U32, R1, R8, layout.dev_index).jump_if(Cond::Eq, R1, 0, of_socket);
    asm.store(Size::U32, R10, INTERFACE, R1);
    // The namespace: of the interface, of the packet's socket, of the socket that should have had it.
    asm.load(Size::U64, R1, R8, layout.dev_net).jump_if(Cond::Eq, R1, 0, of_socket);
    asm.load(Size::U32, R1, R1, layout.net_inode).jump_if(Cond::Eq, R1, 0, of_socket);
    asm.store(Size::U32, R10, NAMESPACE, R1).jump(named);
    asm.bind(of_socket).load(Size::U64, R1, R7, layout.skb_sk).jump_if(Cond::Eq, R1, 0, of_reader);
    asm.load(Size::U64, R1, R1, layout.sock_net).jump_if(Cond::Eq, R1, 0, of_reader);
    asm.load(Size::U32, R1, R1, layout.net_inode).jump_if(Cond::Eq, R1, 0, of_reader);
    asm.store(Size::U32, R10, NAMESPACE, R1).jump(named);
    asm.bind(of_reader);
    if layout.arguments > 3 {
        asm.load(Size::U64, R1, R6, 24).jump_if(Cond::Eq, R1, 0, named);
        asm.load(Size::U64, R1, R1, layout.sock_net).jump_if(Cond::Eq, R1, 0, named);
        asm.load(Size::U32, R1, R1, layout.net_inode).store(Size::U32, R10, NAMESPACE, R1);
    }
    asm.bind(named);
    // The value is this processor's own, and the program never interrupts itself: no atomics needed.
    asm.load_map(R1, counts.as_fd()).mov(R2, R10).alu(Alu::Add, R2, i32::from(KEY)).call(helper::MAP_LOOKUP);
    asm.jump_if(Cond::Eq, R0, 0, insert);
    asm.load(Size::U64, R1, R0, 0).alu(Alu::Add, R1, 1).store(Size::U64, R0, 0, R1).mov(R0, 0).exit();
    asm.bind(insert).mov(R1, 1).store(Size::U64, R10, VALUE, R1);
    asm.load_map(R1, counts.as_fd()).mov(R2, R10).alu(Alu::Add, R2, i32::from(KEY));
    asm.mov(R3, R10).alu(Alu::Add, R3, i32::from(VALUE)).mov(R4, 0).call(helper::MAP_UPDATE);
    asm.jump_if(Cond::Eq, R0, 0, end);
    asm.store(Size::U32, R10, ZERO, 0).load_map(R1, overflow.as_fd());
    asm.mov(R2, R10).alu(Alu::Add, R2, i32::from(ZERO)).call(helper::MAP_LOOKUP);
    asm.jump_if(Cond::Eq, R0, 0, end);
    asm.load(Size::U64, R1, R0, 0).alu(Alu::Add, R1, 1).store(Size::U64, R0, 0, R1);
    asm.bind(end).mov(R0, 0).exit();
    asm.finish()
}

/// Counts drops for as long as it lives.
pub(super) struct Tracer {
    counts: Map,
    overflow: Map,
    program: Program,
    /// The program is attached for as long as this is open.
    _link: OwnedFd,
    names: HashMap<u32, String>,
    /// The last look.
    before: HashMap<Key, u64>,
}

impl Tracer {
    /// Begin to count.
    pub fn open(root: &Path) -> Result<Self, OpenError> {
        let bytes = std::fs::read(root.join("sys/kernel/btf/vmlinux")).map_err(OpenError::NoTypes)?;
        let btf = Btf::parse(bytes).map_err(OpenError::Types)?;
        let layout = Layout::read(&btf).map_err(OpenError::Types)?;
        let values = btf.values("skb_drop_reason").map_err(OpenError::Types)?;
        let short = |name: &str| name.strip_prefix("SKB_DROP_REASON_").unwrap_or(name).to_owned();
        let names = values.into_iter().map(|(number, name)| (number, short(name))).collect();
        let counts =
            Map::create(MapKind::PerCpuHash, "selvedge_drops", Key::LEN, 8, ENTRIES).map_err(OpenError::Map)?;
        let overflow = Map::create(MapKind::PerCpuArray, "selvedge_over", 4, 8, 1).map_err(OpenError::Map)?;
        let code = program(&layout, &counts, &overflow).map_err(OpenError::Assemble)?;
        let program = Program::load(ProgramKind::Tracepoint(layout.tracepoint), "selvedge_drops", &code);
        let program = program.map_err(OpenError::Load)?;
        let link = program.attach_tracepoint(None).map_err(OpenError::Attach)?;
        Ok(Self { counts, overflow, program, _link: link, names, before: HashMap::new() })
    }

    /// The kernel's name of a reason.
    pub fn name(&self, reason: u32) -> String {
        match self.names.get(&reason) {
            Some(name) => name.clone(),
            // The high half is the number of a subsystem that has reasons of its own.
            None if reason > 0xffff => format!("SUBSYSTEM_{}_REASON_{}", reason >> 16, reason & 0xffff),
            None => format!("REASON_{reason}"),
        }
    }

    /// What was dropped since the last look.
    pub fn read(&mut self) -> io::Result<Vec<(Key, u64)>> {
        let mut keys = Vec::new();
        let mut at: Option<Vec<u8>> = None;
        // Entries that come meanwhile may make the walk longer, but never endless.
        for _ in 0..ENTRIES * 2 {
            let Some(key) = self.counts.next_key(at.as_deref())? else { break };
            keys.push(key.clone());
            at = Some(key);
        }
        let mut told = Vec::new();
        let crowded = keys.len() >= CROWDED;
        for bytes in keys {
            let Some(key) = Key::read(&bytes) else { continue };
            let Some(value) = self.counts.get(&bytes)? else { continue };
            let mut count = sum(&value);
            let before = self.before.get(&key).copied().unwrap_or(0);
            if crowded && count == before {
                // Those that came in between are told now.
                count = self.counts.remove(&bytes)?.map_or(count, |value| sum(&value));
                self.before.remove(&key);
            } else {
                self.before.insert(key, count);
            }
            if count > before {
                told.push((key, count - before));
            }
        }
        Ok(told)
    }

    /// Drops that found no room in the table.
    pub fn overflowed(&self) -> io::Result<u64> {
        Ok(self.overflow.get(&0_u32.to_ne_bytes())?.map_or(0, |value| sum(&value)))
    }

    /// Drops that the kernel did not show, since the program was running on that processor already.
    pub fn missed(&self) -> io::Result<u64> {
        Ok(self.program.missed()?.unwrap_or(0))
    }
}

/// Over all processors.
fn sum(value: &[u8]) -> u64 {
    value.chunks_exact(8).filter_map(|bytes| bytes.first_chunk()).map(|bytes| u64::from_ne_bytes(*bytes)).sum()
}
