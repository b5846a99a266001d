//! Asks container registries what an image is, before any node pulls it: which digest, and how many bytes.
//!
//! A tenant chooses whom we ask. So nothing but public addresses is asked, at every step: the registry's name, where it
//! redirects, and where it sends us for a token. What the provider allows by name is exempt.
//!
//! A tenant's credentials go to the registry that the manifest names them for, and to the place that it names for tokens if
//! that has TLS or is the registry itself; never to where it redirects.

pub mod address;
pub mod challenge;
pub mod document;

use std::{sync::Arc, time::Duration};

use manifest::{Credentials, ImageRef};
use reqwest::{
    RequestBuilder, StatusCode, Url,
    header::{ACCEPT, HeaderMap, LOCATION, WWW_AUTHENTICATE},
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use self::{
    address::{AddressRules, NotAllowed, PublicOnly, Reach},
    challenge::Challenge,
    document::{Document, Platform},
};

/// One request may take this long, and a whole look-up [`LONGEST_LOOKUP`].
const LONGEST_REQUEST: Duration = Duration::from_secs(10);
/// An image that was not described by then counts as unreachable.
const LONGEST_LOOKUP: Duration = Duration::from_secs(30);
/// Longest manifest or token that is read; registries themselves stop at 4 MiB.
const LONGEST_ANSWER: usize = 4 << 20;
/// Redirects that are followed for one document.
const MOST_REDIRECTS: usize = 3;

/// What a registry knows about an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Digest of the document that the reference names.
    pub digest: String,
    /// Bytes that a node downloads, of the largest of its platforms.
    pub bytes: u64,
}

/// Why an image was not described. The texts hold nothing that the registry wrote.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address that we do not call.
    #[error("{0}")]
    NotAllowed(#[from] NotAllowed),
    /// The registry does not have it.
    #[error("{host} does not have it")]
    NotFound {
        /// The registry.
        host: String,
    },
    /// The image is there, but not for the nodes.
    #[error("it is not made for {wanted}")]
    NoPlatform {
        /// Platforms of the nodes.
        wanted: String,
    },
    /// The registry wants credentials, or others.
    #[error("{host} does not show it {with}")]
    Denied {
        /// The registry.
        host: String,
        /// What it was shown.
        with: Shown,
    },
    /// The connection failed or was too slow.
    #[error("{host} cannot be reached")]
    Connect {
        /// Who was asked.
        host: String,
        /// Cause.
        #[source]
        source: reqwest::Error,
    },
    /// Another answer than was asked for.
    #[error("{host} answered with status {status}")]
    Status {
        /// Who was asked.
        host: String,
        /// Status of the answer.
        status: u16,
    },
    /// An answer that is no image.
    #[error("{host} answered with something that is no image")]
    NoImage {
        /// Who was asked.
        host: String,
    },
    /// Bytes of another digest.
    #[error("{host} answered with other bytes than the digest names")]
    OtherDigest {
        /// Who was asked.
        host: String,
    },
    /// Nothing was decided in time.
    #[error("the registry took more than {} seconds", LONGEST_LOOKUP.as_secs())]
    TooSlow,
}

/// What a registry was shown of the tenant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The manifest has no credentials for it.
    Nothing,
    /// Those of the manifest.
    Credentials,
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "without credentials; name some under `registries` in the manifest",
            Self::Credentials => "with the credentials that the manifest has for it",
        })
    }
}

/// A client of all registries.
#[derive(Clone, Debug)]
pub struct Registry {
    rules: Arc<AddressRules>,
    public: reqwest::Client,
    allowed: reqwest::Client,
}

impl Registry {
    /// A client under these rules.
    pub fn new(rules: AddressRules) -> Result<Self, reqwest::Error> {
        let rules = Arc::new(rules);
        // Redirects are followed by hand, so that each of them is checked; a proxy would resolve names by itself.
        let builder = || {
            reqwest::Client::builder()
                .timeout(LONGEST_REQUEST)
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
        };
        let public = builder().https_only(true).dns_resolver(PublicOnly::new(rules.clone())).build()?;
        Ok(Self { public, allowed: builder().build()?, rules })
    }

