//! Row 26 on the node: an image behind a password runs for the tenant who has the password, and for nobody else, although the node has
//! it by then.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result};
use crd::{ComputeLease, TierName, condition};
use e2e::chart::NAMESPACE;
use e2e::cluster::until;
use isolation_probe::observation::Observation;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

use crate::lease::{self, Lease};
use crate::place::{BARE, Place};

const PATIENCE: Duration = Duration::from_secs(120);
const ROW: u8 = 26;

/// A registry, and who may pull from it.
#[derive(Clone)]
pub(crate) struct PrivateRegistry {
    /// As image references name it.
    pub(crate) host: String,
    user: String,
    password: String,
}

impl FromStr for PrivateRegistry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('@').and_then(|(who, host)| Some((host, who.split_once(':')?)));
        let (host, (user, password)) = parts.ok_or("it is not USER:PASSWORD@HOST:PORT")?;
        Ok(Self { host: host.to_owned(), user: user.to_owned(), password: password.to_owned() })
    }
}

impl fmt::Debug for PrivateRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateRegistry").field("host", &self.host).finish_non_exhaustive()
    }
}

/// One tenant runs it; another one, and a pod of nobody's lease, try to.
pub(crate) async fn of_leases(place: &Place) -> Result<Vec<Observation>> {
    let PrivateRegistry { host, user, password } = &place.args.private_registry;
    let image = image(place)?;
    let serve = lease::service(place, &["serve"], "20m", "32Mi", &json!({"image": image}));
    let credentials = json!({host: {"username": user, "password": {"value": password}}});
    let mine = json!({"services": {"mine": serve}, "registries": credentials});
    let mine = lease::open_manifest(place, 14, TierName::Strict, mine).await?;
    let runs =
        mine.await_ready(place).await.map(|()| "it runs".to_owned()).map_err(|error| format!("{error:#}"));
    let mut seen = vec![Observation::control(ROW, "the private image with its password", runs)];
    seen.push(secrets(place, &mine).await?);

    let stranger = lease::open(place, 15, TierName::Strict, json!({"theirs": serve})).await?;
    let answer = accepted(place, &stranger).await?;
    seen.push(Observation::attempt(ROW, "a lease of that image without the password", answer));
    // The operator asks the registry, and so does the node, whatever the operator thinks.
    let container = json!({"image": image, "imagePullPolicy": "Always"});
    let answer = run(place, "private-image", &container, None).await?;
    seen.push(Observation::attempt(ROW, "a pod of that image on the same node without the password", answer));
    stranger.end(place).await?;
    mine.end(place).await?;
    Ok(seen)
}

/// The same pod where the password lies in the namespace of a stranger.
pub(crate) async fn without_controls(place: &Place) -> Result<Vec<Observation>> {
    let PrivateRegistry { host, user, password } = &place.args.private_registry;
    let config = json!({"auths": {host: {"username": user, "password": password}}});
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "stolen"},
        "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": config.to_string()},
    });
    place.apply(&format!("/api/v1/namespaces/{BARE}/secrets"), &secret).await?;
    let container = json!({"image": image(place)?, "imagePullPolicy": "Always"});
    let answer = run(place, "private-stolen", &container, Some("stolen")).await?;
    Ok(vec![Observation::attempt(ROW, "the private image with a stolen password", answer)])
}

/// The probe's image, as the private registry names it.
fn image(place: &Place) -> Result<String> {
    let (_, name) = place.probe_image.split_once('/').context("the probe's image names no registry")?;
    Ok(format!("{}/{name}", place.args.private_registry.host))
}

/// The password lies where the manifest and the node need it, and nowhere else.
async fn secrets(place: &Place, lease: &Lease) -> Result<Observation> {
    let password = place.args.private_registry.password.as_bytes();
    let all = Api::<Secret>::all(place.admin.clone()).list(&ListParams::default()).await?;
    let holds = |secret: &&Secret| {
        let mut values = secret.data.iter().flatten();
        values.any(|(_, value)| value.0.windows(password.len()).any(|bytes| bytes == password))
    };
    let mut found: Vec<String> = all
        .iter()
        .filter(holds)
        .map(|secret| format!("{}/{}", secret.namespace().unwrap_or_default(), secret.name_any()))
        .collect();
    found.sort();
    let manifest = format!("{NAMESPACE}/{}", lease.name.manifest_secret());
    let mut expected = vec![manifest, format!("{}/image-pull", lease.namespace())];
    expected.sort();
    let result = if found == expected {
        Err("the manifest's and the pods' own".to_owned())
    } else {
        Ok(found.join(", "))
    };
    Ok(Observation::attempt(ROW, "the password in other Secrets", result))
}

/// Whether the operator takes a lease, or its words.
async fn accepted(place: &Place, lease: &Lease) -> Result<Result<String, String>> {
    let leases = Api::<ComputeLease>::namespaced(place.admin.clone(), NAMESPACE);
    until("a decision about a lease with a private image", PATIENCE, || async {
        let lease = leases.get(lease.namespace()).await?;
        let accepted = condition::find(lease.conditions(), condition::ACCEPTED);
        Ok(accepted.map(|accepted| match accepted.status.as_str() {
            "True" => Ok("accepted".to_owned()),
            _ => Err(format!("{}: {}", accepted.reason, accepted.message)),
        }))
    })
    .await
}

/// Whether a pod beside all leases runs, or the node's words.
async fn run(
    place: &Place,
    name: &str,
    container: &Value,
    secret: Option<&str>,
) -> Result<Result<String, String>> {
    let mut container = container.clone();
    crate::corpus::merge(&mut container, &json!({"name": "image", "args": ["serve"]}));
    let secrets: Vec<Value> = secret.iter().map(|name| json!({"name": name})).collect();
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "automountServiceAccountToken": false, "imagePullSecrets": secrets, "containers": [container],
        },
    });
    place.apply(&format!("/api/v1/namespaces/{BARE}/pods"), &pod).await?;
    let pods = Api::<Pod>::namespaced(place.admin.clone(), BARE);
    until(&format!("an end of the pull for {name}"), PATIENCE, || async {
        let status = serde_json::to_value(pods.get(name).await?.status)?;
        let state = &status["containerStatuses"][0]["state"];
        if state["running"].is_object() {
            return Ok(Some(Ok("it runs".to_owned())));
        }
        let waiting = &state["waiting"];
        let failed = ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"];
        let reason = waiting["reason"].as_str().filter(|reason| failed.contains(reason));
        Ok(reason.map(|reason| Err(format!("{reason}: {}", waiting["message"].as_str().unwrap_or_default()))))
    })
    .await
}
