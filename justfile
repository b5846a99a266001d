# A menu over `cargo xtask`; the logic lives there.

# Every test, from formatting to the demo.
test *arguments:
    cargo xtask test {{arguments}}

# One lease from order to refund, on a real chain and a real Kubernetes.
demo *arguments:
    cargo xtask demo {{arguments}}

# Every way out of a lease, on a real node, with and without its control.
isolation *arguments:
    cargo xtask isolation {{arguments}}

# Write the generated files.
codegen:
    cargo xtask codegen

# The testbed: up, down, status or kubeconfig.
testbed *arguments:
    cargo xtask testbed {{arguments}}

# Gas of every contract call against its target.
gas:
    cargo xtask bench gas
