//! Which encoding a text file is in, and its text as UTF-8.
//!
//! UTF-8 and UTF-16 are told by their marks and by what is valid; windows-1251 only when the file
//! reads as Cyrillic words in it. Anything else is refused rather than misread: a wrong guess would
//! make every name another one.

use std::io::{self, Read, Seek, SeekFrom};

use encoding_rs::{Decoder, Encoding, UTF_16BE, UTF_16LE, WINDOWS_1251};

use super::error::ListError;

/// What a decoder puts in place of bytes that are not of the encoding.
pub(super) const REPLACED: char = '\u{fffd}';
/// How much of a file is looked at and decoded at a time, in bytes.
const BLOCK_BYTES: usize = 64 * 1024;

/// A file's text as UTF-8, and what it was encoded in.
pub(super) struct DecodedText<'a> {
    pub(super) reader: Box<dyn Read + 'a>,
    pub(super) encoding: &'static str,
}

/// Finds the encoding of a file, by reading it once, and decodes it.
pub(super) fn decode<R: Read + Seek>(reader: &mut R) -> Result<DecodedText<'_>, ListError> {
    reader.seek(SeekFrom::Start(0))?;
    let detected = detect(reader)?;
    let (start, encoding, name) = match detected {
        Detected::Utf8 { mark: true } => (3, None, "UTF-8 with a mark"),
        Detected::Utf8 { mark: false } => (0, None, "UTF-8"),
        Detected::Utf16 { little: true, mark } => (
            if mark { 2 } else { 0 },
            Some(UTF_16LE),
            "UTF-16, little-endian",
        ),
        Detected::Utf16 {
            little: false,
            mark,
        } => (
            if mark { 2 } else { 0 },
            Some(UTF_16BE),
            "UTF-16, big-endian",
        ),
        Detected::Windows1251 => (0, Some(WINDOWS_1251), "windows-1251"),
    };
    reader.seek(SeekFrom::Start(start))?;
    let reader: Box<dyn Read + '_> = match encoding {
        None => Box::new(reader),
        Some(encoding) => Box::new(DecodingReader::new(reader, encoding)),
    };
    Ok(DecodedText {
        reader,
        encoding: name,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detected {
    Utf8 { mark: bool },
    Utf16 { little: bool, mark: bool },
    Windows1251,
}

fn detect<R: Read + Seek>(reader: &mut R) -> Result<Detected, ListError> {
    let mut block = vec![0; BLOCK_BYTES];
    let mut length = fill(reader, &mut block)?;
    if length == 0 {
        return Err(ListError::Empty);
    }
    if let Some(what) = known_binary(&block[..length]) {
        return Err(ListError::Binary { what });
    }
    match &block[..length] {
        [0xff, 0xfe, ..] => {
            return Ok(Detected::Utf16 {
                little: true,
                mark: true,
            });
        }
        [0xfe, 0xff, ..] => {
            return Ok(Detected::Utf16 {
                little: false,
                mark: true,
            });
        }
        head => {
            if let Some(little) = unmarked_utf16(head) {
                return Ok(Detected::Utf16 {
                    little,
                    mark: false,
                });
            }
        }
    }
    let mark = block.starts_with(b"\xef\xbb\xbf");
    let mut utf8 = Utf8Survey::default();
    while length > 0 {
        if block[..length].contains(&0) {
            return Err(ListError::Binary {
                what: "a file with zero bytes in it",
            });
        }
        utf8.add(&block[..length]);
        length = fill(reader, &mut block)?;
    }
    if utf8.is_utf8() {
        return Ok(Detected::Utf8 { mark });
    }
    reader.seek(SeekFrom::Start(0))?;
    let mut single = SingleByteSurvey::default();
    loop {
        match fill(reader, &mut block)? {
            0 => break,
            length => single.add(&block[..length]),
        }
    }
    if single.is_windows_1251() {
        Ok(Detected::Windows1251)
    } else {
        Err(ListError::Encoding {
            what: "neither UTF-8, UTF-16 nor windows-1251; perhaps Latin-1",
        })
    }
}

/// Reads until the block is full or the file ends.
fn fill<R: Read>(reader: &mut R, block: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < block.len() {
        match reader.read(&mut block[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Files that people take for lists.
fn known_binary(head: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], &str); 9] = [
        (
            b"\xd0\xcf\x11\xe0",
            "an old Excel or Word file (.xls, .doc)",
        ),
        (b"PK\x03\x04", "a ZIP file"),
        (b"%PDF", "a PDF"),
        (b"\x89PNG", "a picture"),
        (b"\xff\xd8\xff", "a picture"),
        (b"\x1f\x8b", "a compressed file"),
        (b"Rar!", "a compressed file"),
        (b"7z\xbc\xaf", "a compressed file"),
        (b"\x7fELF", "a program"),
    ];
    kinds
        .into_iter()
        .find(|(magic, _)| head.starts_with(magic))
        .map(|(_, what)| what)
}

/// UTF-16 without a mark: delimiters and digits leave a zero byte at every other place, on one side only.
fn unmarked_utf16(head: &[u8]) -> Option<bool> {
    let zeros = |offset: usize| {
        head.iter()
            .skip(offset)
            .step_by(2)
            .filter(|byte| **byte == 0)
            .count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    // A list in Cyrillic has zero bytes only in its digits, delimiters and line ends: one in sixteen at least.
    let enough = |zeros: usize| zeros >= 3 && zeros * 16 > head.len();
    if enough(odd) && even == 0 {
        Some(true)
    } else if enough(even) && odd == 0 {
        Some(false)
    } else {
        None
    }
}

/// Counts what is and what is not UTF-8, across blocks.
#[derive(Default)]
struct Utf8Survey {
    /// Bytes at the end of the last block that may go on in the next.
    left: Vec<u8>,
    valid: u64,
    /// Places, however many bytes are broken there.
    broken: u64,
}

impl Utf8Survey {
    fn add(&mut self, block: &[u8]) {
        if self.left.is_empty() && block.is_ascii() {
            return;
        }
        let joined = [&self.left[..], block].concat();
        self.left.clear();
        let mut rest = &joined[..];
        let mut in_broken = false;
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.count(text);
                    return;
                }
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    self.count(std::str::from_utf8(good).unwrap_or(""));
                    let Some(length) = error.error_len() else {
                        self.left = bad.to_vec();
                        return;
                    };
                    // Broken bytes in a row are one broken place.
                    self.broken += u64::from(!(in_broken && good.is_empty()));
                    in_broken = true;
                    rest = &bad[length..];
                }
            }
        }
    }

    fn count(&mut self, text: &str) {
        self.valid += text.bytes().filter(|byte| *byte >= 0xc0).count() as u64;
    }

    /// UTF-8 throughout, or but for a few rows that somebody pasted in.
    fn is_utf8(&self) -> bool {
        let broken = self.broken + u64::from(!self.left.is_empty());
        // Text in windows-1251 is hardly ever valid UTF-8: at twenty letters to a broken place, a few rows were pasted in.
        broken == 0 || self.valid >= 20 * broken
    }
}

