//! Whatever anybody wrote into a name or description, the page's markup stays its own.

use aliyun_rds_import_exporter::api::Error;
use aliyun_rds_import_exporter::domain::TaskStatus;
use proptest::prelude::*;

use crate::web::Server;

use super::fleet::{NOW, account, failed, key, polled_at, task};

/// The names of the tags and attributes of a page, without any text.
fn skeleton(html: &str) -> Vec<String> {
    let body = html.split_once("<body>").unwrap().1;
    let tags = body.split('<').skip(1).map(|part| part.split_once('>').unwrap().0);
    tags.map(|tag| {
        // Values of attributes go, their names stay.
        let outside: Vec<_> = tag.split('"').step_by(2).collect();
        outside.concat()
    })
    .collect()
}

async fn page(text: &str) -> String {
    let server = Server::start().await;
    let key = key(text, text, text);
    account(&server, text, None);
    let tasks = vec![task(1, TaskStatus::FAILED)];
    polled_at(&server.store, &key, text, tasks, NOW, &[(1, text)]);
    let error = Error::answered(text, 500, text, Some(text.to_owned()));
    failed(&server.store, &key, text, &error);
    let query =
        form_urlencoded::Serializer::new(String::new()).append_pair("instance", text).finish();
    let answer = server.get(&format!("/?{query}")).await;
    assert_eq!(answer.status(), 200);
    answer.text().to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_text_becomes_markup(text in "[a-z]{0,3}(<[a-z/!]{1,6}|>|\"|'|&[a-z]{2,4};|&#60;|=|\\x00|\u{202e}|🚀){1,12}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (hostile, harmless) = runtime.block_on(async {
            (page(&text).await, page("harmless").await)
        });
        prop_assert_eq!(skeleton(&hostile), skeleton(&harmless), "{}", hostile);
    }
}
