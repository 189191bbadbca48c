//! Opening the store that a lake's root names: the local file system or S3, with explicit credentials or those of the AWS default chain.

use std::sync::Arc;

use async_trait::async_trait;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use chrono::{DateTime, TimeDelta, Utc};
use object_store::aws::{AmazonS3Builder, AwsCredential, S3ConditionalPut};
use object_store::{CredentialProvider, ObjectStore};
use tokio::sync::Mutex;
use url::Url;

use super::durable_folder::{self, DurableFolder};
use crate::clock::Clock;
use crate::config::S3Config;
use crate::error::{Error, Result};

/// Credentials are asked for anew this long before they expire.
const CREDENTIAL_MARGIN_SECONDS: i64 = 300;
/// What endpoints that are not AWS expect if nobody says otherwise.
const REGION_DEFAULT: &str = "us-east-1";

pub fn open_folder(folder: &str) -> Result<(Arc<dyn ObjectStore>, Url)> {
    let unusable = |error: std::io::Error| Error::unavailable(format!("the lake's folder cannot be used: {folder}")).with_cause(error);
    // It is there before it is remembered.
    let folder = durable_folder::make(std::path::Path::new(folder)).map_err(unusable)?;
    let root = Url::from_directory_path(&folder).map_err(|()| Error::invalid(format!("'{}' is not a folder", folder.display())))?;
    Ok((Arc::new(DurableFolder::open(folder).map_err(unusable)?), root))
}

pub async fn open_url(root: &str, s3: &S3Config, clock: &Clock) -> Result<(Arc<dyn ObjectStore>, Url)> {
    let url = Url::parse(root).map_err(|error| Error::invalid(format!("'{root}' is not a URL")).with_cause(error))?;
    match (url.scheme(), url.host_str()) {
        ("s3", Some(bucket)) => Ok((open_bucket(bucket, s3, clock).await?, url)),
        ("file", _) => {
            open_folder(&url.to_file_path().map_err(|()| Error::invalid(format!("'{root}' is not a folder")))?.to_string_lossy())
        }
        _ => Err(Error::unsupported(format!("a lake cannot be at '{root}'")).with_hint("it is a local folder or s3://bucket/prefix")),
    }
}

async fn open_bucket(bucket: &str, s3: &S3Config, clock: &Clock) -> Result<Arc<dyn ObjectStore>> {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_allow_http(s3.allow_http)
        // A bucket as part of the host name needs DNS that only AWS has.
        .with_virtual_hosted_style_request(s3.endpoint.is_none());
    if let Some(endpoint) = &s3.endpoint {
        if endpoint.starts_with("http://") && !s3.allow_http {
            return Err(Error::invalid(format!("the S3 endpoint {endpoint} is not encrypted")).with_hint("allow it with --s3-allow-http"));
        }
        builder = builder.with_endpoint(endpoint);
    }
    builder = match (&s3.access_key_id, &s3.secret_access_key) {
        (Some(id), Some(secret)) => {
            let region = s3.region.clone().unwrap_or_else(|| REGION_DEFAULT.to_string());
            builder.with_region(region).with_access_key_id(id).with_secret_access_key(secret)
        }
        (None, None) => with_default_chain(builder, s3, clock).await?,
        _ => return Err(Error::invalid("an S3 access key needs both its id and its secret")),
    };
    let store = builder.build().map_err(|error| Error::invalid(format!("the bucket {bucket} cannot be opened")).with_cause(error))?;
    Ok(Arc::new(store))
}

async fn with_default_chain(builder: AmazonS3Builder, s3: &S3Config, clock: &Clock) -> Result<AmazonS3Builder> {
    let aws = aws_config::defaults(aws_config::BehaviorVersion::latest()).load().await;
    let region = s3.region.clone().or_else(|| aws.region().map(ToString::to_string)).unwrap_or_else(|| REGION_DEFAULT.to_string());
    let chain = aws.credentials_provider().ok_or_else(|| {
        Error::unavailable("no S3 credentials were found")
            .with_hint("give --s3-access-key-id and its secret, or set up an AWS profile or role")
    })?;
    let credentials = ChainCredentials { chain, clock: clock.clone(), cached: Mutex::new(None) };
    Ok(builder.with_region(region).with_credentials(Arc::new(credentials)))
}

/// The AWS default chain for `object_store`, asked again only when what it gave is about to expire.
#[derive(Debug)]
struct ChainCredentials {
    chain: SharedCredentialsProvider,
    clock: Clock,
    cached: Mutex<Option<Cached>>,
}

#[derive(Debug)]
struct Cached {
    credential: Arc<AwsCredential>,
    expires: Option<DateTime<Utc>>,
}

#[async_trait]
impl CredentialProvider for ChainCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut cached = self.cached.lock().await;
        let good_until = self.clock.now() + TimeDelta::seconds(CREDENTIAL_MARGIN_SECONDS);
        if let Some(cached) = cached.as_ref().filter(|cached| cached.expires.is_none_or(|expires| expires > good_until)) {
            return Ok(cached.credential.clone());
        }
        let fresh = self
            .chain
            .provide_credentials()
            .await
            .map_err(|error| object_store::Error::Unauthenticated { path: "AWS credential chain".to_string(), source: Box::new(error) })?;
        let credential = Arc::new(AwsCredential {
            key_id: fresh.access_key_id().to_string(),
            secret_key: fresh.secret_access_key().to_string(),
            token: fresh.session_token().map(ToString::to_string),
        });
        *cached = Some(Cached { credential: credential.clone(), expires: fresh.expiry().map(DateTime::from) });
        Ok(credential)
    }
}
