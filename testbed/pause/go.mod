module leasehold.dev/testbed/pause

go 1.26
