//! Encryption of scoped PDUs: CBC-DES (RFC 3414 §8) and CFB128-AES (RFC 3826 §3).

use aes::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit, KeyIvInit};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use des::Des;

use crate::snmp::PrivProtocol;

/// A localized key.
pub(in crate::snmp) enum PrivKey {
    Des { key: [u8; 8], pre_iv: [u8; 8] },
    // Boxed: a key schedule is large, and most sessions have none.
    Aes128(Box<Aes128Enc>),
    Aes192(Box<Aes192Enc>),
    Aes256(Box<Aes256Enc>),
}

impl PrivKey {
    /// How many bytes of localized key a protocol takes.
    pub(super) const fn key_size(protocol: PrivProtocol) -> usize {
        match protocol {
            PrivProtocol::Des | PrivProtocol::Aes128 => 16,
            PrivProtocol::Aes192 | PrivProtocol::Aes192Reeder => 24,
            PrivProtocol::Aes256 | PrivProtocol::Aes256Reeder => 32,
        }
    }

    /// From at least [`PrivKey::key_size`] bytes.
    pub(super) fn new(protocol: PrivProtocol, key: &[u8]) -> Self {
        match protocol {
            PrivProtocol::Des => Self::Des { key: part(key), pre_iv: part(&key[8..]) },
            PrivProtocol::Aes128 => Self::Aes128(Box::new(Aes128Enc::new(&part::<16>(key).into()))),
            PrivProtocol::Aes192 | PrivProtocol::Aes192Reeder => {
                Self::Aes192(Box::new(Aes192Enc::new(&part::<24>(key).into())))
            }
            PrivProtocol::Aes256 | PrivProtocol::Aes256Reeder => {
                Self::Aes256(Box::new(Aes256Enc::new(&part::<32>(key).into())))
            }
        }
    }

    /// The salt that a message with this engine boots is encrypted with.
    pub(super) fn salt(&self, boots: u32, salts: &mut Salts) -> [u8; 8] {
        let counter = salts.next();
        match self {
            Self::Des { .. } => (u64::from(boots) << 32 | counter & 0xffff_ffff).to_be_bytes(),
            _ => counter.to_be_bytes(),
        }
    }

    /// How many bytes of padding follow a text of this length.
    pub(super) fn padding(&self, length: usize) -> usize {
        match self {
            Self::Des { .. } => length.next_multiple_of(8) - length,
            _ => 0,
        }
    }

    /// Encrypt in place; the length must be what [`PrivKey::padding`] makes of it.
    pub(super) fn encrypt(&self, boots: u32, time: u32, salt: [u8; 8], data: &mut [u8]) {
        let iv = aes_iv(boots, time, salt).into();
        match self {
            Self::Des { key, pre_iv } => {
                let mut cbc = cbc::Encryptor::<Des>::new(&(*key).into(), &des_iv(*pre_iv, salt).into());
                let (blocks, _) = Array::slice_as_chunks_mut(data);
                cbc.encrypt_blocks(blocks);
            }
            Self::Aes128(aes) => cfb_mode::Encryptor::inner_iv_init(&**aes, &iv).encrypt(data),
            Self::Aes192(aes) => cfb_mode::Encryptor::inner_iv_init(&**aes, &iv).encrypt(data),
            Self::Aes256(aes) => cfb_mode::Encryptor::inner_iv_init(&**aes, &iv).encrypt(data),
        }
    }

    /// Decrypt in place; false where the length cannot be a ciphertext's. (Whether the key was right shows
    /// when the text is decoded.)
    #[must_use]
    pub(super) fn decrypt(&self, boots: u32, time: u32, salt: [u8; 8], data: &mut [u8]) -> bool {
        let iv = aes_iv(boots, time, salt).into();
        match self {
            Self::Des { key, pre_iv } => {
                let mut cbc = cbc::Decryptor::<Des>::new(&(*key).into(), &des_iv(*pre_iv, salt).into());
                let (blocks, rest) = Array::slice_as_chunks_mut(data);
                cbc.decrypt_blocks(blocks);
                return rest.is_empty();
            }
            Self::Aes128(aes) => cfb_mode::Decryptor::inner_iv_init(&**aes, &iv).decrypt(data),
            Self::Aes192(aes) => cfb_mode::Decryptor::inner_iv_init(&**aes, &iv).decrypt(data),
            Self::Aes256(aes) => cfb_mode::Decryptor::inner_iv_init(&**aes, &iv).decrypt(data),
        }
        true
    }
}

/// Salts that do not repeat while a key lives: a counter with a random start.
#[derive(Clone, Copy, Debug)]
pub(in crate::snmp) struct Salts(u64);

impl Salts {
    pub(in crate::snmp) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        self.0
    }
}

fn part<const N: usize>(key: &[u8]) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&key[..N]);
    part
}

fn des_iv(pre_iv: [u8; 8], salt: [u8; 8]) -> [u8; 8] {
    (u64::from_be_bytes(pre_iv) ^ u64::from_be_bytes(salt)).to_be_bytes()
}

fn aes_iv(boots: u32, time: u32, salt: [u8; 8]) -> [u8; 16] {
    (u128::from(boots) << 96 | u128::from(time) << 64 | u128::from(u64::from_be_bytes(salt))).to_be_bytes()
}