    /// Describes an image for nodes of these platforms; the credentials are those for its registry.
    pub async fn describe(
        &self,
        image: &ImageRef,
        credentials: Option<&Credentials>,
        platforms: &[Platform],
    ) -> Result<Description, Error> {
        tokio::time::timeout(LONGEST_LOOKUP, self.look_up(image, credentials, platforms))
            .await
            .unwrap_or(Err(Error::TooSlow))
    }

    async fn look_up(
        &self,
        image: &ImageRef,
        credentials: Option<&Credentials>,
        platforms: &[Platform],
    ) -> Result<Description, Error> {
        let name = Repository::of(image);
        let mut session = Session { registry: self, repository: &name, credentials, proof: None };
        let reference = image.digest().or(image.tag()).unwrap_or_default();
        let (digest, document) = session.manifest(reference).await?;
        let bytes = match document {
            Document::Image(image) => image.bytes(),
            Document::Index(index) => {
                let wanted = || platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
                let chosen = index.for_platforms(platforms);
                if chosen.is_empty() {
                    return Err(Error::NoPlatform { wanted: wanted() });
                }
                let mut largest = 0;
                for digest in chosen {
                    match session.manifest(&digest).await? {
                        (_, Document::Image(image)) => largest = largest.max(image.bytes()),
                        (_, Document::Index(_)) => return Err(Error::NoImage { host: name.host() }),
                    }
                }
                largest
            }
        };
        Ok(Description { digest, bytes })
    }

    fn client(&self, url: &Url) -> Result<&reqwest::Client, NotAllowed> {
        Ok(match self.rules.check(url)? {
            Reach::Public => &self.public,
            Reach::Allowed => &self.allowed,
        })
    }
}

/// Where an image's documents are.
struct Repository {
    registry: String,
    path: String,
}

impl Repository {
    /// Docker's hub has another name in references than on the wire, and a folder for official images.
    fn of(image: &ImageRef) -> Self {
        let (registry, path) = (image.registry(), image.path());
        match registry {
            "docker.io" | "index.docker.io" => Self {
                registry: "registry-1.docker.io".to_owned(),
                path: if path.contains('/') { path.to_owned() } else { format!("library/{path}") },
            },
            _ => Self { registry: registry.to_owned(), path: path.to_owned() },
        }
    }

    fn host(&self) -> String {
        self.registry.clone()
    }
}

/// The look-up of one image: it keeps between documents what the registry wanted to see.
struct Session<'a> {
    registry: &'a Registry,
    repository: &'a Repository,
    credentials: Option<&'a Credentials>,
    proof: Option<Proof>,
}

/// What a registry wants to see with each request.
enum Proof {
    /// A token of its own.
    Token(String),
    /// The credentials themselves.
    Password,
}

