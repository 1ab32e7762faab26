//! A reader that keeps what it has read when it is told to go a little further, and does not go on for ever: a hostile
//! file may have millions of small parts, each of which would cost a system call and a buffer.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

/// How often it goes further. An image has some dozens of parts, or thousands of a few kilobytes each.
const MOST_HOPS: u32 = 100_000;

pub(super) struct Hopping<R> {
    bytes: BufReader<R>,
    at: u64,
    hops: u32,
}

impl<R: Read + Seek> Hopping<R> {
    /// From the beginning of `bytes`.
    pub(super) fn new(bytes: R) -> Self {
        Self { bytes: BufReader::new(bytes), at: 0, hops: 0 }
    }
}

impl<R: Read> Read for Hopping<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(into)?;
        self.at += u64::try_from(count).unwrap_or_default();
        Ok(count)
    }
}

impl<R: Read> BufRead for Hopping<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.bytes.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.bytes.consume(amount);
        self.at += u64::try_from(amount).unwrap_or_default();
    }
}

impl<R: Read + Seek> Seek for Hopping<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.hops += 1;
        if self.hops > MOST_HOPS {
            return Err(io::Error::other("more parts than any image has"));
        }
        let hop = match to {
            SeekFrom::Current(hop) => Some(hop),
            SeekFrom::Start(place) => i64::try_from(i128::from(place) - i128::from(self.at)).ok(),
            SeekFrom::End(_) => None,
        };
        self.at = match hop {
            Some(hop) => {
                let there = self.at.checked_add_signed(hop).ok_or(io::ErrorKind::InvalidInput)?;
                self.bytes.seek_relative(hop)?;
                there
            }
            None => self.bytes.seek(to)?,
        };
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    /// Counts how often it is read.
    struct Counted<'a>(Cursor<Vec<u8>>, &'a mut usize);

    impl Read for Counted<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            *self.1 += 1;
            self.0.read(into)
        }
    }

    impl Seek for Counted<'_> {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    #[test]
    fn small_hops_read_the_file_once() {
        let mut reads = 0;
        let mut hopping = Hopping::new(Counted(Cursor::new(vec![7; 1 << 20]), &mut reads));
        for _ in 0..MOST_HOPS - 1 {
            hopping.read_exact(&mut [0; 4]).unwrap();
            hopping.seek(SeekFrom::Current(4)).unwrap();
        }
        assert_eq!(hopping.stream_position().unwrap(), u64::from(MOST_HOPS - 1) * 8);
        assert!(hopping.seek(SeekFrom::Current(4)).is_err(), "it goes on");
        assert!(reads <= (1 << 20) / 8192 + 1, "{reads}");
    }

    proptest! {
        #[test]
        fn it_is_always_where_a_plain_reader_is(
            steps in proptest::collection::vec((0_u8..5, -20_000_i64..40_000), 1..40)
        ) {
            let bytes: Vec<u8> = (0_u32..30_000).map(|number| number.to_le_bytes()[0]).collect();
            let (mut plain, mut hopping) = (Cursor::new(bytes.clone()), Hopping::new(Cursor::new(bytes)));
            for (kind, amount) in steps {
                let length = usize::try_from(amount.unsigned_abs()).unwrap();
                match kind {
                    0 => {
                        let to = SeekFrom::Start(amount.unsigned_abs());
                        prop_assert_eq!(plain.seek(to).ok(), hopping.seek(to).ok());
                    }
                    1 => prop_assert_eq!(
                        plain.seek(SeekFrom::Current(amount)).ok(), hopping.seek(SeekFrom::Current(amount)).ok()
                    ),
                    2 => {
                        let to = SeekFrom::End(-amount.abs());
                        prop_assert_eq!(plain.seek(to).ok(), hopping.seek(to).ok());
                    }
                    3 => {
                        let (mut left, mut right) = (Vec::new(), Vec::new());
                        plain.by_ref().take(amount.unsigned_abs()).read_to_end(&mut left).unwrap();
                        hopping.by_ref().take(amount.unsigned_abs()).read_to_end(&mut right).unwrap();
                        prop_assert_eq!(left, right);
                    }
                    _ => {
                        let there = hopping.fill_buf().unwrap().len().min(length);
                        hopping.consume(there);
                        plain.seek(SeekFrom::Current(i64::try_from(there).unwrap())).unwrap();
                    }
                }
                prop_assert_eq!(plain.stream_position().unwrap(), hopping.stream_position().unwrap());
            }
        }
    }
}
