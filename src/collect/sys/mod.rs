//! System calls that need `unsafe`: the only place in the house that has it. Each wrapper is safe to call,
//! does one thing, and says why it is sound.
#![allow(unsafe_code)]

pub mod bpf;
pub mod mmsg;
#[cfg(test)]
pub mod netns;
pub mod packet;
pub mod wait;
