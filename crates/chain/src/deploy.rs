//! Deploys the market to any EVM chain, and checks what was deployed.
//!
//! A [`Params`] file and the compiled [`Artifacts`] decide everything: the [`Blueprint`] with every address. The
//! [`ChainState`] says what of it is there, [`plan()`] what is left to do, and the [`Runner`] does that. Nothing is
//! remembered between runs but the [`Record`], which is written when everything is done.

mod artifact;
mod blueprint;
mod bounds;
mod bundle;
mod contract;
mod development;
mod error;
mod estimate;
mod factory;
mod history;
mod install;
mod params;
mod plan;
mod probe;
mod record;
mod runner;
mod span;
mod state;
mod verify;

pub use artifact::{Artifact, ArtifactError, Artifacts};
pub use blueprint::{Action, Blueprint, Contract};
pub use bounds::Problem;
pub use bundle::{BundleError, Bundled, bundle};
pub use contract::{ADMIN_ROLE, Arguments, ContractName, GUARDIAN_ROLE, IAccessManaged, IAccessManager};
pub use development::{MarketTerms, deploy, test_token};
pub use error::DeployError;
pub use estimate::{Estimate, Gas, digest, estimate};
pub use factory::{FACTORY, FACTORY_COST, FACTORY_SIGNER, FACTORY_TRANSACTION};
pub use history::{first_block, transactions};
pub use install::install_factory;
pub use params::{
    Administration, Guard, Params, ParamsError, ReviewedParams, Token, TokenAmount, WindowParams,
};
pub use plan::{PlanError, Step, plan};
pub use probe::Opcode;
pub use record::{Compiler, Details, Record, RecordError, RecordedContract, RecordedTransaction};
pub use runner::{Progress, Runner, Sent};
pub use span::{Span, SpanError};
pub use state::{ChainState, Code, MarketState, Member, Roles, TokenState};
pub use verify::{Finding, check};
