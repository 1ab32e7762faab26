//! Bytes in two places: those that lie on the disk beside the bucket, and links that lead readers into it.

use std::time::Duration;

use reqwest::Method;

use super::{House, Settings, house};
use crate::support::{
    app::Answer,
    channels::tiny,
    home::Home,
    media::{VTT, mp4, noise, png},
    media_folder,
    stores::TestDb,
};

#[actix_web::test]
async fn bytes_are_found_wherever_they_lie_and_new_ones_go_where_the_setting_says() {
    let (home, db) = (Home::bucket(), TestDb::create());
    let local = crate::support::app::Plan::over(&db);
    let mut app = local.start();
    let owner = app.register().await;
    let hash = app.share(&owner, "A walk", "").await;
    let on_disk = app.upload(&owner, "a.mp4", mp4().to_vec()).await.id();
    let folder = app.media_dir().to_owned();
    let disk = || media_folder::look(&folder).stored;

    // From now on new bytes go into the bucket.
    app.kill();
    let mut app = home.apply(local.clone()).start();
    let in_bucket = app.upload(&owner, "a.png", png().to_vec()).await.id();
    home.s3().reset();
    let part = app.request(Method::GET, &format!("/media/{on_disk}"), Some(&owner)).header("range", "bytes=10-99");
    let part = Answer::of(part).await;
    assert!(part.status == 206 && part.bytes == mp4()[10..100]);
    assert!(app.see(&format!("/video/d/{hash}")).await.bytes == tiny());
    assert_eq!(home.s3().requests(), 0, "what is near is not asked for far away");
    assert_eq!((disk().len(), home.s3().objects().len()), (3, 1));
    let session = app.watch(&owner, serde_json::json!({"file_id": on_disk})).await;
    assert_eq!(app.see(&session.poster()).await.status, 200, "a frame of what is on the disk");
    assert_eq!((disk().len(), home.s3().objects().len()), (3, 2), "the poster is new");

    // And now on the disk again; the bucket is still known.
    app.kill();
    let app = home.s3().configure(local.clone()).with("PLAYHOUSE_STORAGE__TIMEOUT_MS", "20000").start();
    assert!(app.get(&format!("/media/{in_bucket}"), &owner).await.bytes == png());
    let back = app.upload(&owner, "a.vtt", VTT.to_vec()).await.id();
    assert!(disk().contains_key(&back));
    for id in [&on_disk, &in_bucket, &back] {
        app.delete(&format!("/files/{id}"), &owner).await.data(200);
    }
    app.delete(&format!("/v/{hash}"), &owner).await.response(200);
    let none = async || disk().is_empty() && home.s3().objects().is_empty();
    assert!(crate::support::app::eventually(Duration::from_secs(20), none).await, "{:?}", home.look(&folder));
}

/// Readers are sent into the bucket.
const SENDING_ON: Settings = &[("PLAYHOUSE_STORAGE__REDIRECT_SECONDS", "60")];

/// The link to which a reader of `/media/{id}` is sent.
async fn link(house: &House, method: Method, id: &str) -> String {
    let sent = house.ask(method, id, &[]).await;
    assert_eq!((sent.status, sent.bytes.len()), (307, 0));
    sent.header("location").expect("a link").to_owned()
}

/// Follows a link, as anybody could.
async fn follow(house: &House, method: Method, link: &str, headers: &[(&str, &str)]) -> Answer {
    let request = house.app.client.request(method, link);
    Answer::of(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

#[actix_web::test]
async fn a_reader_is_sent_to_the_bucket_by_a_link_that_holds_for_a_while_and_for_one_object() {
    let house = house(&[SENDING_ON]).await;
    let id = house.app.upload(&house.owner, "a.mp4", mp4().to_vec()).await.id();
    let another = house.put(&noise(100)).await;
    let link = link(&house, Method::GET, &id).await;
    assert!(link.starts_with(house.bucket().endpoint()), "{link}");
    assert!(link.contains("X-Amz-Expires=60&"), "{link}");
    assert!(!link.contains(&house.owner.token) && !link.contains(crate::support::s3::SECRET_ACCESS_KEY));

    let whole = follow(&house, Method::GET, &link, &[]).await;
    assert!(whole.status == 200 && whole.bytes == mp4());
    assert_eq!(whole.header("content-type"), Some("video/mp4"));
    let part = follow(&house, Method::GET, &link, &[("range", "bytes=10-99")]).await;
    assert!(part.status == 206 && part.bytes == mp4()[10..100]);
    let to_head = self::link(&house, Method::HEAD, &id).await;
    let head = follow(&house, Method::HEAD, &to_head, &[]).await;
    assert_eq!((head.status, head.header("content-type")), (200, Some("video/mp4")));
    assert_eq!(head.header("content-length"), Some(mp4().len().to_string().as_str()));

    for altered in [
        link.replace(&id, &another),
        link.replace("X-Amz-Expires=60&", "X-Amz-Expires=6000&"),
        link.replace("video%2Fmp4", "text%2Fhtml"),
    ] {
        assert_ne!(altered, link);
        assert_eq!(follow(&house, Method::GET, &altered, &[]).await.status, 403, "{altered}");
    }
    assert_eq!(follow(&house, Method::PUT, &link, &[]).await.status, 403);
    assert_eq!(follow(&house, Method::DELETE, &link, &[]).await.status, 403);
}

#[actix_web::test]
async fn who_may_not_read_gets_no_link_and_without_the_setting_there_is_none() {
    let house = house(&[SENDING_ON]).await;
    let id = house.app.upload(&house.owner, "a.png", png().to_vec()).await.id();
    let viewer = house.app.register().await;
    let path = format!("/media/{id}");
    for refused in [house.see(&path).await, house.app.get(&path, &viewer).await] {
        assert!(matches!(refused.status, 401 | 403), "{}", refused.status);
        assert_eq!(refused.header("location"), None);
    }
    // Bytes on the disk come from here.
    let near = media_folder::put(house.app.media_dir(), &mut house.db.connect(), "video/mp4", &noise(100));
    assert!(house.ask(Method::GET, &near, &[]).await.bytes == noise(100));
    let plain = house.plan.clone().with("PLAYHOUSE_STORAGE__REDIRECT_SECONDS", "0").start();
    let answer = plain.get(&path, &house.owner).await;
    assert!(answer.status == 200 && answer.bytes == png());
}
