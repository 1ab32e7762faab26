//! Images that are made to harm: each is refused, or served so that it does nothing; quickly, and in little memory.

mod measured;
mod tampered;

use std::time::Duration;

use self::{
    measured::{Cost, Measured},
    tampered::{Bomb, Ends},
};
use super::House;
use crate::support::{
    home::{Home, on_both_stores},
    load::{my_turn, timed},
    media::png,
};

on_both_stores! {
    what_is_made_to_harm_is_refused_or_harmless_and_costs_little,
}

/// How long a bomb may keep us.
const LONGEST: Duration = Duration::from_secs(1);
/// Bytes that the server and a tool may take more than they do for a small picture.
const MOST_MEMORY: u64 = 64 * 1024 * 1024;

async fn what_is_made_to_harm_is_refused_or_harmless_and_costs_little(home: Home) {
    let _turn = my_turn().await;
    let measured = Measured::new();
    let house = House::with(home, &measured.settings()).await;
    // Whatever the first one makes once and for all; and what a picture takes that is none.
    let plain = Bomb::new("a picture", png().to_vec(), Ends::Kept("image/png"));
    let (_, _) = (send(&house, &measured, &plain).await, send(&house, &measured, &plain).await);
    let (usual, took) = send(&house, &measured, &plain).await;
    eprintln!("a picture: {took:?}, {usual:?}");
    for bomb in tampered::bombs() {
        let (mut best, mut most) = (Duration::MAX, 0);
        // The best of three: another test may hold the processors for a moment.
        for _ in 0..3 {
            let (cost, took) = send(&house, &measured, &bomb).await;
            best = best.min(took);
            most = most.max(cost.server + cost.tool.saturating_sub(usual.tool));
        }
        eprintln!("{}: {} bytes, {best:?}, {} kB more", bomb.what, bomb.bytes.len(), most / 1024);
        assert!(most < MOST_MEMORY, "{}: {most} bytes more", bomb.what);
        assert!(best < LONGEST, "{}: {best:?}", bomb.what);
    }
    house.holds(0, 0, 0);
}

/// Sends a bomb, looks at what comes of it, and removes it where it was kept.
async fn send(house: &House, measured: &Measured, bomb: &Bomb) -> (Cost, Duration) {
    let viewer = &house.people.viewer;
    let begun = measured.begin(house.app.pid());
    let (answer, took) = timed(house.app.send_image(viewer, bomb.what, &bomb.bytes)).await;
    let cost = measured.end(&begun);
    match (answer.status, bomb.ends) {
        (400, Ends::Undecoded | Ends::Refused | Ends::Either(_)) => {
            super::refused(&answer, 400);
            assert!(cost.runs == 0 || !matches!(bomb.ends, Ends::Undecoded), "{}: {cost:?}", bomb.what);
            house.holds(0, 0, 0);
        }
        (201, Ends::Kept(mime) | Ends::Either(mime)) => {
            let id = answer.json()["id"].as_str().expect("an id").to_owned();
            is_harmless(house, bomb, &id, mime).await;
            assert_eq!(house.delete(viewer, &id).await.status, 204, "{}", bomb.what);
        }
        (status, ends) => {
            panic!("{}: {status}, not {ends:?}: {}", bomb.what, String::from_utf8_lossy(&answer.bytes))
        }
    }
    (cost, took)
}

/// Whatever a browser is told of these bytes, it runs nothing of them; and a smaller copy has nothing of them.
async fn is_harmless(house: &House, bomb: &Bomb, id: &str, mime: &str) {
    let viewer = &house.people.viewer;
    let image = house.image(viewer, id).await;
    assert!(image.bytes == bomb.bytes, "{}: other bytes", bomb.what);
    let media = house.app.get(&format!("/media/{id}"), viewer).await;
    let copy = house.wide(viewer, id, 64).await;
    for (answer, mime) in [(&image, mime), (&media, mime), (&copy, "image/webp")] {
        assert_eq!(answer.status, 200, "{} {}: {}", bomb.what, answer.path, String::from_utf8_lossy(&answer.bytes));
        assert_eq!(answer.header("content-type"), Some(mime), "{} {}", bomb.what, answer.path);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{} {}", bomb.what, answer.path);
        let policy = answer.header("content-security-policy");
        assert_eq!(policy, Some("default-src 'none'; sandbox"), "{} {}", bomb.what, answer.path);
    }
    for answer in [&image, &copy] {
        let disposition = answer.header("content-disposition").unwrap_or_default();
        assert!(disposition.starts_with("attachment; "), "{}: {disposition}", bomb.what);
    }
    assert!(!copy.bytes.windows(5).any(|window| window == b"alert"), "{}", bomb.what);
}
