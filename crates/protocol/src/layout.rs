//! Fixed layouts: integers big-endian, every part at its place, nothing left over.

/// Reads a fixed layout from the front.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// A text of at most `N` bytes: its length in one byte, then `N` bytes, zero after the text.
    pub(super) fn text<const N: usize>(&mut self) -> Option<String> {
        let length = usize::from(self.u8()?);
        let field = self.array::<N>()?;
        let (text, padding) = field.split_at_checked(length)?;
        if padding.iter().any(|&byte| byte != 0) {
            return None;
        }
        String::from_utf8(text.to_vec()).ok()
    }

    /// Nothing is left but zeros.
    pub(super) fn only_padding_left(&self) -> Option<()> {
        self.0.iter().all(|&byte| byte == 0).then_some(())
    }

    pub(super) fn at_end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Writes what [`Reader::text`] reads.
pub(super) fn put_text<const N: usize>(out: &mut Vec<u8>, text: &str) {
    let length = text.len().min(N);
    out.push(length as u8);
    out.extend_from_slice(&text.as_bytes()[..length]);
    out.resize(out.len() + N - length, 0);
}
