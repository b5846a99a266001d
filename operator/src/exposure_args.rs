//! Flags of public ports. Without `--gateway` there are none, and manifests that want some are refused.

use std::{net::SocketAddr, sync::Arc};

use clap::Args;
use jiff::SignedDuration;
use manifest::HostName;

use crate::{
    lease_controller::hosts::{
        dns::{self, Dns},
        proofs::ReadTexts,
    },
    settings::exposure::{DataPlane, Exposure, GatewayRef, PublicDomain},
};

/// Flags of `operator run` about the provider's Gateway.
#[derive(Debug, Args)]
pub(crate) struct ExposureArgs {
    /// Gateway (NAMESPACE/NAME or NAMESPACE/NAME/LISTENER) that serves public ports; public ports are refused if left out.
    #[arg(long, requires = "public_domain", requires = "gateway_data_plane")]
    gateway: Option<GatewayRef>,
    /// Domain of generated hosts. A wildcard record under it leads to the Gateway.
    #[arg(long, requires = "gateway")]
    public_domain: Option<PublicDomain>,
    /// Pods of the Gateway's proxy: NAMESPACE/KEY=VALUE[,KEY=VALUE]. Public ports accept connections from them alone.
    #[arg(long, requires = "gateway")]
    gateway_data_plane: Option<DataPlane>,
    /// Domains that no tenant's own host may lie under, besides the public domain.
    #[arg(long, value_delimiter = ',')]
    reserved_domains: Vec<HostName>,
    /// Seconds for which a tenant's own host is kept from other tenants after it was given back.
    #[arg(long, default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(60..))]
    host_cooldown: u32,
    /// Seconds for which a tenant's own host whose DNS record vanished still leads to its lease.
    #[arg(long, default_value_t = 3_600)]
    host_grace: u32,
    /// DNS server (ADDRESS:PORT) to ask about tenants' own hosts, again for each further one; the machine's own if left out.
    #[arg(long)]
    host_resolver: Vec<SocketAddr>,
}

impl ExposureArgs {
    /// What reads the records that prove who owns a host, if there is a Gateway.
    pub(crate) fn host_records(&self) -> Result<Option<Arc<dyn ReadTexts>>, dns::Error> {
        match self.gateway {
            None => Ok(None),
            Some(_) => Dns::new(&self.host_resolver).map(|dns| Some(Arc::new(dns) as Arc<dyn ReadTexts>)),
        }
    }

    /// The settings, if there is a Gateway.
    pub(crate) fn settings(self) -> Option<Exposure> {
        let Self {
            gateway,
            public_domain,
            gateway_data_plane,
            reserved_domains,
            host_cooldown,
            host_grace,
            host_resolver: _,
        } = self;
        Some(Exposure {
            gateway: gateway?,
            data_plane: gateway_data_plane?,
            public_domain: public_domain?,
            reserved_domains,
            host_cooldown: SignedDuration::from_secs(host_cooldown.into()),
            host_grace: SignedDuration::from_secs(host_grace.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        exposure: ExposureArgs,
    }

    fn parse(flags: &[&str]) -> Result<Option<Exposure>, clap::error::ErrorKind> {
        Flags::try_parse_from([&["operator"], flags].concat())
            .map(|flags| flags.exposure.settings())
            .map_err(|error| error.kind())
    }

    #[test]
    fn without_a_gateway_nothing_is_public() {
        assert_eq!(parse(&[]), Ok(None));
    }

    #[test]
    fn a_gateway_needs_its_domain_and_its_pods() {
        let gateway = "--gateway=infra/public";
        let domain = "--public-domain=apps.example.com";
        let plane = "--gateway-data-plane=infra/app=traefik";
        for flags in [vec![gateway], vec![gateway, domain], vec![gateway, plane], vec![domain, plane]] {
            assert_eq!(parse(&flags), Err(clap::error::ErrorKind::MissingRequiredArgument), "{flags:?}");
        }
        assert_eq!(
            parse(&[gateway, domain, plane, "--reserved-domains=example.net,example.org", "--host-grace=60"]),
            Ok(Some(Exposure {
                gateway: "infra/public".parse().unwrap(),
                data_plane: "infra/app=traefik".parse().unwrap(),
                public_domain: "apps.example.com".parse().unwrap(),
                reserved_domains: vec!["example.net".parse().unwrap(), "example.org".parse().unwrap()],
                host_cooldown: SignedDuration::from_secs(86_400),
                host_grace: SignedDuration::from_secs(60),
            }))
        );
    }
}
