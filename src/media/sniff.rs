//! Tells a file's type from its first bytes. Names and headers have no say, and what is not
//! surely one of the accepted types is refused: scripts, playlists, SVG and HTML have no branch
//! here that could take them.

mod subtitles;

pub use self::subtitles::is_text_throughout;
use self::subtitles::subtitle;
use crate::domain::media::MediaType;

/// So many first bytes are enough for every check.
pub const HEAD_BYTES: usize = 8192;

/// The type of a file that begins with `head` ([`HEAD_BYTES`] of it, or all of a shorter file).
#[must_use]
pub fn sniff(head: &[u8]) -> Option<MediaType> {
    signature(head)
        .or_else(|| iso_media(head))
        .or_else(|| is_transport_stream(head).then_some(MediaType::MpegTs))
        .or_else(|| framed_audio(head))
        .or_else(|| subtitle(head))
}

/// Types with an unmistakable signature.
fn signature(head: &[u8]) -> Option<MediaType> {
    let ebml = |doctype: &[u8]| {
        head.starts_with(&[0x1a, 0x45, 0xdf, 0xa3])
            && head.get(..head.len().min(256)).is_some_and(|start| contains(start, doctype))
    };
    let riff = |form: &[u8]| head.starts_with(b"RIFF") && head.get(8..8 + form.len()) == Some(form);
    let checks = [
        (ebml(b"\x42\x82\x84webm"), MediaType::WebM),
        (ebml(b"\x42\x82\x88matroska"), MediaType::Matroska),
        (head.starts_with(b"\xff\xd8\xff"), MediaType::Jpeg),
        (head.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"), MediaType::Png),
        (head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a"), MediaType::Gif),
        (riff(b"WEBPVP8"), MediaType::WebP),
        (riff(b"WAVE"), MediaType::Wav),
        (head.starts_with(b"OggS\0"), MediaType::Ogg),
        (head.starts_with(b"fLaC\0") || head.starts_with(b"fLaC\x80"), MediaType::Flac),
    ];
    checks.into_iter().find_map(|(holds, kind)| holds.then_some(kind))
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|word| u32::from_be_bytes(*word))
}

/// Brands of MP4 files; `iso?`, `3gp?` and `3g2?` come on top.
const MP4_BRANDS: [&[u8; 4]; 16] = [
    b"mp41", b"mp42", b"mp71", b"avc1", b"dash", b"M4V ", b"M4VH", b"M4VP", b"M4A ", b"M4B ", b"MSNV", b"mmp4",
    b"f4v ", b"F4V ", b"cmfc", b"cmfs",
];

/// ISO base media (MP4, AVIF; not HEIC) and `QuickTime`, also the old form without `ftyp`.
fn iso_media(head: &[u8]) -> Option<MediaType> {
    let size = be32(head, 0)?;
    let name = head.get(4..8)?;
    if name != b"ftyp" {
        // The size's first byte keeps text out: such a box is under 512 MB, or has a long size.
        let box_like = (8..0x2000_0000).contains(&size) || size == 1;
        let old = [b"moov", b"mdat", b"wide", b"free", b"skip"].iter().any(|known| name == known.as_slice());
        return (box_like && old).then_some(MediaType::Mov);
    }
    let end = usize::try_from(size).ok().filter(|end| (16..=HEAD_BYTES).contains(end))?;
    let body = head.get(8..end.min(head.len()))?;
    let major = body.first_chunk::<4>()?;
    let compatible = || body.get(8..).into_iter().flat_map(|list| list.chunks_exact(4));
    let picture = |brand: &[u8]| brand == b"avif" || brand == b"avis";
    let movie = |brand: &[u8]| {
        MP4_BRANDS.iter().any(|known| known.as_slice() == brand)
            || [b"iso".as_slice(), b"3gp", b"3g2"].iter().any(|family| brand.starts_with(family))
    };
    match major {
        b"qt  " => Some(MediaType::Mov),
        brand if picture(brand) => Some(MediaType::Avif),
        b"mif1" | b"msf1" | b"miaf" => compatible().any(picture).then_some(MediaType::Avif),
        b"heic" | b"heix" | b"hevc" | b"heim" | b"heis" | b"hevm" | b"hevs" | b"crx " | b"jp2 " => None,
        brand => (movie(brand) || compatible().any(movie)).then_some(MediaType::Mp4),
    }
}

/// Five packets in a row with their sync byte; 192-byte packets have a time code in front.
fn is_transport_stream(head: &[u8]) -> bool {
    [(0_usize, 188_usize), (4, 192)].into_iter().any(|(first, step)| {
        (0..5).all(|n| {
            let packet = head.get(first + n * step..).and_then(<[u8]>::first_chunk::<4>);
            // No transport error, and adaptation field control is never zero.
            packet.is_some_and(|[sync, pid, _, control]| *sync == 0x47 && pid & 0x80 == 0 && control & 0x30 != 0)
        })
    })
}

/// MP3 and ADTS: frames that follow each other, or an ID3 tag that such frames follow. A tag that leaves no whole
/// frame in the head is believed here; the probe has the last word.
fn framed_audio(head: &[u8]) -> Option<MediaType> {
    if let Some([b'I', b'D', b'3', major, minor, _, size @ ..]) = head.first_chunk::<10>() {
        if *major == 0xff || *minor == 0xff || size.iter().any(|byte| byte & 0x80 != 0) {
            return None;
        }
        let length = 10 + size.iter().fold(0_usize, |sum, byte| sum * 128 + usize::from(*byte));
        return match head.get(length..) {
            None | Some([]) => Some(MediaType::Mp3),
            Some(rest) => {
                let padding = rest.iter().take_while(|byte| **byte == 0).count();
                frames(rest.get(padding..)?, Beyond::of(head))
            }
        };
    }
    // No frame is longer than the head: one that does not end in it lies.
    frames(head, Beyond::Nothing)
}

/// What comes after the bytes that are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beyond {
    Nothing,
    /// The file may go on after its head.
    Unseen,
}

