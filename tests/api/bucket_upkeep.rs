//! What a bucket that was away leaves behind, whether it is there, and whose address and keys are taken.

use std::time::Duration;

use crate::support::{
    app::{Answer, Plan, eventually},
    media::png,
    media_folder::look,
    s3::{Bucket, Fault},
    stores::TestDb,
};

const LONG: Duration = Duration::from_secs(20);

#[actix_web::test]
async fn an_upload_that_failed_keeps_no_room_and_is_taken_back_when_the_bucket_is_back() {
    let (db, bucket) = (TestDb::create(), Bucket::start());
    let app = bucket.apply(Plan::over(&db)).start();
    let owner = app.register().await;
    bucket.fail(Fault::Status(500));
    assert_eq!(app.upload(&owner, "a.png", png().to_vec()).await.status, 503);
    let sizes = || -> Vec<u64> {
        let left = look(app.media_dir()).temporary;
        left.iter().filter_map(|path| path.metadata().ok()).map(|facts| facts.len()).collect()
    };
    assert!(
        eventually(LONG, || async { sizes() == [0] }).await,
        "all that stays is the journal's entry: {:?}",
        sizes()
    );
    bucket.heal();
    assert!(eventually(LONG, || async { sizes().is_empty() }).await, "nobody asks the bucket again");
    assert!(bucket.objects().is_empty());
}

#[actix_web::test]
async fn a_node_is_ready_where_its_bucket_is_there() {
    let (db, bucket) = (TestDb::create(), Bucket::start());
    for (name, status, media) in [("playhouse-test", 200, "ok"), ("nobody-has-this", 503, "away")] {
        let app = bucket.apply(Plan::over(&db)).with("PLAYHOUSE_STORAGE__BUCKET", name).start();
        let ready = Answer::of(app.client.get(app.url("/readyz"))).await;
        assert_eq!((ready.status, ready.json()["media"].as_str()), (status, Some(media)), "{name}");
    }
}

#[actix_web::test]
async fn what_the_settings_say_goes_before_what_the_environment_has() {
    let (db, bucket) = (TestDb::create(), Bucket::start());
    let plan = bucket.apply(Plan::over(&db)).with("PLAYHOUSE_STORAGE__RETRIES", "0");
    let others = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"].into_iter();
    let plan = others.fold(plan, |plan, name| plan.with(name, "http://127.0.0.1:1"));
    let ours = plan.with("AWS_SESSION_TOKEN", "another's").start();
    let owner = ours.register().await;
    assert_eq!(ours.upload(&owner, "a.png", png().to_vec()).await.status, 201);
    assert_eq!(bucket.objects().len(), 1);
}
