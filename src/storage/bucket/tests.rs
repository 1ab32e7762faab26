use super::*;
use crate::settings::Settings;

#[test]
fn the_name_of_a_bucket_stands_in_the_path_or_in_the_host() {
    let mut settings = Settings::from_variables(config::Map::new()).unwrap().storage;
    settings.bucket = "films".to_owned();
    settings.endpoint = "https://s3.example.org:9000/".to_owned();
    assert_eq!(address(&settings), "https://s3.example.org:9000");
    settings.path_style = false;
    assert_eq!(address(&settings), "https://films.s3.example.org:9000");
}

#[test]
fn a_name_travels_in_letters_that_headers_take_and_is_cut_between_characters() {
    assert_eq!(travelling("Ein Lächeln.png"), "Ein%20L%C3%A4cheln%2Epng");
    assert_eq!(travelling("a\r\nx-amz-meta-sha256: 0"), "a%0D%0Ax%2Damz%2Dmeta%2Dsha256%3A%200");
    let long = travelling(&"字".repeat(300));
    assert_eq!(long, "%E5%AD%97".repeat(MOST_NAME / 9));
}