impl Beyond {
    fn of(head: &[u8]) -> Self {
        if head.len() < HEAD_BYTES { Self::Nothing } else { Self::Unseen }
    }
}

fn frames(bytes: &[u8], beyond: Beyond) -> Option<MediaType> {
    let adts = || follow(bytes, beyond, adts_frame).map(|()| MediaType::Aac);
    adts().or_else(|| follow(bytes, beyond, mp3_frame).map(|()| MediaType::Mp3))
}

/// A frame, as its header tells.
struct Frame {
    bytes: usize,
    /// What all frames of a file have in common: the first bytes of a header, and which of their bits.
    constant: [(u8, u8); 3],
}

/// Two frames of one kind, or one and the end of the file.
fn follow(bytes: &[u8], beyond: Beyond, header: fn(&[u8]) -> Option<Frame>) -> Option<()> {
    let first = header(bytes)?;
    let Some(rest) = bytes.get(first.bytes..) else { return (beyond == Beyond::Unseen).then_some(()) };
    let alike = rest.iter().zip(first.constant).all(|(byte, (wanted, mask))| byte & mask == wanted);
    // Of a header that is cut off, what is there counts.
    (alike && (rest.len() < LONGEST_HEADER || header(rest).is_some())).then_some(())
}

const LONGEST_HEADER: usize = 7;

/// The ADTS frame that begins here (ISO/IEC 14496-3, 1.A.2.2).
fn adts_frame(bytes: &[u8]) -> Option<Frame> {
    let [sync, flags, rate, high, mid, low, _] = *bytes.first_chunk::<LONGEST_HEADER>()?;
    let length = (usize::from(high & 0x03) << 11) | (usize::from(mid) << 3) | usize::from(low >> 5);
    let header = if flags & 1 == 1 { 7 } else { 9 };
    let fits = sync == 0xff && flags & 0xf6 == 0xf0 && (rate >> 2) & 0x0f < 13 && length > header;
    // Identity and layer; profile, sampling frequency, the high bit of the channels.
    let constant = [(sync, 0xff), (flags & 0xfe, 0xfe), (rate & 0xfd, 0xfd)];
    fits.then_some(Frame { bytes: length, constant })
}

