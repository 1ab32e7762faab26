//! Generated pictures, for channels that have none.

use sha2::{Digest as _, Sha256};

/// Width and height of a generated picture, in pixels.
pub const IDENTICON_SIDE: u32 = 256;
const CELLS: u32 = 5;
const CELL: u32 = 48;
const MARGIN: u32 = (IDENTICON_SIDE - CELLS * CELL) / 2;
const PAPER: [u8; 3] = [0xf0; 3];

/// A PNG file of [`IDENTICON_SIDE`] pixels a side that is always the same for the same `name`
/// (without regard to case): a pattern of five by five cells, its right half the mirror of the
/// left, in one colour.
///
/// # Panics
/// Never: nothing of the encoder's input but colours and cells depends on `name`.
#[must_use]
pub fn identicon(name: &str) -> Vec<u8> {
    let digest: [u8; 32] = Sha256::digest(name.to_lowercase()).into();
    let [red, green, blue, pattern @ ..] = digest;
    // Dark enough for the paper.
    let ink = [red, green, blue].map(|value| 40 + value / 2);
    let filled = |column: u32, row: u32| {
        let column = column.min(CELLS - 1 - column);
        let bit = usize::try_from(row * CELLS.div_ceil(2) + column).unwrap_or(0);
        pattern.get(bit).is_some_and(|byte| byte & 1 == 1)
    };
    let cell = |at: u32| at.checked_sub(MARGIN).map(|at| at / CELL).filter(|cell| *cell < CELLS);
    let points = (0..IDENTICON_SIDE).flat_map(|y| (0..IDENTICON_SIDE).map(move |x| (x, y)));
    let pixels: Vec<u8> =
        points.map(|(x, y)| cell(x).zip(cell(y)).is_some_and(|(column, row)| filled(column, row)).into()).collect();
    let mut file = Vec::new();
    #[expect(clippy::expect_used, reason = "a vector takes all bytes, and the sizes fit by their constants")]
    write_png(&mut file, [PAPER, ink].concat(), &pixels).expect("a PNG of constant size");
    file
}

/// Writes a square image whose `pixels` are numbers of colours in `palette`.
fn write_png(file: &mut Vec<u8>, palette: Vec<u8>, pixels: &[u8]) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(file, IDENTICON_SIDE, IDENTICON_SIDE);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::samples::{Folder, facts, pixels, tools};

    #[tokio::test]
    async fn a_generated_picture_is_the_names_own_and_symmetric() {
        let ((_, tools), folder) = (tools(), Folder::new());
        assert_eq!(identicon("Ann"), identicon("ann"));
        let names = (0..100).map(|number| identicon(&format!("viewer-{number}")));
        assert_eq!(names.collect::<std::collections::HashSet<_>>().len(), 100);
        let file = folder.join("ann");
        std::fs::write(&file, identicon("ann")).unwrap();
        assert_eq!(facts(&tools, &file).await, "png,256,256");
        let (plain, mirrored) = (pixels(&tools, &file, "null").await, pixels(&tools, &file, "hflip").await);
        assert_eq!(plain, mirrored);
        assert_eq!(plain.chunks(4).collect::<std::collections::HashSet<_>>().len(), 2, "paper and ink");
    }
}
