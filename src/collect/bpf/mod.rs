//! BPF programs written in plain Rust: no compiler for them, no kernel headers, no object files.
//!
//! ```text
//! btf.rs   what the running kernel says of its own types: offsets, enums, tracepoints (/sys/kernel/btf/vmlinux)
//! asm.rs   instructions with labels, assembled at run time with those offsets
//! ../sys/bpf.rs   bpf(2): maps, loading, attaching
//! ```
//!
//! Absent, on purpose: relocations, sub-programs, loops. What is counted in the kernel is small enough without.

pub mod asm;
pub mod btf;