/// Looks at a file as windows-1251.
#[derive(Default)]
struct SingleByteSurvey {
    before: u8,
    /// Cyrillic letters beside another one; beside an ASCII letter only.
    joined: u64,
    alone: u64,
    /// Bytes above 127 that are neither Cyrillic letters nor usual signs.
    odd: u64,
    /// A capital before a small letter, and the other way round (as KOI8-R looks).
    capital_first: u64,
    capital_last: u64,
}

impl SingleByteSurvey {
    fn add(&mut self, block: &[u8]) {
        for (place, byte) in block.iter().copied().enumerate() {
            let after = block.get(place + 1).copied().unwrap_or(0);
            if is_1251_letter(byte) {
                if is_1251_letter(self.before) || is_1251_letter(after) {
                    self.joined += 1;
                } else if self.before.is_ascii_alphabetic() || after.is_ascii_alphabetic() {
                    self.alone += 1;
                }
                self.capital_first +=
                    u64::from(matches!((byte, after), (0xc0..=0xdf, 0xe0..=0xff)));
                self.capital_last += u64::from(matches!((byte, after), (0xe0..=0xff, 0xc0..=0xdf)));
            } else if byte >= 0x80 && !is_1251_sign(byte) {
                self.odd += 1;
            }
            self.before = byte;
        }
    }

    fn is_windows_1251(&self) -> bool {
        self.joined >= 4
            && self.joined >= 8 * self.alone
            && self.joined >= 50 * self.odd
            && self.capital_first >= self.capital_last
    }
}

/// А–я, and Ё Є Ї І Ґ Ў in both cases.
fn is_1251_letter(byte: u8) -> bool {
    matches!(
        byte,
        0xc0..=0xff
            | 0xa8
            | 0xb8
            | 0xaa
            | 0xba
            | 0xaf
            | 0xbf
            | 0xb2
            | 0xb3
            | 0xa5
            | 0xb4
            | 0xa1
            | 0xa2
    )
}

/// Quotation marks, dashes, №, no-break space and the like.
fn is_1251_sign(byte: u8) -> bool {
    matches!(
        byte,
        0x82 | 0x84 | 0x85 | 0x91..=0x97 | 0xa0 | 0xa7 | 0xab | 0xb0 | 0xb7 | 0xb9 | 0xbb
    )
}

