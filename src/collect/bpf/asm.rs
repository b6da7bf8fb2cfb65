//! An assembler of BPF instructions (RFC 9669), for programs of a few dozen of them.
//!
//! Jumps go to labels and forward or backward alike; what does not fit (a jump too far, a label that was never bound)
//! is an error of [`Assembler::finish`], never a wrong program.

use std::fmt;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// A register. R1 to R5 are arguments and are lost in calls, R6 to R9 are kept, R10 is the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reg {
    /// What a call and the program return.
    R0,
    /// First argument; the context where the program begins.
    R1,
    /// Second argument.
    R2,
    /// Third argument.
    R3,
    /// Fourth argument.
    R4,
    /// Fifth argument.
    R5,
    /// Kept.
    R6,
    /// Kept.
    R7,
    /// Kept.
    R8,
    /// Kept.
    R9,
    /// The end of the 512 bytes of stack: read only.
    R10,
}

/// The width of a load or a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Size {
    /// One octet.
    U8 = 0x10,
    /// Two.
    U16 = 0x08,
    /// Four.
    U32 = 0x00,
    /// Eight.
    U64 = 0x18,
}

/// Arithmetic on 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Alu {
    /// `+`
    Add = 0x00,
    /// `-`
    Sub = 0x10,
    /// `*`
    Mul = 0x20,
    /// `/`, unsigned; 0 where the divisor is 0.
    Div = 0x30,
    /// `|`
    Or = 0x40,
    /// `&`
    And = 0x50,
    /// `<<`
    Shl = 0x60,
    /// `>>`, unsigned.
    Shr = 0x70,
    /// `%`, unsigned.
    Mod = 0x90,
    /// `^`
    Xor = 0xa0,
    /// The operand itself.
    Mov = 0xb0,
}

/// When a jump is taken; comparisons are unsigned and of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cond {
    /// `==`
    Eq = 0x10,
    /// `>`
    Gt = 0x20,
    /// `>=`
    Ge = 0x30,
    /// `&` is not zero.
    Set = 0x40,
    /// `!=`
    Ne = 0x50,
    /// `<`
    Lt = 0xa0,
    /// `<=`
    Le = 0xb0,
}

/// A register or a number, which is extended with its sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A register.
    Reg(Reg),
    /// A number.
    Imm(i32),
}

impl From<Reg> for Operand {
    fn from(reg: Reg) -> Self {
        Self::Reg(reg)
    }
}

impl From<i32> for Operand {
    fn from(number: i32) -> Self {
        Self::Imm(number)
    }
}

/// Helpers of the kernel, by their numbers in linux/bpf.h.
pub mod helper {
    /// `map_lookup_elem(map, key)`: where the value is, or 0.
    pub const MAP_LOOKUP: i32 = 1;
    /// `map_update_elem(map, key, value, flags)`: 0 if done.
    pub const MAP_UPDATE: i32 = 2;
    /// `ktime_get_ns()`
    pub const KTIME_NS: i32 = 5;
    /// `get_prandom_u32()`
    pub const RANDOM_U32: i32 = 7;
    /// `get_smp_processor_id()`
    pub const PROCESSOR: i32 = 8;
    /// `skb_load_bytes(skb, offset, to, length)`: 0 if done.
    pub const SKB_LOAD_BYTES: i32 = 26;
    /// `ringbuf_reserve(map, size, 0)`: where to write, or 0 if there is no room.
    pub const RINGBUF_RESERVE: i32 = 131;
    /// `ringbuf_submit(record, flags)`
    pub const RINGBUF_SUBMIT: i32 = 132;
    /// `ringbuf_discard(record, flags)`
    pub const RINGBUF_DISCARD: i32 = 133;
}

/// A place to jump to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(usize);

/// Why a program cannot be assembled: always a mistake in our own code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssembleError {
    /// A label is jumped to and bound nowhere.
    Unbound,
    /// A jump is longer than an instruction can say.
    TooFar,
}

impl fmt::Display for AssembleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unbound => "a jump leads nowhere",
            Self::TooFar => "a jump is too long",
        })
    }
}

impl std::error::Error for AssembleError {}

