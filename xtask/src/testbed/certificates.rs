//! The cluster's own certificate authority, and the certificates and kubeconfigs that it signs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::json;

use super::site::{KUBERNETES_SERVICE, NODE_NAME, Site};
use crate::process::output;

/// A certificate to sign.
struct Subject {
    file: &'static str,
    name: &'static str,
    group: Option<&'static str>,
    usage: &'static str,
}

const fn client(file: &'static str, name: &'static str, group: Option<&'static str>) -> Subject {
    Subject { file, name, group, usage: "clientAuth" }
}

/// Everybody who talks to the API server, by the name that RBAC knows them by.
const CLIENTS: [Subject; 7] = [
    client("admin", "admin", Some("system:masters")),
    client("kube-apiserver-kubelet-client", "kube-apiserver", None),
    client("kube-controller-manager", "system:kube-controller-manager", None),
    client("kube-scheduler", "system:kube-scheduler", None),
    client("kube-proxy", "system:kube-proxy", None),
    client("kubelet-client", "system:node:testbed", Some("system:nodes")),
    client("calico", "calico", None),
];

const DAYS: &str = "30";

/// The certificate authority of a site and what it has signed.
#[derive(Debug)]
pub(crate) struct Authority<'a> {
    site: &'a Site,
}

impl<'a> Authority<'a> {
    /// Makes the authority, every certificate and every kubeconfig that the site needs.
    pub(crate) fn create(site: &'a Site) -> Result<Self> {
        let authority = Self { site };
        fs::create_dir_all(site.pki())?;
        fs::set_permissions(site.pki(), fs::Permissions::from_mode(0o700))?;
        fs::write(authority.settings(), "[req]\ndistinguished_name = subject\n[subject]\n")?;
        authority.sign_itself()?;
        for subject in &CLIENTS {
            authority.sign(subject, None)?;
        }
        let address = format!("IP:{}", site.address);
        let serving = |file, name| Subject { file, name, group: None, usage: "serverAuth" };
        let api_names = format!(
            "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,\
             DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:{KUBERNETES_SERVICE},{address}"
        );
        authority.sign(&serving("kube-apiserver", "kube-apiserver"), Some(&api_names))?;
        authority.sign(&serving("kubelet", NODE_NAME), Some(&format!("DNS:{NODE_NAME},{address}")))?;
        authority.create_service_account_key()?;
        for (subject, path) in [
            ("admin", site.kubeconfig()),
            ("kube-controller-manager", authority.kubeconfig("kube-controller-manager")),
            ("kube-scheduler", authority.kubeconfig("kube-scheduler")),
            ("kube-proxy", authority.kubeconfig("kube-proxy")),
            ("kubelet-client", authority.kubeconfig("kubelet")),
            ("calico", authority.kubeconfig("calico")),
        ] {
            authority.write_kubeconfig(subject, &path)?;
        }
        Ok(authority)
    }

    /// Gives one more client a certificate; returns its kubeconfig.
    pub(crate) fn admit(&self, name: &'static str, group: &'static str) -> Result<PathBuf> {
        self.sign(&client(name, name, Some(group)), None)?;
        let path = self.kubeconfig(name);
        self.write_kubeconfig(name, &path)?;
        Ok(path)
    }

    /// The certificate of that name.
    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.site.pki().join(format!("{name}.crt"))
    }

    /// The private key of that name.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.site.pki().join(format!("{name}.key"))
    }

    /// The kubeconfig of a component.
    pub(crate) fn kubeconfig(&self, component: &str) -> PathBuf {
        self.site.config().join(format!("{component}.kubeconfig"))
    }

    fn sign_itself(&self) -> Result<()> {
        let mut command = self.new_key_request();
        command.args(["-x509", "-days", DAYS, "-subj", "/CN=leasehold-testbed", "-addext"]);
        command.args([
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        ]);
        output(command.arg("-keyout").arg(self.key("ca")).arg("-out").arg(self.certificate("ca")))
            .context("failed to make the certificate authority")?;
        Ok(())
    }

    fn sign(&self, subject: &Subject, names: Option<&str>) -> Result<()> {
        let Subject { file, name, group, usage } = subject;
        let group = group.map(|group| format!("/O={group}")).unwrap_or_default();
        let mut command = self.new_key_request();
        command.args(["-x509", "-days", DAYS, "-subj", &format!("{group}/CN={name}")]);
        command.args([
            "-addext",
            &format!("extendedKeyUsage={usage}"),
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ]);
        command.args(["-addext", "keyUsage=critical,digitalSignature"]);
        if let Some(names) = names {
            command.args(["-addext", &format!("subjectAltName={names}")]);
        }
        command.arg("-CA").arg(self.certificate("ca")).arg("-CAkey").arg(self.key("ca"));
        output(command.arg("-keyout").arg(self.key(file)).arg("-out").arg(self.certificate(file)))
            .with_context(|| format!("failed to sign the certificate of {name}"))?;
        Ok(())
    }

    fn create_service_account_key(&self) -> Result<()> {
        let (private, public) = (self.key("service-accounts"), self.site.pki().join("service-accounts.pub"));
        let mut generate = Command::new("openssl");
        generate.args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"]);
        output(generate.arg(&private))?;
        output(
            Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&private).arg("-out").arg(public),
        )?;
        Ok(())
    }

    fn write_kubeconfig(&self, subject: &str, path: &Path) -> Result<()> {
        let encoded = |path: PathBuf| -> Result<String> {
            let bytes = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
            Ok(data_encoding::BASE64.encode(&bytes))
        };
        // YAML is a superset of JSON, so every reader of a kubeconfig takes this.
        let text = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "testbed", "cluster": {
                "server": self.site.api_url(),
                "certificate-authority-data": encoded(self.certificate("ca"))?,
            }}],
            "users": [{"name": subject, "user": {
                "client-certificate-data": encoded(self.certificate(subject))?,
                "client-key-data": encoded(self.key(subject))?,
            }}],
            "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": subject}}],
            "current-context": "testbed",
        });
        super::state::write_private(path, format!("{text:#}\n").as_bytes())
    }

    /// OpenSSL's own settings differ between systems, so it is given some that say nothing.
    fn settings(&self) -> PathBuf {
        self.site.pki().join("openssl.cnf")
    }

    fn new_key_request(&self) -> Command {
        let mut command = Command::new("openssl");
        command.args([
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-sha256",
        ]);
        command.arg("-config").arg(self.settings());
        command
    }
}
