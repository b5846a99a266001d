//! `kubelet_serving`: the meter will be able to verify the kubelets, as far as it can be told without reaching one.
//!
//! A kubelet's certificate is seen only by whoever connects to the node. From here only its request for one is seen, and the
//! cluster forgets requests after an hour (pending ones after a day).

use k8s_openapi::api::certificates::v1::CertificateSigningRequest;

use crate::{
    ClusterFacts, Values,
    outcome::{Judgement, fail, not_applicable, pass},
};

/// Who signs for kubelets that ask the cluster.
const SIGNER: &str = "kubernetes.io/kubelet-serving";

pub(super) fn check(facts: &ClusterFacts, values: &Values) -> Judgement {
    let kubelet = &values.meter.kubelet;
    if kubelet.insecure_tls {
        return not_applicable(
            "meter.kubelet.insecureTls is set: the meter will trust whatever answers at a node's address",
        );
    }
    let of_kubelets: Vec<_> = facts
        .certificate_requests
        .as_ref()?
        .iter()
        .filter(|request| request.spec.signer_name == SIGNER)
        .collect();
    let pending = of_kubelets.iter().filter(|request| is_pending(request)).count();
    if pending > 0 {
        return fail(
            format!("{pending} requests of kubelets for serving certificates wait for approval"),
            "run something that approves them, or look at each and approve it: kubectl get csr; kubectl certificate approve NAME",
        );
    }
    let name = &kubelet.ca_config_map;
    if !name.is_empty() {
        let namespace = &facts.namespace;
        let found = facts.kubelet_authority.as_ref()?.as_ref();
        let has_authority =
            found.and_then(|map| map.data.as_ref()).is_some_and(|data| data.contains_key("ca.crt"));
        if !has_authority {
            return fail(
                format!(
                    "the ConfigMap {namespace}/{name} of meter.kubelet.caConfigMap is missing or has no ca.crt"
                ),
                format!(
                    "kubectl -n {namespace} create configmap {name} --from-file=ca.crt=FILE with the kubelets' authority"
                ),
            );
        }
        return pass(format!(
            "the ConfigMap {namespace}/{name} has an authority for the kubelets; the meter's /readyz says whether it is theirs"
        ));
    }
    match of_kubelets.len() {
        0 => not_applicable(
            "no recent request for a kubelet's serving certificate, and the certificates themselves are seen only from the cluster's \
             network: the meter's /readyz says whether it can verify them",
        ),
        issued => pass(format!(
            "the cluster's own authority signed {issued} of the kubelets' serving certificates lately"
        )),
    }
}

fn is_pending(request: &CertificateSigningRequest) -> bool {
    request.status.as_ref().is_none_or(|status| {
        status.certificate.is_none() && status.conditions.as_ref().is_none_or(Vec::is_empty)
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::{Value, json};

    use super::*;
    use crate::test_support::{facts, failed, object, passed, skipped, values};

    fn request(signer: &str, status: Value) -> CertificateSigningRequest {
        object(json!({
            "metadata": {"name": "csr-1"},
            "spec": {"request": "", "signerName": signer, "usages": ["server auth"]},
            "status": status
        }))
    }

    fn checked(requests: Vec<CertificateSigningRequest>, map: Option<ConfigMap>, yaml: &str) -> Judgement {
        let facts =
            ClusterFacts { certificate_requests: Ok(requests), kubelet_authority: Ok(map), ..facts() };
        check(&facts, &values(yaml))
    }

    const OWN: &str = "{meter: {kubelet: {caConfigMap: kubelet-ca}}}";

    #[test]
    fn what_was_signed_or_named_passes_and_the_rest_is_not_known() {
        let issued = request(SIGNER, json!({"certificate": "Y2VydA=="}));
        assert_eq!(
            passed(checked(vec![issued], None, "{}")),
            "the cluster's own authority signed 1 of the kubelets' serving certificates lately"
        );
        let map = object(json!({"data": {"ca.crt": "PEM"}}));
        assert!(
            passed(checked(Vec::new(), Some(map), OWN))
                .starts_with("the ConfigMap leasehold-system/kubelet-ca has")
        );
        let other = request("kubernetes.io/kube-apiserver-client-kubelet", json!({}));
        assert!(skipped(checked(vec![other], None, "{}")).starts_with("no recent request"));
        let insecure = "{meter: {kubelet: {insecureTls: true}}}";
        assert!(skipped(checked(Vec::new(), None, insecure)).starts_with("meter.kubelet.insecureTls is set"));
    }

    #[test]
    fn a_request_that_waits_and_an_authority_that_is_missing_fail() {
        let (message, fix) = failed(checked(vec![request(SIGNER, json!({}))], None, "{}"));
        assert_eq!(message, "1 requests of kubelets for serving certificates wait for approval");
        assert!(fix.ends_with("kubectl certificate approve NAME"), "{fix}");
        let empty = object(json!({"data": {"other": ""}}));
        for map in [None, Some(empty)] {
            assert_eq!(
                failed(checked(Vec::new(), map, OWN)),
                (
                    "the ConfigMap leasehold-system/kubelet-ca of meter.kubelet.caConfigMap is missing or has no ca.crt".to_owned(),
                    "kubectl -n leasehold-system create configmap kubelet-ca --from-file=ca.crt=FILE with the kubelets' authority".to_owned()
                )
            );
        }
    }
}
