//! Removals while the bucket is away: rows go at once, objects once it is back.

use std::time::Duration;

use reqwest::Method;

use super::{IMPATIENT, house, ways_to_be_away};
use crate::support::{
    app::eventually,
    load::timed,
    media::mp4,
    s3::{Fault, faults::deletes},
    stores::count,
};

#[actix_web::test]
async fn a_removal_while_the_bucket_is_away_holds_at_once_and_the_object_goes_once_it_is_back() {
    let house = house(&[IMPATIENT]).await;
    for fault in ways_to_be_away() {
        let id = house.app.upload(&house.owner, "a.mp4", mp4().to_vec()).await.id();
        house.bucket().fail(fault.clone());
        let (removed, took) = timed(house.app.delete(&format!("/files/{id}"), &house.owner)).await;
        removed.data(200);
        assert!(took < Duration::from_secs(5), "{fault:?}: {took:?}");
        assert_eq!(count(&mut house.db.connect(), "files"), 0, "{fault:?}");
        assert_eq!(house.ask(Method::GET, &id, &[]).await.status, 404, "{fault:?}");
        assert_eq!(house.bucket().objects().len(), 1, "{fault:?}");
        house.bucket().heal();
        assert_eq!(house.agreed(), 0, "{fault:?}");
    }
}

#[actix_web::test]
async fn what_goes_by_a_job_goes_once_the_bucket_is_back() {
    let house = house(&[IMPATIENT, &[("PLAYHOUSE_JOBS__POLL_MS", "200")]]).await;
    let hash = house.app.share(&house.owner, "A walk", "").await;
    house.bucket().fail(Fault::Status(500));
    house.app.delete(&format!("/v/{hash}"), &house.owner).await.response(200);
    assert_eq!(count(&mut house.db.connect(), "files"), 0);
    let tried = eventually(Duration::from_secs(20), async || house.bucket().requests_of(&Method::DELETE) > 0).await;
    assert!(tried, "the job does not begin");
    house.bucket().heal();
    assert_eq!(house.agreed(), 0);
}

#[actix_web::test]
async fn what_a_dead_server_left_goes_once_the_bucket_is_back() {
    let mut house = house(&[IMPATIENT]).await;
    let kept = house.app.upload(&house.owner, "a.mp4", mp4().to_vec()).await.id();
    for fault in [Fault::Status(500), Fault::Hang] {
        let ids = [
            house.app.upload(&house.owner, "a.mp4", mp4().to_vec()).await.id(),
            house.app.upload(&house.owner, "a.mp4", mp4().to_vec()).await.id(),
        ];
        house.bucket().fail_where(deletes, fault.clone());
        for id in &ids {
            house.app.delete(&format!("/files/{id}"), &house.owner).await.data(200);
        }
        house.app.kill();
        house.bucket().fail(fault.clone());
        let (app, took) = timed(async { house.plan.start() }).await;
        house.app = app;
        assert!(took < Duration::from_secs(10), "{fault:?}: {took:?} to start");
        assert_eq!(house.bucket().objects().len(), 3, "{fault:?}");
        house.bucket().heal();
        assert_eq!(house.agreed(), 1, "{fault:?}");
        assert!(house.ask(Method::GET, &kept, &[]).await.bytes == mp4());
    }
}
