//! Keys of tables that are as good as random: no table need hash them again.

use std::hash::{BuildHasher, Hash, Hasher};

use super::secret::Digest;

/// A digest, as a key of a table. It is a part of an HMAC, and nobody without the signing key
/// chooses one.
#[derive(PartialEq, Eq)]
pub struct Place([u8; Digest::LEN]);

impl Place {
    /// Of this digest.
    pub const fn of(digest: &Digest) -> Self {
        Self(*digest.as_bytes())
    }

    /// The digest of which it is.
    pub const fn digest(&self) -> Digest {
        Digest::from_bytes(self.0)
    }
}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(first) = self.0.first_chunk() {
            state.write_u64(u64::from_ne_bytes(*first));
        }
    }
}

/// Hashes what nobody outside can choose, and what is spread evenly, by its own bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnBits;

/// What [`OwnBits`] hashes with: it keeps the last number that it is given.
#[derive(Debug, Default)]
pub struct Bits(u64);

impl BuildHasher for OwnBits {
    type Hasher = Bits;

    fn build_hasher(&self) -> Bits {
        Bits::default()
    }
}

impl Hasher for Bits {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, bits: u64) {
        self.0 = bits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_hashed_by_its_first_bits_and_compared_by_all() {
        let mut bytes = [7; Digest::LEN];
        let one = Place::of(&Digest::from_bytes(bytes));
        assert_eq!(OwnBits.hash_one(&one), u64::from_ne_bytes([7; 8]));
        if let Some(last) = bytes.last_mut() {
            *last = 8;
        }
        let other = Place::of(&Digest::from_bytes(bytes));
        assert_eq!(OwnBits.hash_one(&one), OwnBits.hash_one(&other));
        assert!(one != other && one == Place::of(&one.digest()));
    }

    #[test]
    fn other_keys_are_told_apart_too() {
        assert_ne!(OwnBits.hash_one("one"), OwnBits.hash_one("two"));
    }
}
