//! Numbers in Huffman's code of HPACK (RFC 7541, appendix B).

/// The digits of a number, filled up with ones.
pub(crate) fn digits(number: u16) -> Vec<u8> {
    let (mut bits, mut count) = (0_u32, 0);
    for digit in number.to_string().bytes().map(|digit| u32::from(digit - b'0')) {
        // 0 to 2 have five bits, the others six.
        let (code, length) = if digit < 3 { (digit, 5) } else { (digit - 3 + 0b01_1001, 6) };
        bits = bits << length | code;
        count += length;
    }
    let fill = (8 - count % 8) % 8;
    bits = bits << fill | ((1 << fill) - 1);
    let bytes = bits.to_be_bytes();
    bytes[4 - (count + fill) / 8..].to_vec()
}