/// Takes instructions in their order.
#[derive(Debug, Default)]
pub struct Assembler {
    code: Vec<u64>,
    labels: Vec<Option<usize>>,
    jumps: Vec<(usize, Label)>,
}

const LOAD_WIDE: u8 = 0x18;
const LOAD: u8 = 0x61;
const STORE_NUMBER: u8 = 0x62;
const STORE: u8 = 0x63;
const ATOMIC: u8 = 0xc3;
const ALU64: u8 = 0x07;
const JUMP: u8 = 0x05;
const TO_BIG_ENDIAN: u8 = 0xdc;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
const FROM_REGISTER: u8 = 0x08;
/// The source register of a wide load whose number is the descriptor of a map.
const MAP_DESCRIPTOR: u8 = 1;

impl Assembler {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn push(&mut self, code: u8, to: Reg, from: u8, offset: i16, number: i32) -> &mut Self {
        let registers = if cfg!(target_endian = "little") { from << 4 | to as u8 } else { (to as u8) << 4 | from };
        let [o0, o1] = offset.to_ne_bytes();
        let [n0, n1, n2, n3] = number.to_ne_bytes();
        self.code.push(u64::from_ne_bytes([code, registers, o0, o1, n0, n1, n2, n3]));
        self
    }

    /// `to = to OP with`
    pub fn alu(&mut self, op: Alu, to: Reg, with: impl Into<Operand>) -> &mut Self {
        match with.into() {
            Operand::Reg(from) => self.push(ALU64 | FROM_REGISTER | op as u8, to, from as u8, 0, 0),
            Operand::Imm(number) => self.push(ALU64 | op as u8, to, 0, 0, number),
        }
    }

    /// `to = from`
    pub fn mov(&mut self, to: Reg, from: impl Into<Operand>) -> &mut Self {
        self.alu(Alu::Mov, to, from)
    }

    /// `to = number`, of 64 bits.
    pub fn mov_wide(&mut self, to: Reg, number: u64) -> &mut Self {
        self.push(LOAD_WIDE, to, 0, 0, number as u32 as i32).push(0, Reg::R0, 0, 0, (number >> 32) as i32)
    }

    /// `to = map`; the map must stay open until the program is loaded.
    pub fn load_map(&mut self, to: Reg, map: BorrowedFd<'_>) -> &mut Self {
        self.push(LOAD_WIDE, to, MAP_DESCRIPTOR, 0, map.as_raw_fd()).push(0, Reg::R0, 0, 0, 0)
    }

    /// `to = *(from + offset)`
    pub fn load(&mut self, size: Size, to: Reg, from: Reg, offset: i16) -> &mut Self {
        self.push(LOAD | size as u8, to, from as u8, offset, 0)
    }

    /// `*(to + offset) = from`
    pub fn store(&mut self, size: Size, to: Reg, offset: i16, from: impl Into<Operand>) -> &mut Self {
        match from.into() {
            Operand::Reg(from) => self.push(STORE | size as u8, to, from as u8, offset, 0),
            Operand::Imm(number) => self.push(STORE_NUMBER | size as u8, to, 0, offset, number),
        }
    }

    /// `*(to + offset) += from`, at once, of four or eight octets.
    pub fn atomic_add(&mut self, size: Size, to: Reg, offset: i16, from: Reg) -> &mut Self {
        self.push(ATOMIC | size as u8, to, from as u8, offset, 0)
    }

    /// The lowest `bits` (16, 32, 64) from the network's order, or into it; the others become 0.
    pub fn network_order(&mut self, to: Reg, bits: i32) -> &mut Self {
        self.push(TO_BIG_ENDIAN, to, 0, 0, bits)
    }

    /// Call a helper of the kernel.
    pub fn call(&mut self, helper: i32) -> &mut Self {
        self.push(CALL, Reg::R0, 0, 0, helper)
    }

    /// The end; R0 is the result.
    pub fn exit(&mut self) -> &mut Self {
        self.push(EXIT, Reg::R0, 0, 0, 0)
    }

