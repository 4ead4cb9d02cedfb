//! A hub, over HTTP: what a repository holds, and the bytes of its files.

use std::time::Duration;

use serde::Deserialize;
use ureq::config::RedirectAuthHeaders;
use ureq::http::{HeaderValue, Response, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, RequestBuilder};

use super::{Checksum, HubError, ModelId, Revision};

/// How long a hub may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a hub may send nothing.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Largest listing of a repository, in bytes.
const LISTING_MAX: u64 = 32 << 20;

/// A server that speaks the Hugging Face Hub's API. Proxies are taken from `HTTPS_PROXY`,
/// `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, certificates from the platform's store.
#[derive(Debug, Clone)]
pub struct Hub {
    agent: Agent,
    endpoint: String,
    authorization: Option<HeaderValue>,
}

/// A repository at one commit.
#[derive(Debug, Clone)]
pub(super) struct Repository {
    /// The name that was asked for.
    pub id: ModelId,
    /// The revision that was asked for.
    pub revision: Revision,
    /// The commit that the revision was; the revision itself where the hub does not say.
    pub commit: Revision,
    /// Its files.
    pub files: Vec<ListedFile>,
    /// The name that the hub has for it now: repositories get renamed.
    current_id: ModelId,
}

impl Repository {
    /// The error that a file is not in it.
    pub fn lacks(&self, file: &str) -> HubError {
        HubError::MissingFile {
            id: self.id.to_string(),
            revision: self.revision.to_string(),
            file: file.to_owned(),
        }
    }
}

/// A file as the hub lists it.
#[derive(Debug, Clone)]
pub(super) struct ListedFile {
    pub name: String,
    size: Option<u64>,
    checksum: Option<Checksum>,
}

/// A file whose size in bytes and hash are known.
#[derive(Debug, Clone)]
pub(super) struct RemoteFile {
    pub name: String,
    pub size: u64,
    pub checksum: Checksum,
}

/// `GET /api/models/{id}/revision/{revision}?blobs=true`.
#[derive(Deserialize)]
struct ModelInfo {
    id: Option<String>,
    sha: Option<String>,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<LargeFile>,
}

#[derive(Deserialize)]
struct LargeFile {
    sha256: Option<String>,
    size: Option<u64>,
}

impl From<Sibling> for ListedFile {
    fn from(sibling: Sibling) -> Self {
        // A large file's blob is the pointer to it.
        let (size, hash) = match sibling.lfs {
            Some(lfs) => (lfs.size.or(sibling.size), lfs.sha256),
            None => (sibling.size, sibling.blob_id),
        };
        Self {
            name: sibling.rfilename,
            size,
            checksum: hash.as_deref().and_then(Checksum::parse),
        }
    }
}

impl Hub {
    /// A hub at an address such as `https://huggingface.co`. The token, where there is one, is
    /// sent to the hub and to no other host that it redirects to.
    ///
    /// # Errors
    /// `BadEndpoint` or `BadToken`.
    pub fn new(endpoint: &str, token: Option<&str>) -> Result<Self, HubError> {
        let endpoint = endpoint.trim_end_matches('/');
        let host = endpoint
            .strip_prefix("https://")
            .or_else(|| endpoint.strip_prefix("http://"));
        if !host.is_some_and(|host| !host.is_empty() && !host.contains([' ', '?', '#'])) {
            return Err(HubError::BadEndpoint {
                endpoint: endpoint.to_owned(),
            });
        }
        let authorization = token
            .map(|token| HeaderValue::from_str(&format!("Bearer {}", token.trim())))
            .transpose()
            .map_err(|_| HubError::BadToken)?
            .map(|mut value| {
                value.set_sensitive(true);
                value
            });
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(READ_TIMEOUT))
            .user_agent(concat!("impasto/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build()
            .new_agent();
        Ok(Self {
            agent,
            endpoint: endpoint.to_owned(),
            authorization,
        })
    }

    /// What a repository holds.
    pub(super) fn repository(
        &self,
        id: &ModelId,
        revision: &Revision,
    ) -> Result<Repository, HubError> {
        let mut repository = Repository {
            id: id.clone(),
            revision: revision.clone(),
            commit: revision.clone(),
            files: Vec::new(),
            current_id: id.clone(),
        };
        let url = format!(
            "{}/api/models/{id}/revision/{}?blobs=true",
            self.endpoint,
            revision.in_address()
        );
        let answer = self.authorized(self.agent.get(url)).call();
        let mut answer = answer.map_err(|cause| self.unreachable(&cause))?;
        self.check(&answer, &repository, None)?;
        let body = answer.body_mut().with_config().limit(LISTING_MAX);
        let info: ModelInfo = body.read_json().map_err(|cause| self.bad_answer(&cause))?;
        if let Some(current) = info.id {
            repository.current_id = ModelId::parse(&current).map_err(|e| self.bad_answer(&e))?;
        }
        if let Some(commit) = info.sha {
            repository.commit = Revision::parse(&commit).map_err(|e| self.bad_answer(&e))?;
        }
        repository.files = info.siblings.into_iter().map(ListedFile::from).collect();
        Ok(repository)
    }

    /// The file with its size and hash: from the listing, or, where a hub lists none, from the
    /// headers of the file.
    pub(super) fn describe(
        &self,
        repository: &Repository,
        file: &ListedFile,
    ) -> Result<RemoteFile, HubError> {
        let (mut size, mut checksum) = (file.size, file.checksum.clone());
        if size.is_none() || checksum.is_none() {
            let request = self.agent.head(self.address(repository, &file.name));
            // The headers that count are the hub's, not those of the storage behind it.
            let request = request.config().max_redirects(0).build();
            let answer = self.authorized(request).call();
            let answer = answer.map_err(|cause| self.unreachable(&cause))?;
            self.check(&answer, repository, Some(&file.name))?;
            let text = |name: &str| answer.headers().get(name)?.to_str().ok();
            let number = |name: &str| text(name)?.parse().ok();
            size = size.or_else(|| number("x-linked-size"));
            if answer.status().is_success() {
                size = size.or_else(|| number("content-length"));
            }
            let etag = text("x-linked-etag").or_else(|| text("etag"));
            checksum = checksum.or_else(|| Checksum::parse(etag?));
        }
        match (size, checksum) {
            (Some(size), Some(checksum)) => Ok(RemoteFile {
                name: file.name.clone(),
                size,
                checksum,
            }),
            _ => Err(HubError::Unchecked {
                endpoint: self.endpoint.clone(),
                file: file.name.clone(),
            }),
        }
    }

    /// The bytes of a file from the byte `from` on, or all of them where the hub answers 200.
    pub(super) fn open(
        &self,
        repository: &Repository,
        file: &RemoteFile,
        from: u64,
    ) -> Result<Response<Body>, HubError> {
        let mut request = self.agent.get(self.address(repository, &file.name));
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        let answer = self.authorized(request).call();
        let answer = answer.map_err(|cause| self.unreachable(&cause))?;
        self.check(&answer, repository, Some(&file.name))?;
        Ok(answer)
    }

    fn address(&self, repository: &Repository, file: &str) -> String {
        let (id, commit) = (&repository.current_id, repository.commit.in_address());
        format!("{}/{id}/resolve/{commit}/{file}", self.endpoint)
    }

    fn authorized<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.authorization {
            Some(value) => request.header(header::AUTHORIZATION, value.clone()),
            None => request,
        }
    }

