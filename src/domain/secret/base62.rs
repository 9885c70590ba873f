//! Base62 with the alphabet `0-9A-Za-z`, most significant digit first.

use ring::error::Unspecified;
use zeroize::Zeroizing;

/// The base, and the number of digits.
pub(super) const BASE: u8 = 62;

/// The largest multiple of [`BASE`] in a byte: a byte below it gives an unbiased digit.
const UNBIASED: u8 = u8::MAX - u8::MAX % BASE;
/// Bytes drawn at once: of 64, one in 32 is rejected, so the 32 digits of a secret take one draw.
const DRAW: usize = 64;
/// A generator that yields no usable bytes in this many draws is broken.
const DRAWS_MAX: usize = 8;

/// The character of `value`, which is below [`BASE`]. Here and in [`value`] nothing branches by
/// what is random, which no processor foresees.
pub(super) const fn digit(value: u8) -> u8 {
    b'0' + value + (mask(value >= 10) & (b'A' - b'9' - 1)) + (mask(value >= 36) & (b'a' - b'Z' - 1))
}

/// The value of a character, if it is one of the alphabet.
pub(super) const fn value(digit: u8) -> Option<u8> {
    let [number, upper, lower] =
        [digit.wrapping_sub(b'0'), digit.wrapping_sub(b'A'), digit.wrapping_sub(b'a')];
    let [is_number, is_upper, is_lower] = [mask(number < 10), mask(upper < 26), mask(lower < 26)];
    let value =
        is_number & number | is_upper & upper.wrapping_add(10) | is_lower & lower.wrapping_add(36);
    if is_number | is_upper | is_lower == 0 { None } else { Some(value) }
}

/// All bits, or none.
const fn mask(of: bool) -> u8 {
    (of as u8).wrapping_neg()
}

/// Whether a text has characters of the alphabet alone. All are looked at, many at once.
pub(super) fn is_well_formed(text: &[u8]) -> bool {
    text.iter().fold(true, |all, digit| all & digit.is_ascii_alphanumeric())
}

/// `number` in exactly `N` digits, padded with zeros; `62^N` must exceed it.
pub(super) fn encode<const N: usize>(mut number: u64) -> [u8; N] {
    let mut text = [b'0'; N];
    for slot in text.iter_mut().rev() {
        *slot = digit((number % u64::from(BASE)) as u8);
        number /= u64::from(BASE);
    }
    text
}

/// The number that `text` spells; none for a foreign character or a number of 2^64 or more.
pub(super) fn decode(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0_u64, |number, &digit| {
        number.checked_mul(u64::from(BASE))?.checked_add(u64::from(value(digit)?))
    })
}

/// Fills `text` with independent, uniformly distributed digits by rejection sampling.
///
/// # Errors
/// When `fill` fails, or when its bytes are no random bytes.
pub(super) fn random<const N: usize>(
    mut fill: impl FnMut(&mut [u8]) -> Result<(), Unspecified>,
) -> Result<Zeroizing<[u8; N]>, Unspecified> {
    let mut text = Zeroizing::new([0; N]);
    let mut slots = text.iter_mut();
    let mut bytes = Zeroizing::new([0; DRAW]);
    for _ in 0..DRAWS_MAX {
        fill(bytes.as_mut_slice())?;
        for byte in bytes.iter().filter(|byte| **byte < UNBIASED) {
            match slots.next() {
                Some(slot) => *slot = digit(byte % BASE),
                None => return Ok(text),
            }
        }
    }
    Err(Unspecified)
}