    /// A label, to be bound once.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// The label is here.
    pub fn bind(&mut self, label: Label) -> &mut Self {
        self.labels[label.0] = Some(self.code.len());
        self
    }

    /// Go there.
    pub fn jump(&mut self, to: Label) -> &mut Self {
        self.jumps.push((self.code.len(), to));
        self.push(JUMP, Reg::R0, 0, 0, 0)
    }

    /// Go there if `reg COND with`.
    pub fn jump_if(&mut self, cond: Cond, reg: Reg, with: impl Into<Operand>, to: Label) -> &mut Self {
        self.jumps.push((self.code.len(), to));
        match with.into() {
            Operand::Reg(from) => self.push(JUMP | FROM_REGISTER | cond as u8, reg, from as u8, 0, 0),
            Operand::Imm(number) => self.push(JUMP | cond as u8, reg, 0, 0, number),
        }
    }

    /// The program.
    ///
    /// # Errors
    /// A jump that cannot be.
    pub fn finish(mut self) -> Result<Vec<u64>, AssembleError> {
        for (at, label) in self.jumps {
            let target = self.labels[label.0].ok_or(AssembleError::Unbound)?;
            let distance = i16::try_from(target as i64 - at as i64 - 1).map_err(|_| AssembleError::TooFar)?;
            let mut bytes = self.code[at].to_ne_bytes();
            bytes[2..4].copy_from_slice(&distance.to_ne_bytes());
            self.code[at] = u64::from_ne_bytes(bytes);
        }
        Ok(self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::Reg::*;
    use super::*;

    /// RFC 9669, section 3: opcode, registers, offset, number.
    fn shown(code: &[u64]) -> Vec<(u8, u8, u8, i16, i32)> {
        let fields = |word: &u64| {
            let b = word.to_ne_bytes();
            let (to, from) =
                if cfg!(target_endian = "little") { (b[1] & 15, b[1] >> 4) } else { (b[1] >> 4, b[1] & 15) };
            (b[0], to, from, i16::from_ne_bytes([b[2], b[3]]), i32::from_ne_bytes([b[4], b[5], b[6], b[7]]))
        };
        code.iter().map(fields).collect()
    }

    #[test]
    fn instructions_as_the_standard_spells_them() {
        let mut asm = Assembler::new();
        asm.mov(R6, R1).load(Size::U64, R7, R6, 8).store(Size::U32, R10, -4, R7).store(Size::U16, R10, -8, 7);
        asm.alu(Alu::Add, R2, -24).atomic_add(Size::U64, R0, 16, R1).mov_wide(R3, 0x1_8000_0002).call(1);
        asm.network_order(R4, 16).exit();
        assert_eq!(
            shown(&asm.finish().unwrap()),
            [
                (0xbf, 6, 1, 0, 0),
                (0x79, 7, 6, 8, 0),
                (0x63, 10, 7, -4, 0),
                (0x6a, 10, 0, -8, 7),
                (0x07, 2, 0, 0, -24),
                (0xdb, 0, 1, 16, 0),
                (0x18, 3, 0, 0, i32::MIN + 2),
                (0, 0, 0, 0, 1),
                (0x85, 0, 0, 0, 1),
                (0xdc, 4, 0, 0, 16),
                (0x95, 0, 0, 0, 0),
            ]
        );
    }

    #[test]
    fn jumps_find_their_labels_or_fail() {
        let mut asm = Assembler::new();
        let (back, on) = (asm.label(), asm.label());
        asm.bind(back).jump_if(Cond::Ne, R1, 0, on).jump(back).bind(on).exit();
        let code = shown(&asm.finish().unwrap());
        assert_eq!((code[0].0, code[0].3, code[1].0, code[1].3), (0x55, 1, 0x05, -2));

        let mut asm = Assembler::new();
        let nowhere = asm.label();
        asm.jump(nowhere);
        assert_eq!(asm.finish(), Err(AssembleError::Unbound));

        let mut asm = Assembler::new();
        let far = asm.label();
        asm.jump(far);
        for _ in 0..40_000 {
            asm.exit();
        }
        asm.bind(far).exit();
        assert_eq!(asm.finish(), Err(AssembleError::TooFar));
    }
}