impl Session<'_> {
    /// A manifest or index by tag or digest, with the digest of its bytes.
    async fn manifest(&mut self, reference: &str) -> Result<(String, Document), Error> {
        let Repository { registry, path } = self.repository;
        let scheme = self.registry.rules.scheme(registry);
        let host = || registry.clone();
        let url = format!("{scheme}://{registry}/v2/{path}/manifests/{reference}");
        let url = Url::parse(&url).map_err(|_| Error::NoImage { host: host() })?;
        let body = self.document(url).await?;
        let digest = format!("sha256:{}", data_encoding::HEXLOWER.encode(&Sha256::digest(&body)));
        if reference.starts_with("sha256:") && reference != digest {
            return Err(Error::OtherDigest { host: host() });
        }
        let document = serde_json::from_slice(&body).map_err(|_| Error::NoImage { host: host() })?;
        Ok((digest, document))
    }

    /// Follows redirects and asks for a token once.
    async fn document(&mut self, mut url: Url) -> Result<Vec<u8>, Error> {
        let origin = url.origin();
        for _ in 0..=MOST_REDIRECTS {
            let mut request = self.registry.client(&url)?.get(url.clone()).header(ACCEPT, document::ACCEPTED);
            // It belongs to the registry that asked for it, not to where it redirects.
            match self.proof.as_ref().filter(|_| url.origin() == origin) {
                Some(Proof::Token(token)) => request = request.bearer_auth(token),
                Some(Proof::Password) => request = self.with_password(request),
                None => {}
            }
            let host = || host_of(&url);
            let answer = request.send().await.map_err(|source| failed(host(), source))?;
            match answer.status() {
                StatusCode::OK => return read(answer, &url).await,
                StatusCode::UNAUTHORIZED if self.proof.is_none() && url.origin() == origin => {
                    self.proof = Some(self.prove(&url, answer.headers()).await?);
                }
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(self.denied(&url)),
                StatusCode::NOT_FOUND => return Err(Error::NotFound { host: host() }),
                status if status.is_redirection() => {
                    let target = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
                    let target = target.and_then(|target| url.join(target).ok());
                    url = target.ok_or_else(|| Error::Status { host: host(), status: status.as_u16() })?;
                }
                status => return Err(Error::Status { host: host(), status: status.as_u16() }),
            }
        }
        Err(Error::Status { host: host_of(&url), status: StatusCode::FOUND.as_u16() })
    }

    fn denied(&self, url: &Url) -> Error {
        let with = if self.credentials.is_some() { Shown::Credentials } else { Shown::Nothing };
        Error::Denied { host: host_of(url), with }
    }

    fn with_password(&self, request: RequestBuilder) -> RequestBuilder {
        match self.credentials {
            None => request,
            Some(Credentials { username, password }) => request.basic_auth(username, Some(password.expose())),
        }
    }

    /// Gets what the registry wants to see: a token wherever it offers one.
    async fn prove(&self, from: &Url, headers: &HeaderMap) -> Result<Proof, Error> {
        let challenges: Vec<&str> =
            headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).collect();
        match challenges.iter().find_map(|text| text.parse().ok()) {
            Some(challenge) => self.ask_for_token(from, &challenge).await.map(Proof::Token),
            None if self.credentials.is_some() && challenges.iter().any(|text| challenge::is_basic(text)) => {
                Ok(Proof::Password)
            }
            None => Err(self.denied(from)),
        }
    }

    async fn ask_for_token(&self, from: &Url, challenge: &Challenge) -> Result<String, Error> {
        let denied = || self.denied(from);
        let mut url = Url::parse(&challenge.realm).map_err(|_| denied())?;
        url.query_pairs_mut()
            .extend_pairs(challenge.service.as_ref().map(|service| ("service", service)))
            .append_pair("scope", &format!("repository:{}:pull", self.repository.path));
        let host = || host_of(&url);
        let mut request = self.registry.client(&url)?.get(url.clone());
        // Whoever listens on the way must not read them. A registry without TLS that the provider allows is its own matter.
        if url.scheme() == "https" || url.origin() == from.origin() {
            request = self.with_password(request);
        }
        let answer = request.send().await.map_err(|source| failed(host(), source))?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(denied()),
            status => return Err(Error::Status { host: host(), status: status.as_u16() }),
        }
        let body = read(answer, &url).await?;
        let answer: TokenAnswer =
            serde_json::from_slice(&body).map_err(|_| Error::NoImage { host: host() })?;
        answer.token.or(answer.access_token).ok_or_else(denied)
    }
}

/// A name that leads inside is refused by the resolver, deep in the cause.
fn failed(host: String, source: reqwest::Error) -> Error {
    let mut cause = std::error::Error::source(&source);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<NotAllowed>() {
            return Error::NotAllowed(refused.clone());
        }
        cause = error.source();
    }
    Error::Connect { host, source }
}

/// Either name is in use.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

async fn read(mut answer: reqwest::Response, url: &Url) -> Result<Vec<u8>, Error> {
    let host = || host_of(url);
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|source| failed(host(), source))? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_ANSWER {
            return Err(Error::NoImage { host: host() });
        }
    }
    Ok(body)
}

fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
