//! Reads what the checks look at. Everything here is `get`, `list` or a review of our own rights.

use std::{fmt::Debug, path::Path};

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    core::v1::{ConfigMap, Namespace, Secret},
};
use kube::{
    Api, Client, Config, Resource,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use serde::de::DeserializeOwned;

use crate::{
    ClusterFacts, Values,
    facts::{Clocks, Fact, Gateway, Unread, Version},
    rights::{self, Right, Scope},
};

/// Reviews that are under way at once.
const REVIEWS_AT_ONCE: usize = 8;
/// Objects of one page of a list.
const PAGE: u32 = 500;
/// The version of the Gateway API that the operator writes.
const GATEWAY_API: &str = "gateway.networking.k8s.io/v1";
/// Where kubelets renew their Leases.
const HEARTBEATS: &str = "kube-node-lease";

/// Why no cluster can be asked.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The file is missing or is no kubeconfig.
    #[error("failed to read the kubeconfig")]
    Read(#[source] KubeconfigError),
    /// It lacks the context, or what the context needs.
    #[error("the kubeconfig is not usable")]
    Use(#[source] KubeconfigError),
    /// TLS or credentials cannot be set up.
    #[error("failed to set up the client of the API server")]
    Client(#[source] kube::Error),
}

/// A client by the usual rules, and the namespace that its context names: `file`, or else `KUBECONFIG`, or else `~/.kube/config`.
pub async fn connect(file: Option<&Path>, context: Option<String>) -> Result<(Client, String), ConnectError> {
    let kubeconfig = file.map_or_else(Kubeconfig::read, Kubeconfig::read_from);
    let kubeconfig = kubeconfig.map_err(ConnectError::Read)?;
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(ConnectError::Use)?;
    let namespace = config.default_namespace.clone();
    Ok((Client::try_from(config).map_err(ConnectError::Client)?, namespace))
}

/// Reads a cluster for a release in `namespace`.
pub async fn cluster(client: &Client, namespace: &str, values: &Values) -> ClusterFacts {
    let all = || client.clone();
    let gateway = &values.operator.exposure.gateway;
    let authority = &values.meter.kubelet.ca_config_map;
    let key = &values.agent.operator_key.secret_name;
    // The clock first: the heartbeats are compared with it.
    let clocks = clocks(client).await;
    ClusterFacts {
        namespace: namespace.to_owned(),
        version: version(client).await,
        lacking: lacking(client, namespace, values).await,
        nodes: list(Api::all(all()), "the nodes").await,
        runtime_classes: list(Api::all(all()), "the runtime classes").await,
        storage_classes: list(Api::all(all()), "the storage classes").await,
        gateway_resources: gateway_resources(client).await,
        gateway: match gateway.name.as_str() {
            "" => Ok(None),
            name => find_gateway(client, &gateway.namespace, name).await,
        },
        events: list(Api::namespaced(all(), namespace), "the events").await,
        clocks,
        heartbeats: list(Api::namespaced(all(), HEARTBEATS), "the nodes' heartbeats").await,
        certificate_requests: list(Api::all(all()), "the certificate requests").await,
        kubelet_authority: match authority.as_str() {
            "" => Ok(None),
            name => find::<ConfigMap>(Api::namespaced(all(), namespace), name, "the ConfigMap").await,
        },
        system_namespace: find::<Namespace>(Api::all(all()), namespace, "the namespace").await,
        webhooks: list(Api::all(all()), "the mutating webhooks").await,
        has_operator_key: match key.as_str() {
            "" => Ok(false),
            name => has_secret(&Api::namespaced(all(), namespace), name).await,
        },
    }
}

async fn version(client: &Client) -> Fact<Version> {
    let info = client.apiserver_version().await;
    let info = info.map_err(|error| Unread::new("the API server's version", &error))?;
    Ok(Version { major: info.major, minor: info.minor, full: info.git_version })
}

async fn clocks(client: &Client) -> Fact<Clocks> {
    let unread = |why: String| Unread { what: "the API server's clock".to_owned(), why, is_forbidden: false };
    let request = http::Request::get("/version").body(kube::client::Body::empty());
    let request = request.map_err(|error| unread(error.to_string()))?;
    let asked = Timestamp::now().as_second();
    let answer = client.send(request).await.map_err(|error| unread(error.to_string()))?;
    let answered = Timestamp::now().as_second();
    let date = answer.headers().get(http::header::DATE).and_then(|date| date.to_str().ok());
    let date = date.ok_or_else(|| unread("its answer has no date".to_owned()))?;
    let there = jiff::fmt::rfc2822::parse(date).map_err(|error| unread(error.to_string()))?;
    Ok(Clocks { there: there.timestamp().as_second(), asked, answered })
}

/// Asks about each right; what the API server does not allow is lacking.
async fn lacking(client: &Client, namespace: &str, values: &Values) -> Fact<Vec<Right>> {
    let api = Api::<SelfSubjectAccessReview>::all(client.clone());
    let reviews = rights::of_the_chart(values).into_iter().map(|right| {
        let api = api.clone();
        async move {
            let review = review(&right, namespace);
            let answer = api.create(&PostParams::default(), &review).await;
            let answer = answer.map_err(|error| Unread::new("your own rights", &error))?;
            Ok((right, answer.status.is_some_and(|status| status.allowed)))
        }
    });
    let answers: Vec<(Right, bool)> = stream::iter(reviews).buffered(REVIEWS_AT_ONCE).try_collect().await?;
    Ok(answers.into_iter().filter(|(_, allowed)| !allowed).map(|(right, _)| right).collect())
}

fn review(right: &Right, namespace: &str) -> SelfSubjectAccessReview {
    let attributes = ResourceAttributes {
        verb: Some(right.verb.to_owned()),
        group: Some(right.group.to_owned()),
        resource: Some(right.resource.to_owned()),
        namespace: match right.scope {
            Scope::Namespaced => Some(namespace.to_owned()),
            Scope::In(namespace) => Some(namespace.to_owned()),
            Scope::Cluster => None,
        },
        ..ResourceAttributes::default()
    };
    SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    }
}

/// A cluster without the group serves none of it.
async fn gateway_resources(client: &Client) -> Fact<Vec<String>> {
    match client.list_api_group_resources(GATEWAY_API).await {
        Ok(list) => Ok(list.resources.into_iter().map(|resource| resource.name).collect()),
        Err(error) if is_missing(&error) => Ok(Vec::new()),
        Err(error) => Err(Unread::new("the Gateway API", &error)),
    }
}

async fn find_gateway(client: &Client, namespace: &str, name: &str) -> Fact<Option<Gateway>> {
    let resource =
        ApiResource::from_gvk(&GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "Gateway"));
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
    let what = format!("the Gateway {namespace}/{name}");
    let Some(found) = api.get_opt(name).await.map_err(|error| Unread::new(what.clone(), &error))? else {
        return Ok(None);
    };
    let gateway = serde_json::from_value(found.data);
    gateway.map(Some).map_err(|error| Unread { what, why: error.to_string(), is_forbidden: false })
}

/// Its metadata alone crosses the wire.
async fn has_secret(api: &Api<Secret>, name: &str) -> Fact<bool> {
    let found = api.get_metadata_opt(name).await;
    Ok(found.map_err(|error| Unread::new(format!("the Secret {name}"), &error))?.is_some())
}

async fn find<K>(api: Api<K>, name: &str, what: &str) -> Fact<Option<K>>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    api.get_opt(name).await.map_err(|error| Unread::new(format!("{what} {name}"), &error))
}

/// All objects, page by page.
async fn list<K>(api: Api<K>, what: &str) -> Fact<Vec<K>>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let (mut found, mut params) = (Vec::new(), ListParams::default().limit(PAGE));
    loop {
        let page = api.list(&params).await.map_err(|error| Unread::new(what, &error))?;
        found.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(found),
        }
    }
}

fn is_missing(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == http::StatusCode::NOT_FOUND.as_u16())
}