/// Decodes as it is read.
struct DecodingReader<R> {
    inner: R,
    decoder: Decoder,
    /// Bytes read and not yet decoded.
    raw: Vec<u8>,
    raw_start: usize,
    raw_end: usize,
    /// Text decoded and not yet handed out.
    text: Vec<u8>,
    text_start: usize,
    ended: bool,
}

impl<R: Read> DecodingReader<R> {
    fn new(inner: R, encoding: &'static Encoding) -> Self {
        Self {
            inner,
            decoder: encoding.new_decoder_without_bom_handling(),
            raw: vec![0; BLOCK_BYTES],
            raw_start: 0,
            raw_end: 0,
            text: Vec::new(),
            text_start: 0,
            ended: false,
        }
    }

    /// Decodes one more block into `text`.
    fn refill(&mut self) -> io::Result<()> {
        let mut last = false;
        if self.raw_start == self.raw_end {
            self.raw_start = 0;
            self.raw_end = fill(&mut self.inner, &mut self.raw)?;
            last = self.raw_end == 0;
        }
        self.text.resize(3 * BLOCK_BYTES, 0);
        let raw = &self.raw[self.raw_start..self.raw_end];
        let (result, read, written, _) = self.decoder.decode_to_utf8(raw, &mut self.text, last);
        self.raw_start += read;
        self.text.truncate(written);
        self.text_start = 0;
        self.ended = last && result == encoding_rs::CoderResult::InputEmpty;
        Ok(())
    }
}

impl<R: Read> Read for DecodingReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.text_start == self.text.len() && !self.ended {
            self.refill()?;
        }
        let ready = &self.text[self.text_start..];
        let count = ready.len().min(out.len());
        out[..count].copy_from_slice(&ready[..count]);
        self.text_start += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn read(bytes: &[u8]) -> Result<(String, &'static str), ListError> {
        let mut reader = Cursor::new(bytes);
        let mut text = decode(&mut reader)?;
        let mut out = String::new();
        text.reader.read_to_string(&mut out)?;
        Ok((out, text.encoding))
    }

    const TEXT: &str = "id;Прізвище;Ім'я\n1;Ґудзь;Їлля\n2;Щербань;Єва\n";

    #[test]
    fn cyrillic_text_is_told_in_every_encoding_we_read() {
        let (windows, _, unmappable) = WINDOWS_1251.encode(TEXT);
        assert!(!unmappable);
        let little: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (bytes, encoding) in [
            (TEXT.as_bytes().to_vec(), "UTF-8"),
            (
                [b"\xef\xbb\xbf", TEXT.as_bytes()].concat(),
                "UTF-8 with a mark",
            ),
            (windows.into_owned(), "windows-1251"),
            (
                [&b"\xff\xfe"[..], &little].concat(),
                "UTF-16, little-endian",
            ),
            ([&b"\xfe\xff"[..], &big].concat(), "UTF-16, big-endian"),
            (little, "UTF-16, little-endian"),
            (big, "UTF-16, big-endian"),
        ] {
            assert_eq!(read(&bytes).unwrap(), (TEXT.to_owned(), encoding));
        }
    }

    #[test]
    fn latin_1_and_koi8_are_refused_rather_than_misread() {
        let latin =
            b"id;nom;pr\xe9nom\n1;Lef\xe8vre;Ren\xe9\n2;M\xfcller;J\xf6rg\n3;Bj\xf8rn;\xc5se\n";
        assert!(matches!(read(latin), Err(ListError::Encoding { .. })));
        let (koi8, _, _) = encoding_rs::KOI8_U.encode("1;Щербань;Степан\n2;Бондар;Василь\n");
        assert!(matches!(read(&koi8), Err(ListError::Encoding { .. })));
    }

    #[test]
    fn binary_files_are_refused() {
        assert!(matches!(read(b"%PDF-1.7"), Err(ListError::Binary { .. })));
        assert!(matches!(
            read(b"a,b\n\x001,2\n\x00\x00"),
            Err(ListError::Binary { .. })
        ));
        assert!(matches!(read(b""), Err(ListError::Empty)));
    }

    #[test]
    fn a_few_broken_cells_do_not_make_a_utf8_list_something_else() {
        let bytes = [TEXT.repeat(10).as_bytes(), b"3;\xff\xfe;x\n"].concat();
        let mut reader = Cursor::new(bytes);
        assert_eq!(decode(&mut reader).unwrap().encoding, "UTF-8");
    }

    #[test]
    fn text_longer_than_a_block_is_decoded_whole() {
        let text = TEXT.repeat(3_000);
        let (windows, _, _) = WINDOWS_1251.encode(&text);
        assert_eq!(read(&windows).unwrap().0, text);
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&little).unwrap().0, text);
    }
}
