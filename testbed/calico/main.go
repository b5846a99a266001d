// One binary for the two parts of Calico that a node needs: it acts as the part whose name it is called by.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/projectcalico/calico/cni-plugin/pkg/plugin"
	"github.com/projectcalico/calico/felix/daemon"
)

func main() {
	switch part := filepath.Base(os.Args[0]); part {
	case "calico":
		plugin.Main("testbed")
	case "calico-felix":
		daemon.Run("/nonexistent/felix.cfg", "testbed", "", "")
	default:
		fmt.Fprintf(os.Stderr, "%s: not a part of Calico\n", part)
		os.Exit(2)
	}
}
