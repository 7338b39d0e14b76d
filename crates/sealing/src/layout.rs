//! Fixed layouts: integers big-endian, every part at its place, nothing left over.
//!
//! A [`Reader`] is handed bytes that anybody may have written: it never panics, takes no memory for a
//! length it has only been told, and answers `None` where a part is missing. It does not know layouts;
//! who reads one ends with [`Reader::at_end`].

use zeroize::Zeroizing;

/// Reads a layout from the front, part by part.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Begins at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    /// The next `length` bytes.
    pub fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// The next 2 bytes as a number.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next 4 bytes as a number.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next 8 bytes as a number.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// The next byte as a flag, 0 or 1; `None` for any other, so that a flag has one spelling.
    pub fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// Bytes with their number before them (4 bytes).
    pub fn bytes_u32(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.slice(usize::try_from(length).ok()?)
    }

    /// A text of at most `N` bytes: its length in one byte, then `N` bytes, zero after the text.
    pub fn text<const N: usize>(&mut self) -> Option<String> {
        let length = usize::from(self.u8()?);
        let field = self.array::<N>()?;
        let (text, padding) = field.split_at_checked(length)?;
        if padding.iter().any(|&byte| byte != 0) {
            return None;
        }
        String::from_utf8(text.to_vec()).ok()
    }

    /// Whether nothing is left.
    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// `None` unless nothing is left: the last question about a layout.
    pub fn at_end(&self) -> Option<()> {
        self.is_at_end().then_some(())
    }

    /// `None` unless zeros alone are left, of whatever number.
    pub fn only_padding_left(&self) -> Option<()> {
        self.0.iter().all(|&byte| byte == 0).then_some(())
    }

    /// `None` unless fewer than `block` bytes are left, all zero: what fills a layout up to a multiple.
    pub fn padded_to(&self, block: usize) -> Option<()> {
        (self.0.len() < block).then_some(())?;
        self.only_padding_left()
    }
}

/// Writes a layout of something secret: wiped on drop, and when it has to grow.
pub struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// Begins an empty layout with room for that many bytes; more may follow.
    pub fn with_room(bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    /// One byte.
    pub fn u8(&mut self, number: u8) {
        self.bytes(&[number]);
    }

    /// A number in 2 bytes.
    pub fn u16(&mut self, number: u16) {
        self.bytes(&number.to_be_bytes());
    }

    /// A number in 4 bytes.
    pub fn u32(&mut self, number: u32) {
        self.bytes(&number.to_be_bytes());
    }

    /// A number in 8 bytes.
    pub fn u64(&mut self, number: u64) {
        self.bytes(&number.to_be_bytes());
    }

    /// Bytes as they are, which the reader must know the number of.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let needed = self.0.len().saturating_add(bytes.len());
        if needed > self.0.capacity() {
            // The vector would grow by itself, and leave what it held behind in freed memory.
            let mut larger = Vec::with_capacity(needed.max(self.0.capacity().saturating_mul(2)));
            larger.extend_from_slice(&self.0);
            self.0 = Zeroizing::new(larger);
        }
        self.0.extend_from_slice(bytes);
    }

    /// Bytes with their number before them, in 4 bytes.
    ///
    /// # Panics
    /// For 4 GiB or more; who writes a layout bounds its parts.
    pub fn bytes_u32(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).expect("a part of a layout is below 4 GiB");
        self.u32(length);
        self.bytes(bytes);
    }

    /// Zeros up to the next multiple of `block`.
    pub fn pad_to(&mut self, block: usize) {
        let missing = self.0.len().next_multiple_of(block) - self.0.len();
        self.bytes(&vec![0; missing]);
    }

    /// The layout.
    pub fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

/// Appends what [`Reader::text`] reads; of a text longer than `N` bytes, the first `N`.
pub fn put_text<const N: usize>(out: &mut Vec<u8>, text: &str) {
    let length = text.len().min(N);
    out.push(length as u8);
    out.extend_from_slice(&text.as_bytes()[..length]);
    out.resize(out.len() + N - length, 0);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read_in_the_same_order_and_big_endian() {
        let mut writer = Writer::with_room(0);
        writer.u8(1);
        writer.u16(0x0203);
        writer.u32(0x04050607);
        writer.u64(0x08090a0b0c0d0e0f);
        writer.bytes(&[16, 17]);
        writer.bytes_u32(b"part");
        writer.pad_to(8);
        let bytes = writer.finish();
        assert_eq!(bytes[..17], (1..18).collect::<Vec<u8>>());
        assert_eq!(bytes.len(), 32);
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.flag(), Some(true));
        assert_eq!(reader.u16(), Some(0x0203));
        assert_eq!(reader.u32(), Some(0x04050607));
        assert_eq!(reader.u64(), Some(0x08090a0b0c0d0e0f));
        assert_eq!(reader.array(), Some([16, 17]));
        assert_eq!(reader.bytes_u32(), Some(&b"part"[..]));
        assert_eq!(reader.at_end(), None);
        assert_eq!(reader.padded_to(7), None, "seven zeros are left");
        assert_eq!(reader.padded_to(8), Some(()));
        assert_eq!(reader.rest(), [0; 7]);
        assert_eq!(reader.at_end(), Some(()));
    }

    #[test]
    fn a_part_that_is_missing_is_not_read_and_takes_nothing() {
        let mut reader = Reader::new(&[0xff, 0xff, 0xff]);
        assert_eq!(reader.u32(), None);
        assert_eq!(reader.flag(), None);
        assert_eq!(reader.u16(), Some(0xffff), "a flag that is none is gone");
        let mut reader = Reader::new(&[0xff, 0xff, 0xff, 0xff, 1]);
        assert_eq!(reader.bytes_u32(), None);
    }

    #[test]
    fn a_text_has_one_spelling() {
        let mut out = Vec::new();
        put_text::<6>(&mut out, "Київ");
        assert_eq!(out[0], 6, "cut to the field");
        let mut out = Vec::new();
        put_text::<5>(&mut out, "abc");
        assert_eq!(out, *b"\x03abc\0\0");
        assert_eq!(Reader::new(&out).text::<5>().as_deref(), Some("abc"));
        out[5] = b'x';
        assert_eq!(Reader::new(&out).text::<5>(), None, "not only padding");
        assert_eq!(Reader::new(&[2, 0xff, 0xff]).text::<2>(), None, "not UTF-8");
        assert_eq!(Reader::new(&[3, b'a', b'b']).text::<2>(), None, "too long");
    }

    proptest! {
        #[test]
        fn layouts_of_any_parts_come_back(parts in prop::collection::vec(any::<Vec<u8>>(), 0..8)) {
            let mut writer = Writer::with_room(1);
            parts.iter().for_each(|part| writer.bytes_u32(part));
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            for part in &parts {
                prop_assert_eq!(reader.bytes_u32(), Some(part.as_slice()));
            }
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn no_bytes_make_a_reader_panic(bytes: Vec<u8>, length: usize) {
            let mut reader = Reader::new(&bytes);
            let _ = (reader.flag(), reader.text::<3>(), reader.bytes_u32());
            let _ = (reader.slice(length), reader.padded_to(length), reader.rest());
        }
    }
}