/// The MPEG audio layer III frame that begins here (ISO/IEC 11172-3, 2.4.1.3).
fn mp3_frame(bytes: &[u8]) -> Option<Frame> {
    const KBITS_1: [usize; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const KBITS_2: [usize; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    const HERTZ: [usize; 3] = [44_100, 48_000, 32_000];
    let [sync, version, rates, mode] = *bytes.first_chunk::<4>()?;
    // Emphasis 2 is reserved.
    if sync != 0xff || version & 0xe0 != 0xe0 || (version >> 1) & 3 != 1 || mode & 3 == 2 {
        return None;
    }
    let (kbits, divisor, factor) = match (version >> 3) & 3 {
        3 => (KBITS_1, 1, 144),
        2 => (KBITS_2, 2, 72),
        0 => (KBITS_2, 4, 72),
        _ => return None,
    };
    let kbit = kbits.get(usize::from(rates >> 4).checked_sub(1)?)?;
    let hertz = HERTZ.get(usize::from((rates >> 2) & 3))? / divisor;
    let bytes = factor * kbit * 1000 / hertz + usize::from((rates >> 1) & 1);
    // Version and layer; the sampling frequency. The bit rate may vary.
    Some(Frame { bytes, constant: [(sync, 0xff), (version & 0xfe, 0xfe), (rates & 0x0c, 0x0c)] })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scripts_playlists_and_pages_are_nothing() {
        for hostile in [
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\nfile:///etc/passwd\n",
            "\u{feff}#EXTM3U\n",
            "ffconcat version 1.0\nfile /etc/passwd\n",
            "<svg xmlns=\"http://www.w3.org/2000/svg\"><script/></svg>",
            "<?xml version=\"1.0\"?><svg/>",
            "<!DOCTYPE html><html><script>alert(1)</script></html>",
            "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"/>",
            "%PDF-1.4",
            "WEBVTTX\n",
            "1\nnot a time --> at all\n",
            "moov",
            "textmoov and so on",
            "#EXTftypisom",
            "",
        ] {
            assert_eq!(sniff(hostile.as_bytes()), None, "{hostile}");
        }
    }

    #[test]
    fn subtitles_are_text_of_their_form() {
        assert_eq!(sniff(b"WEBVTT"), Some(MediaType::WebVtt));
        assert_eq!(sniff("\u{feff}WEBVTT - Titel\n\n".as_bytes()), Some(MediaType::WebVtt));
        let srt = "\r\n1\r\n00:00:01,000 --> 00:00:02,500\r\nHallo Welt\r\n";
        assert_eq!(sniff(srt.as_bytes()), Some(MediaType::Srt));
        assert_eq!(sniff(b"WEBVTT\n\xff\xfe\n"), None, "not UTF-8");
        assert_eq!(sniff(b"WEBVTT\n\0"), None, "a control character");
        assert_eq!(
            sniff("WEBVTT\né".as_bytes().split_last().unwrap().1),
            Some(MediaType::WebVtt),
            "cut in a character"
        );
    }

    #[test]
    fn brands_tell_pictures_from_films() {
        let ftyp = |major: &[u8], compatible: &[&[u8]]| {
            let mut bytes = u32::try_from(16 + 4 * compatible.len()).unwrap().to_be_bytes().to_vec();
            bytes.extend_from_slice(b"ftyp");
            bytes.extend_from_slice(major);
            bytes.extend_from_slice(&[0; 4]);
            bytes.extend_from_slice(&compatible.concat());
            bytes
        };
        for (major, compatible, expected) in [
            (b"avif", vec![b"mif1".as_slice()], Some(MediaType::Avif)),
            (b"mif1", vec![b"heic", b"avif"], Some(MediaType::Avif)),
            (b"mif1", vec![b"heic"], None),
            (b"heic", vec![b"mif1"], None),
            (b"isom", vec![b"isom", b"avc1"], Some(MediaType::Mp4)),
            (b"XAVC", vec![b"mp42"], Some(MediaType::Mp4)),
            (b"qt  ", vec![b"qt  "], Some(MediaType::Mov)),
            (b"zzzz", vec![b"zzzz"], None),
        ] {
            assert_eq!(sniff(&ftyp(major, &compatible)), expected, "{}", String::from_utf8_lossy(major));
        }
    }

    #[test]
    fn one_sync_byte_is_not_a_transport_stream() {
        let mut stream = vec![0_u8; 188 * 5];
        for packet in stream.chunks_mut(188) {
            packet[0] = 0x47;
            packet[3] = 0x10;
        }
        assert_eq!(sniff(&stream), Some(MediaType::MpegTs));
        stream[188] = 0;
        assert_eq!(sniff(&stream), None);
        assert_eq!(sniff(b"G"), None);
    }

    /// A frame of `length` bytes, each header with its length in it.
    fn adts(length: u16) -> Vec<u8> {
        let [high, low] = (length << 5).to_be_bytes();
        let mut frame = vec![0xff, 0xf1, 0x50, 0x80 | u8::try_from(length >> 11).unwrap(), high, low | 0x1f, 0xfc];
        frame.resize(usize::from(length), 0x21);
        frame
    }

    #[test]
    fn one_sync_word_is_not_audio() {
        assert_eq!(sniff(b"\xff\xf1#EXTM3U\n#EXTINF:1,\n"), None, "a playlist behind a sync word");
        assert_eq!(sniff(&adts(200)), Some(MediaType::Aac), "one whole frame");
        assert_eq!(sniff(&adts(200)[..199]), None, "less than a frame");
        assert_eq!(sniff(&[adts(200), adts(300)].concat()), Some(MediaType::Aac));
        assert_eq!(sniff(&[adts(200), adts(300)].concat()[..300]), Some(MediaType::Aac), "cut off in the second");
        assert_eq!(sniff(&[adts(200), vec![0xff, 0xf1]].concat()), Some(MediaType::Aac), "cut off in a header");
        assert_eq!(sniff(&[adts(8191), vec![0xff]].concat()), Some(MediaType::Aac), "the longest frame");
        assert_eq!(sniff(&[adts(8191), vec![0xfe]].concat()), None, "the longest frame, and no sync");
        for other in [b"#".to_vec(), b"#EXTM3U\n#EXTINF:1,\n".to_vec(), vec![0; 100]] {
            assert_eq!(sniff(&[adts(200), other].concat()), None, "no second frame");
        }
        let mut other_rate = adts(200);
        other_rate[2] ^= 0x04;
        assert_eq!(sniff(&[adts(200), other_rate].concat()), None, "another sampling frequency");

        let mut mp3 = vec![0; 417];
        mp3[..4].copy_from_slice(b"\xff\xfb\x90\x64");
        assert_eq!(sniff(&mp3), Some(MediaType::Mp3), "one whole frame");
        assert_eq!(sniff(&[&mp3[..], &mp3].concat()), Some(MediaType::Mp3));
        assert_eq!(sniff(&mp3[..416]), None, "less than a frame");
        assert_eq!(sniff(&[&mp3[..], b"#EXTM3U\n"].concat()), None, "no second frame");
        let tagged = |padding: usize| {
            let size = [u8::try_from(padding >> 7).unwrap(), u8::try_from(padding & 0x7f).unwrap()];
            let tag = [&b"ID3\x04\0\0\0\0"[..], &size, &vec![0; padding]].concat();
            let bytes = [&tag[..], &mp3].concat();
            sniff(&bytes[..bytes.len().min(HEAD_BYTES)])
        };
        assert_eq!(tagged(100), Some(MediaType::Mp3), "behind a tag");
        assert_eq!(tagged(HEAD_BYTES - 200), Some(MediaType::Mp3), "behind a tag that leaves no whole frame");
        assert_eq!(tagged(HEAD_BYTES + 200), Some(MediaType::Mp3), "behind a tag longer than the head");
        mp3[3] |= 2;
        assert_eq!(sniff(&mp3), None, "a reserved emphasis");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048), prefix in 0..9_usize) {
            let starts: [&[u8]; 9] =
                [b"", b"ID3\x04\0", b"\xff\xfb", b"\xff\xf1", b"\0\0\0\x20ftyp", b"RIFF", b"\x1aE\xdf\xa3", b"WEBVTT\n", b"1\n00:"];
            let mut head = starts[prefix].to_vec();
            head.extend(bytes);
            std::hint::black_box(sniff(&head));
        }

        #[test]
        fn no_printable_text_is_a_tool_format(text in "[ -~\\r\\n]{0,400}", start in 0..4_usize) {
            let starts: [&[u8]; 4] = [b"", b"\xff\xf1", b"\xff\xf9", b"\xff\xfb"];
            let of_tool = |bytes: &[u8]| sniff(bytes).and_then(MediaType::demuxers);
            let bytes = [starts[start], text.as_bytes()].concat();
            // What is just as long as the frame that its first bytes announce is a whole frame; of one more byte not.
            let longer = [&bytes[..], b" "].concat();
            let is_frame = start > 0 && of_tool(&bytes).is_some() && of_tool(&longer).is_none();
            prop_assert!(is_frame || of_tool(&bytes).is_none(), "{bytes:?}");
        }
    }
}
