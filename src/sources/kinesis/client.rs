//! The SDK client of a source. The SDK has no time limits of its own and retries in its own way: we set the first and switch off the second.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_sdk_kinesis::Client;

use super::options::{Keys, KinesisOptions};
use crate::error::{Error, Result};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);

pub async fn connect(options: &KinesisOptions) -> Result<Client> {
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_timeout(OPERATION_TIMEOUT).build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts).retry_config(RetryConfig::disabled());
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &options.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(keys) = &options.keys {
        loader = loader.credentials_provider(credentials(keys));
    }
    let config = loader.load().await;
    match config.region() {
        Some(_) => Ok(Client::new(&config)),
        None => Err(Error::invalid("no AWS region is known for this source").with_hint("add region = 'eu-central-1' to WITH (…)")),
    }
}

fn credentials(keys: &Keys) -> Credentials {
    let session_token = keys.session_token.as_ref().map(|token| token.reveal().to_string());
    Credentials::new(&keys.access_key_id, keys.secret_access_key.reveal(), session_token, None, "source options")
}