    /// Turns an answer that is a refusal into its sentence. `X-Error-Code` is the hub's own word
    /// for it (`huggingface_hub.utils.hf_raise_for_status`).
    fn check(
        &self,
        answer: &Response<Body>,
        repository: &Repository,
        file: Option<&str>,
    ) -> Result<(), HubError> {
        let status = answer.status();
        if status.is_success() || status.is_redirection() {
            return Ok(());
        }
        let code = answer.headers().get("x-error-code");
        let code = code.and_then(|code| code.to_str().ok()).unwrap_or_default();
        let (endpoint, id) = (self.endpoint.clone(), repository.id.to_string());
        let revision = repository.revision.to_string();
        Err(match (code, status.as_u16(), file) {
            ("GatedRepo", ..) => HubError::Gated { endpoint, id },
            ("RepoNotFound", ..) | (_, 404, None) if code != "RevisionNotFound" => {
                HubError::UnknownModel {
                    endpoint,
                    id,
                    revision,
                }
            }
            ("RevisionNotFound", ..) => HubError::UnknownRevision { id, revision },
            ("EntryNotFound", _, Some(file)) | (_, 404, Some(file)) => repository.lacks(file),
            (_, 401 | 403, _) => HubError::NotAllowed { endpoint, id },
            (_, status, file) => HubError::Status {
                endpoint,
                status,
                asked: file.map_or(id, str::to_owned),
            },
        })
    }

    fn unreachable(&self, cause: &ureq::Error) -> HubError {
        HubError::Unreachable {
            endpoint: self.endpoint.clone(),
            cause: cause.to_string(),
        }
    }

    fn bad_answer(&self, reason: &dyn std::fmt::Display) -> HubError {
        HubError::BadAnswer {
            endpoint: self.endpoint.clone(),
            reason: reason.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_address() {
        for good in ["https://huggingface.co", "http://127.0.0.1:80/hub/"] {
            assert!(Hub::new(good, None).is_ok(), "{good}");
        }
        for bad in ["", "huggingface.co", "https://", "ftp://a", "https://a?b"] {
            let refused = Hub::new(bad, None);
            assert!(
                matches!(refused, Err(HubError::BadEndpoint { .. })),
                "{bad}"
            );
        }
        let refused = Hub::new("https://huggingface.co", Some("a\nb"));
        assert!(matches!(refused, Err(HubError::BadToken)));
    }

    #[test]
    fn a_large_files_hash_is_not_its_pointers() {
        let sibling = |json: &str| ListedFile::from(serde_json::from_str::<Sibling>(json).unwrap());
        let blob = "a".repeat(40);
        let sha256 = "b".repeat(64);
        let small = sibling(&format!(
            r#"{{"rfilename":"a","size":3,"blobId":"{blob}"}}"#
        ));
        assert_eq!(small.checksum, Checksum::parse(&blob));
        let large = format!(
            r#"{{"rfilename":"a","size":3,"blobId":"{blob}","lfs":{{"sha256":"{sha256}","size":5}}}}"#
        );
        let large = sibling(&large);
        assert_eq!(large.checksum, Checksum::parse(&sha256));
        assert_eq!(large.size, Some(5));
        let unknown = sibling(&format!(
            r#"{{"rfilename":"a","blobId":"{blob}","lfs":{{}}}}"#
        ));
        assert_eq!(unknown.checksum, None);
    }
}
