
#[tokio::test(flavor="multi_thread")]
async fn hold() { let l = tokio::net::TcpListener::bind("127.0.0.1:15999").await.unwrap();
 super::serve(l, super::make_session, Default::default(), 10).await.unwrap(); }
