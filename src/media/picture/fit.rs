//! How large a copy becomes.

use crate::media::header::{FirstFrame, Header};

/// What a copy has to fit into, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    width: u32,
    height: u32,
}

impl Fit {
    /// The picture of a channel.
    pub const CHANNEL: Self = Self { width: 512, height: 512 };

    /// So wide; a copy may be four times as high.
    #[must_use]
    pub const fn width(pixels: u32) -> Self {
        Self { width: pixels, height: pixels.saturating_mul(4) }
    }

    /// For a picture that is to be turned by a quarter.
    pub(super) const fn turned(self) -> Self {
        Self { width: self.height, height: self.width }
    }

    /// The filters of ffmpeg that make any picture fit.
    pub(super) fn scale(self) -> String {
        let side = |side| format!("'max(1,round({side}*min(1,min({}/iw,{}/ih))))'", self.width, self.height);
        format!("scale=w={}:h={}", side("iw"), side("ih"))
    }

    /// Those that put a first frame where it is on a transparent canvas that fits. The canvas is never made larger
    /// than fits.
    pub(super) fn canvas(self, header: &Header, first: FirstFrame) -> String {
        let is_less =
            |(a, b): (u32, u32), (c, d): (u32, u32)| u64::from(a) * u64::from(d) < u64::from(c) * u64::from(b);
        // The least of the two ratios, and of 1: nothing is enlarged.
        let (to, of) = [(self.width, header.width), (self.height, header.height)]
            .into_iter()
            .fold((1, 1), |least, ratio| if is_less(ratio, least) { ratio } else { least });
        let scaled = |pixels: u32| (u64::from(pixels) * u64::from(to) * 2 + u64::from(of)) / (u64::from(of) * 2);
        let along = |whole: u32, offset: u32, length: u32| {
            let whole = scaled(whole).max(1);
            let length = scaled(length).clamp(1, whole);
            (whole, scaled(offset).min(whole - length), length)
        };
        let (canvas_width, left, width) = along(header.width, first.left, first.width);
        let (canvas_height, top, height) = along(header.height, first.top, first.height);
        format!(
            "scale=w={width}:h={height},format=bgra,\
             pad=w={canvas_width}:h={canvas_height}:x={left}:y={top}:color=black@0"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::header::Orientation;

    /// Width and height of the frame; those of the canvas, and where on it the frame is.
    fn placed(fit: Fit, (width, height): (u32, u32), [left, top, wide, high]: [u32; 4]) -> [u32; 6] {
        let first = FirstFrame::of_place(left, top, wide, high);
        let header = Header { width, height, orientation: Orientation::Upright, first_frame: Some(first) };
        let graph = fit.canvas(&header, first);
        let numbers = graph.split(|letter: char| !letter.is_ascii_digit()).filter(|text| !text.is_empty());
        let numbers: Vec<u32> = numbers.map(|text| text.parse().unwrap()).collect();
        numbers[..6].try_into().unwrap()
    }

    #[test]
    fn a_frame_stays_on_its_canvas_however_small_they_become() {
        let narrow = Fit::width(64);
        assert_eq!(placed(Fit::CHANNEL, (80, 60), [20, 30, 40, 20]), [40, 20, 80, 60, 20, 30], "nothing is enlarged");
        assert_eq!(placed(narrow, (640, 480), [64, 48, 320, 240]), [32, 24, 64, 48, 6, 5]);
        // So high that its width goes to nothing.
        assert_eq!(placed(narrow, (2, 16_000), [0, 15_998, 2, 2]), [1, 1, 1, 256, 0, 255]);
        assert_eq!(placed(narrow, (7000, 7000), [6998, 6998, 2, 2]), [1, 1, 64, 64, 63, 63]);
        for (canvas, fit) in
            [((101_u32, 77_u32), Fit::width(64)), ((3, 4001), Fit::width(128)), ((1999, 1), Fit::CHANNEL)]
        {
            for left in (0..canvas.0).step_by(2) {
                for wide in [1, (canvas.0 - left).div_ceil(2), canvas.0 - left] {
                    let [width, _, whole, _, at, _] = placed(fit, canvas, [left, 0, wide, 1]);
                    assert!(width > 0 && at + width <= whole, "{canvas:?} {left} {wide}: {width} at {at} of {whole}");
                }
            }
        }
    }
}
